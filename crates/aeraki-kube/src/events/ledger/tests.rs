use aeraki_core::object::{Kind, ObjectKey};
use proptest::prelude::*;

use super::*;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn notice(number: usize) -> Notice {
    Notice {
        is_warning: false,
        object: ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "orders"),
        reason: "ConfigProblem",
        note: number.to_string(),
    }
}

fn warning(number: usize) -> Notice {
    Notice {
        is_warning: true,
        ..notice(number)
    }
}

fn observed(notices: impl IntoIterator<Item = Notice>) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.observe(notices.into_iter().collect());
    ledger
}

/// What is sent at once at a time: the notes, and how often they will have been told.
fn sent(ledger: &mut Ledger, now: Duration) -> Vec<(String, u32)> {
    let next = || match ledger.next(now) {
        Next::Send(dispatch) => Some((dispatch.notice.note.clone(), dispatch.count)),
        Next::Wait(_) | Next::Idle => None,
    };
    std::iter::from_fn(next).collect()
}

fn told(note: &str, count: u32) -> (String, u32) {
    (note.to_owned(), count)
}

#[test]
fn a_notice_is_told_once_however_often_it_is_observed() {
    let mut ledger = observed([notice(1)]);
    assert_eq!(sent(&mut ledger, secs(0)), [told("1", 1)]);
    ledger.observe(vec![notice(1)]);
    assert_eq!(sent(&mut ledger, secs(60)), []);
}

#[test]
fn while_it_is_true_it_is_told_again_before_the_server_forgets() {
    let mut ledger = observed([notice(1)]);
    sent(&mut ledger, secs(0));
    assert_eq!(ledger.next(secs(100)), Next::Wait(AGAIN - secs(100)));
    assert_eq!(sent(&mut ledger, AGAIN), [told("1", 2)]);
    assert_eq!(sent(&mut ledger, AGAIN * 2), [told("1", 3)]);
}

#[test]
fn what_is_no_longer_true_is_not_told_again() {
    let mut ledger = observed([notice(1)]);
    sent(&mut ledger, secs(0));
    ledger.observe(Vec::new());
    assert_eq!(sent(&mut ledger, AGAIN), []);
    assert_eq!(ledger.next(AGAIN), Next::Idle);
}

#[test]
fn what_comes_and_goes_is_told_no_more_often_than_what_stays() {
    let mut ledger = observed([notice(1)]);
    sent(&mut ledger, secs(0));
    for second in 1..100 {
        ledger.observe(Vec::new());
        ledger.observe(vec![notice(1)]);
        assert_eq!(sent(&mut ledger, secs(second)), []);
    }
    assert_eq!(sent(&mut ledger, AGAIN), [told("1", 2)]);
}

#[test]
fn what_was_forgotten_is_told_as_new() {
    let mut ledger = observed([notice(1)]);
    sent(&mut ledger, secs(0));
    ledger.observe(Vec::new());
    sent(&mut ledger, AGAIN);
    ledger.observe(vec![notice(1)]);
    assert_eq!(sent(&mut ledger, AGAIN), [told("1", 1)]);
}

#[test]
fn what_was_never_told_and_is_no_longer_true_is_never_told() {
    let mut ledger = observed([notice(1)]);
    ledger.observe(Vec::new());
    assert_eq!(ledger.next(secs(0)), Next::Idle);
    assert!(ledger.entries.is_empty());
}

#[test]
fn warnings_go_before_other_news_and_news_before_repetitions() {
    let mut ledger = observed([notice(1)]);
    sent(&mut ledger, secs(0));
    ledger.observe(vec![notice(1), notice(2), warning(3)]);
    let order: Vec<_> = sent(&mut ledger, AGAIN)
        .into_iter()
        .map(|(note, _)| note)
        .collect();
    assert_eq!(order, ["3", "2", "1"]);
}

#[test]
fn ten_thousand_notices_trickle() {
    let mut ledger = observed((0..10_000).map(warning));
    assert_eq!(sent(&mut ledger, secs(0)).len(), 50);
    assert_eq!(ledger.next(secs(0)), Next::Wait(Duration::from_millis(200)));
    assert_eq!(sent(&mut ledger, secs(2)).len(), 10);
    assert_eq!(
        sent(&mut ledger, secs(1000)).len(),
        50,
        "a quiet time saves up no more than a burst"
    );
}

#[test]
fn what_failed_is_tried_again_after_a_while() {
    let mut ledger = observed([notice(1)]);
    let Next::Send(dispatch) = ledger.next(secs(0)) else {
        panic!("to be sent");
    };
    ledger.failed(&dispatch.notice, secs(0));
    assert_eq!(ledger.next(secs(0)), Next::Wait(RETRY));
    assert_eq!(sent(&mut ledger, RETRY).len(), 1);
}

#[test]
fn what_was_put_back_is_due_at_once() {
    let mut ledger = observed([notice(1)]);
    let Next::Send(dispatch) = ledger.next(secs(0)) else {
        panic!("to be sent");
    };
    ledger.put_back(&dispatch.notice, secs(1));
    assert_eq!(sent(&mut ledger, secs(1)).len(), 1);
    assert_eq!(sent(&mut ledger, secs(2)), []);
}

#[derive(Clone, Debug)]
enum Act {
    Observe(Vec<usize>),
    Send,
    Fail,
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        prop::collection::vec(0usize..6, 0..6).prop_map(Act::Observe),
        Just(Act::Send),
        Just(Act::Fail),
        (1u64..2000).prop_map(Act::Pass),
    ]
}

proptest! {
    /// Whatever happens: what is sent is true at that time, one notice is not sent twice within the retry time, and in
    /// the end everything that is true has been told.
    #[test]
    fn only_the_truth_is_told_and_all_of_it(acts in prop::collection::vec(act(), 0..60)) {
        let mut ledger = Ledger::default();
        let (mut now, mut truth) = (secs(0), Vec::new());
        let mut last: HashMap<String, Duration> = HashMap::new();
        for act in acts {
            match act {
                Act::Observe(numbers) => {
                    truth = numbers.iter().map(ToString::to_string).collect();
                    ledger.observe(numbers.into_iter().map(notice).collect());
                }
                Act::Pass(seconds) => now += secs(seconds),
                Act::Send | Act::Fail => {
                    let Next::Send(dispatch) = ledger.next(now) else { continue };
                    prop_assert!(truth.contains(&dispatch.notice.note));
                    if let Some(before) = last.insert(dispatch.notice.note.clone(), now) {
                        prop_assert!(now - before >= RETRY);
                    }
                    if matches!(act, Act::Fail) {
                        ledger.failed(&dispatch.notice, now);
                    }
                }
            }
        }
        sent(&mut ledger, now + AGAIN);
        for (notice, entry) in &ledger.entries {
            prop_assert!(entry.count > 0, "{notice:?} was never told");
        }
        let wanted: BTreeSet<_> = truth.into_iter().collect();
        let known: BTreeSet<_> = ledger.entries.keys().map(|notice| notice.note.clone()).collect();
        prop_assert!(wanted.is_subset(&known));
    }
}
