use std::sync::Arc;

use aeraki_api::Cr;
use aeraki_api::networking::EnvoyFilter;
use aeraki_core::draft::Direction;
use aeraki_core::object::{Kind, ObjectKey};
use aeraki_core::protocol::Protocol;
use aeraki_core::{Content, Filter};
use proptest::prelude::*;

use super::*;
use crate::writer::failure::Reason;

/// Keys are of these namespaces by turns.
const NAMESPACES: [&str; 4] = ["bank", "depot", "market", "shop"];

fn key(n: usize) -> FilterKey {
    FilterKey {
        namespace: NAMESPACES[n % NAMESPACES.len()].into(),
        name: format!("aeraki-outbound-{n:03}").into(),
    }
}

fn put(n: usize, version: u8) -> Intent {
    let mut object: Cr<EnvoyFilter> = Cr::default();
    let version = version.to_string();
    object.metadata.annotations = [("version".to_owned(), version)].into();
    Intent::Update(Arc::new(Filter {
        key: key(n),
        service: ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "a"),
        host: aeraki_core::host::Host::new("a"),
        port: 1,
        protocol: Protocol::Dubbo,
        direction: Direction::Outbound,
        content: Content::of(&object),
    }))
}

fn word(n: usize, intent: Option<Intent>) -> Word {
    Word {
        key: key(n),
        intent,
        after: Vec::new(),
    }
}

fn failure(is_common: bool) -> End {
    End::Failed(Setback {
        trouble: Trouble {
            reason: Reason::Rejected,
            about: None,
        },
        is_common,
        longest: Duration::from_secs(8),
        rest: None,
    })
}

/// The names of all that may be tried now.
fn turns(queue: &mut Queue, now: Instant) -> Vec<usize> {
    let tasks = std::iter::from_fn(|| queue.take(now));
    tasks.map(|task| number(&task.key)).collect()
}

fn number(key: &FilterKey) -> usize {
    key.name
        .rsplit('-')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number")
}

#[test]
fn a_failed_try_comes_again_after_its_own_pause_and_delays_nobody() {
    let (mut queue, now) = (Queue::new(32), Instant::now());
    queue.give(
        vec![word(0, Some(put(0, 1))), word(1, Some(put(1, 1)))],
        now,
    );
    assert_eq!(turns(&mut queue, now), [0, 1]);
    let followup = queue.ended(&key(0), &failure(true), now, 1.0);
    assert_eq!(followup.again, Some(Duration::from_millis(400)));
    queue.ended(&key(1), &End::Written, now, 1.0);
    queue.give(vec![word(2, Some(put(2, 1)))], now);
    assert_eq!(turns(&mut queue, now), [2]);
    let due = queue.due(now).expect("the failed one");
    assert_eq!(due, now + Duration::from_millis(400));
    assert_eq!(turns(&mut queue, due), [0]);
    assert_eq!(queue.pending().failing, 1);
    queue.ended(&key(0), &End::Written, due, 1.0);
    assert_eq!(queue.pending().failing, 0);
}

#[test]
fn a_wish_for_a_rest_is_granted_and_better_weather_does_not_shorten_it() {
    let (mut queue, now) = (Queue::new(64), Instant::now());
    let words = (0..40).map(|n| word(n, Some(put(n, 1)))).collect();
    queue.give(words, now);
    assert_eq!(turns(&mut queue, now).len(), 40);
    for n in 0..40 {
        let End::Failed(mut setback) = failure(true) else {
            unreachable!("it is one");
        };
        setback.rest = (n == 0).then_some(Duration::from_secs(7));
        queue.ended(&key(n), &End::Failed(setback), now, 1.0);
    }
    // A storm: one at a time, and not at once.
    assert_eq!(queue.due(now), Some(now + Duration::from_secs(2)));
    let probe = queue.due(now).expect("a probe");
    assert_eq!(turns(&mut queue, probe), [4]);
    queue.ended(&key(4), &End::Written, probe, 1.0);
    // All others of its namespace at once, but for the one that was told to wait; of each other namespace one.
    let mut next = turns(&mut queue, probe);
    next.sort_unstable();
    assert_eq!(next, [1, 2, 3, 8, 12, 16, 20, 24, 28, 32, 36]);
    for n in 1..4 {
        queue.ended(&key(n), &End::Written, probe, 1.0);
    }
    assert_eq!(turns(&mut queue, probe).len(), 27);
    assert_eq!(turns(&mut queue, now + Duration::from_secs(7)), [0]);
}

#[test]
fn a_namespace_in_which_nothing_gets_on_delays_no_other() {
    let (mut queue, mut now) = (Queue::new(8), Instant::now());
    let hanging = |n: &usize| n.is_multiple_of(NAMESPACES.len());
    let others: Vec<usize> = (0..100).filter(|n| !hanging(n)).collect();
    let (first, second) = (0..100).partition::<Vec<usize>, _>(hanging);
    let words = first.iter().chain(&second);
    queue.give(words.map(|n| word(*n, Some(put(*n, 1)))).collect(), now);
    let mut under_way = turns(&mut queue, now);
    assert!(under_way.iter().all(hanging), "they came first");
    let (mut written, mut tries) = (Vec::new(), 0);
    while written.len() < others.len() {
        // One that hangs is given up after five seconds; anybody else has an answer at once.
        let (given_up, done) = under_way.drain(..).partition::<Vec<usize>, _>(hanging);
        if done.is_empty() {
            now += Duration::from_secs(5);
            tries += given_up.len();
            for n in &given_up {
                queue.ended(&key(*n), &failure(true), now, 1.0);
            }
        } else {
            under_way = given_up;
        }
        for n in &done {
            queue.ended(&key(*n), &End::Written, now, 1.0);
        }
        written.extend(done);
        under_way.extend(turns(&mut queue, now));
    }
    assert_eq!(written, others, "nobody waited for the namespace");
    assert_eq!(tries, 8, "all that it ever had at once");
    // A new wish for somebody else goes at once, and the namespace is tried on, one at a time.
    now += Duration::from_secs(2);
    under_way.extend(turns(&mut queue, now));
    assert_eq!(under_way.len(), 1);
    queue.give(vec![word(1, Some(put(1, 2)))], now);
    assert_eq!(turns(&mut queue, now), [1]);
    // As soon as it gets on, all of it does.
    queue.ended(&key(under_way[0]), &End::Written, now, 1.0);
    assert_eq!(turns(&mut queue, now).len(), 7);
}

#[test]
fn an_object_that_is_refused_is_tried_at_once_when_it_says_something_else() {
    let (mut queue, now) = (Queue::new(32), Instant::now());
    queue.give(vec![word(0, Some(put(0, 1)))], now);
    turns(&mut queue, now);
    queue.ended(&key(0), &failure(false), now, 1.0);
    queue.give(vec![word(0, Some(put(0, 1)))], now);
    assert!(turns(&mut queue, now).is_empty(), "the same again");
    queue.give(vec![word(0, Some(put(0, 2)))], now);
    assert_eq!(turns(&mut queue, now), [0]);
    // An API server that fails is given its pause, whatever is wanted.
    queue.ended(&key(0), &failure(true), now, 1.0);
    queue.give(vec![word(0, Some(put(0, 3)))], now);
    assert!(turns(&mut queue, now).is_empty());
}

#[test]
fn an_object_that_is_fought_over_waits_and_others_do_not() {
    let (mut queue, mut now) = (Queue::new(32), Instant::now());
    let mut contest = None;
    for _ in 0..7 {
        queue.give(vec![word(0, Some(put(0, 1)))], now);
        assert_eq!(turns(&mut queue, now), [0]);
        contest = queue.ended(&key(0), &End::Written, now, 1.0).contest;
        now += Duration::from_secs(1);
    }
    let contest = contest.expect("a fight");
    queue.give(
        vec![word(0, Some(put(0, 1))), word(1, Some(put(1, 1)))],
        now,
    );
    assert_eq!(turns(&mut queue, now), [1]);
    assert_eq!(turns(&mut queue, now + contest.pause), [0]);
    queue.ended(&key(0), &End::Written, now, 1.0);
    queue.give(vec![word(0, Some(put(0, 2)))], now);
    assert_eq!(turns(&mut queue, now), [0], "something new is wanted");
}

#[test]
fn a_deletion_that_must_go_first_does_so_and_cannot_block_for_ever() {
    let (mut queue, mut now) = (Queue::new(32), Instant::now());
    let mut first = word(0, Some(put(0, 1)));
    first.after = vec![key(1)];
    let batch = vec![
        first,
        word(1, Some(Intent::Delete)),
        word(2, Some(Intent::Delete)),
    ];
    queue.give(batch, now);
    for _ in 0..PATIENCE {
        assert_eq!(turns(&mut queue, now), [1]);
        queue.ended(&key(1), &failure(false), now, 1.0);
        now += Duration::from_secs(9);
    }
    assert_eq!(turns(&mut queue, now), [0, 1]);
    queue.ended(&key(0), &failure(false), now, 1.0);
    assert_eq!(turns(&mut queue, now), [2], "its first try is enough");
}

/// Most happens to a few of all the keys.
const FEW: usize = 6;
const KEYS: usize = 80;
const LIMIT: usize = 5;

/// Words for keys; those marked wait for the batch's first deletion.
type Batch = BTreeMap<usize, (Said, bool)>;

#[derive(Clone, Debug)]
enum Happening {
    Give(Batch),
    Take,
    End(usize, Ended),
    Wait(u64),
    /// Nothing gets on in a namespace for a while.
    Hang(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Nothing,
    Put(u8),
    Delete,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Written,
    Settled,
    Fenced,
    Failed(bool),
}

fn said() -> impl Strategy<Value = Said> + Clone {
    prop_oneof![
        1 => Just(Said::Nothing),
        4 => (0..3u8).prop_map(Said::Put),
        3 => Just(Said::Delete),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let word = (said(), prop::bool::weighted(0.2));
    let few = prop::collection::btree_map(0..FEW, word, 1..5);
    // A backfill says something of every key.
    let backfill = |(mut words, version): (Batch, u8)| {
        words.extend((FEW..KEYS).map(|n| (n, (Said::Put(version), false))));
        words
    };
    let many = (few.clone(), 0..3u8).prop_map(backfill);
    let ended = prop_oneof![
        3 => Just(Ended::Written),
        1 => Just(Ended::Settled),
        1 => Just(Ended::Fenced),
        1 => Just(Ended::Failed(true)),
        1 => Just(Ended::Failed(false)),
    ];
    prop_oneof![
        8 => few.prop_map(Happening::Give),
        1 => many.prop_map(Happening::Give),
        20 => Just(Happening::Take),
        16 => (0..LIMIT, ended).prop_map(|(n, ended)| Happening::End(n, ended)),
        3 => (0..3000u64).prop_map(Happening::Wait),
        1 => (0..NAMESPACES.len()).prop_map(Happening::Hang),
    ]
}

/// What is known of a key without a look into the queue.
#[derive(Clone, Copy, Debug)]
struct Known {
    said: Said,
    /// The last word was not carried out yet.
    is_open: bool,
    failures: usize,
    /// How many tries have ended, and how often the sort of word changed.
    ended: usize,
    turned: usize,
    in_flight: bool,
    /// What is being tried.
    taken: Said,
    /// A word came during the try.
    has_next: bool,
    /// The last word was tried, and failed.
    is_tried: bool,
}

/// `key` may be tried only when this many tries of `other` have ended, or its sort of word has changed.
#[derive(Clone, Copy, Debug)]
struct Rule {
    key: usize,
    other: usize,
    ended: usize,
    turned: usize,
    /// It has to have succeeded, or failed often.
    must_succeed: bool,
}

struct Model {
    queue: Queue,
    now: Instant,
    known: Vec<Known>,
    rules: Vec<Rule>,
}

impl Model {
    fn new() -> Self {
        let nothing = Known {
            said: Said::Nothing,
            is_open: false,
            failures: 0,
            ended: 0,
            turned: 0,
            in_flight: false,
            taken: Said::Nothing,
            has_next: false,
            is_tried: false,
        };
        Self {
            queue: Queue::new(LIMIT),
            now: Instant::now(),
            known: vec![nothing; KEYS],
            rules: Vec::new(),
        }
    }

    fn give(&mut self, batch: &Batch) {
        let of = |wanted: fn(Said) -> bool| {
            let meant = batch.iter().filter(move |(_, (said, _))| wanted(*said));
            meant.map(|(n, _)| *n)
        };
        let is_put = |said| matches!(said, Said::Put(_));
        let first_deletion = of(|said| said == Said::Delete).next();
        let waits = |n: &usize| is_put(batch[n].0) && batch[n].1 && first_deletion.is_some();
        let early = first_deletion.filter(|_| batch.keys().any(&waits));
        let words = batch.iter().map(|(n, (said, _))| Word {
            key: key(*n),
            intent: intent(*n, *said),
            after: early.filter(|_| waits(n)).map(key).into_iter().collect(),
        });
        let words = words.collect();
        let before = self.known.clone();
        for (n, (said, _)) in batch {
            self.say(*n, *said);
        }
        for put in of(is_put) {
            let known = self.known[put];
            let tries = known.ended + 1 + usize::from(known.in_flight);
            let stood = before[put];
            let is_tried =
                stood.is_open && stood.is_tried && !stood.has_next && stood.said == known.said;
            for deletion in of(|said| said == Said::Delete) {
                let is_new = !before[deletion].is_open || before[deletion].said != Said::Delete;
                if is_new && !is_tried && Some(deletion) != early {
                    self.rule(deletion, put, tries, false);
                }
            }
            if let Some(deletion) = early.filter(|_| waits(&put)) {
                self.rule(put, deletion, self.known[deletion].ended + 1, true);
            }
        }
        if let Some(deletion) = early {
            self.rules.retain(|rule| rule.key != deletion);
        }
        self.queue.give(words, self.now);
    }

    fn say(&mut self, n: usize, said: Said) {
        let known = &mut self.known[n];
        let sort = |known: &Known| (known.is_open, known.said == Said::Delete);
        let before = sort(known);
        known.is_tried &= known.said == said;
        known.has_next |= known.in_flight;
        known.said = said;
        known.is_open = said != Said::Nothing;
        let turns = sort(known) != before;
        known.turned += usize::from(turns);
        if turns {
            self.rules.retain(|rule| rule.key != n);
        }
    }

    fn rule(&mut self, key: usize, other: usize, ended: usize, must_succeed: bool) {
        self.rules.push(Rule {
            key,
            other,
            ended,
            turned: self.known[other].turned,
            must_succeed,
        });
    }

    fn take(&mut self) -> Option<usize> {
        let task = self.queue.take(self.now);
        // Nobody is kept at a gate by what may stand for long.
        let stuck = &self.queue.stuck;
        self.rules
            .retain(|rule| !stuck.is_stuck(&key(rule.other).namespace));
        let task = task?;
        let n = number(&task.key);
        let known = &mut self.known[n];
        assert!(known.is_open && !known.in_flight, "{n}: {known:?}");
        let expected = intent(n, known.said).expect("something is to be done");
        assert!(task.intent.is_same(&expected), "not the last word on {n}");
        known.in_flight = true;
        known.taken = known.said;
        for rule in self.rules.iter().filter(|rule| rule.key == n) {
            let other = self.known[rule.other];
            let is_over = if rule.must_succeed {
                !other.is_open || other.failures >= PATIENCE as usize
            } else {
                other.ended >= rule.ended
            };
            assert!(
                is_over || other.turned != rule.turned,
                "{rule:?}: {other:?}"
            );
        }
        let in_flight = self.known.iter().filter(|known| known.in_flight).count();
        assert!(in_flight <= LIMIT);
        assert_eq!(in_flight, self.queue.pending().in_flight);
        Some(n)
    }

    fn flying(&self) -> impl Iterator<Item = usize> {
        (0..KEYS).filter(|n| self.known[*n].in_flight)
    }

    /// The nth of the tries under way ends.
    fn end_nth(&mut self, nth: usize, ended: Ended) {
        let flying = self.flying().nth(nth);
        if let Some(n) = flying {
            self.end(n, ended);
        }
    }

    fn hang(&mut self, namespace: usize) {
        for _ in 0..4 {
            while self.take().is_some() {}
            for n in self.flying().collect::<Vec<_>>() {
                let hangs = n % NAMESPACES.len() == namespace;
                let ended = if hangs {
                    Ended::Failed(true)
                } else {
                    Ended::Written
                };
                self.end(n, ended);
            }
            self.now += Duration::from_secs(2);
        }
    }

    fn end(&mut self, n: usize, ended: Ended) {
        let end = match ended {
            Ended::Written => End::Written,
            Ended::Settled => End::Settled,
            Ended::Fenced => End::Fenced,
            Ended::Failed(is_common) => failure(is_common),
        };
        self.queue.ended(&key(n), &end, self.now, 0.5);
        let known = &mut self.known[n];
        known.in_flight = false;
        let has_next = std::mem::take(&mut known.has_next);
        match ended {
            Ended::Fenced => {
                known.ended += usize::from(has_next);
                return;
            }
            Ended::Failed(_) => {
                known.failures += 1;
                known.is_tried = known.taken == known.said;
            }
            Ended::Written | Ended::Settled => {
                known.failures = 0;
                // A word that came meanwhile is still to be carried out.
                known.is_open &= has_next;
                known.is_tried = false;
            }
        }
        known.ended += 1;
    }
}

fn intent(n: usize, said: Said) -> Option<Intent> {
    match said {
        Said::Nothing => None,
        Said::Put(version) => Some(put(n, version)),
        Said::Delete => Some(Intent::Delete),
    }
}

proptest! {
    #[test]
    fn the_last_word_counts_the_order_of_a_batch_holds_and_nobody_is_forgotten(
        history in prop::collection::vec(happening(), 0..80)
    ) {
        let mut model = Model::new();
        for happening in history {
            match happening {
                Happening::Give(batch) => model.give(&batch),
                Happening::Take => drop(model.take()),
                Happening::End(nth, ended) => model.end_nth(nth, ended),
                Happening::Hang(namespace) => model.hang(namespace),
                Happening::Wait(milliseconds) => model.now += Duration::from_millis(milliseconds),
            }
        }
        // From now on all goes well.
        for _ in 0..20 * KEYS {
            while model.take().is_some() {}
            model.end_nth(0, Ended::Written);
            model.now = model.queue.due(model.now).unwrap_or(model.now).max(model.now);
        }
        let open: Vec<usize> = (0..KEYS).filter(|n| model.known[*n].is_open).collect();
        prop_assert!(open.is_empty(), "{open:?}");
        prop_assert!(model.queue.orders.is_empty() && model.queue.lanes.is_empty());
        prop_assert!(model.queue.later.is_empty());
        prop_assert_eq!(model.queue.stuck.due(), None);
        prop_assert_eq!(model.queue.pending(), Pending::default());
    }
}
