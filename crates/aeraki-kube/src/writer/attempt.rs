//! One try to do what is wanted of an EnvoyFilter: what is there decides what it takes, at the moment of sending.
//!
//! A conflict is no failure: it says that what we know is old. We look, and decide anew, a few times.

use std::time::{Duration, Instant};

use aeraki_core::FilterKey;
use kube::Client;
use tokio::time::timeout;

use super::failure::{Failure, Reason};
use super::intent::{Intent, Verb};
use super::queue::{End, Task};
use super::wire::{Answer, Ask};
use crate::filters::{Filters, Live, creation};
use crate::kinds::Uid;
use crate::lease::Fence;

/// So often a try decides anew when what it knew turns out to be old.
const ROUNDS: usize = 4;

/// Whoever makes tries.
#[derive(Clone)]
pub(super) struct Courier {
    pub(super) client: Client,
    pub(super) filters: Filters,
    pub(super) fence: Fence,
    /// How long one request may take.
    pub(super) answer: Duration,
}

/// How a try went.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) task: Task,
    /// What was tried last, or would have been.
    pub(super) verb: Verb,
    pub(super) result: Result<Done, Failure>,
    /// Whether anything was sent.
    pub(super) has_asked: bool,
    pub(super) took: Duration,
}

/// How a try ended that did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Done {
    /// It was written.
    Written,
    /// Nothing was to be done; or the planner has to look first.
    Nothing,
    /// We may not write now.
    Fenced,
}

impl Report {
    /// The same, as far as the queue needs it.
    pub(super) fn end(&self) -> End {
        match &self.result {
            Ok(Done::Written) => End::Written,
            Ok(Done::Nothing) => End::Settled,
            Ok(Done::Fenced) => End::Fenced,
            // The planner hears of what is there, and decides.
            Err(failure) if failure.reason == Reason::Foreign => End::Settled,
            Err(failure) => End::Failed(failure.setback(&self.task.key, self.verb)),
        }
    }
}

/// What it takes, by what is there.
#[derive(Debug)]
enum Move {
    Nothing,
    Foreign,
    Write(Verb, Ask, Option<Uid>),
}

/// What came of a round.
enum Round {
    Over(Result<Done, Failure>),
    /// What we knew was old.
    Stale(Answer),
}

fn decide(intent: &Intent, key: &FilterKey, live: Option<&Live>) -> Move {
    match (intent, live) {
        (Intent::Delete, None) => Move::Nothing,
        // Somebody else's, or about to go already.
        (Intent::Delete, Some(live)) if !live.is_ours || live.is_ending => Move::Nothing,
        (Intent::Delete, Some(live)) => {
            let (uid, revision) = (live.uid.to_string(), live.revision.to_string());
            let ask = Ask::delete(key, &uid, &revision);
            Move::Write(Verb::Delete, ask, Some(live.uid))
        }
        (Intent::Create(wanted) | Intent::Update(wanted), None) => {
            let ask = Ask::create(key, creation(key, &wanted.content));
            Move::Write(Verb::Create, ask, None)
        }
        (_, Some(live)) if !live.is_ours => Move::Foreign,
        (Intent::Update(wanted), Some(live)) if !live.says(&wanted.content) => {
            let ask = Ask::replace(key, live.replacement(key, &wanted.content));
            Move::Write(Verb::Update, ask, Some(live.uid))
        }
        // As wanted; or there, unlike what the planner saw: it may have to stay as it is.
        (Intent::Create(_) | Intent::Update(_), Some(_)) => Move::Nothing,
    }
}

impl Courier {
    /// Makes a try.
    pub(super) async fn carry(self, task: Task) -> Report {
        let began = Instant::now();
        let mut report = Report {
            verb: task.intent.verb(),
            task,
            result: Ok(Done::Nothing),
            has_asked: false,
            took: Duration::ZERO,
        };
        report.result = self.rounds(&mut report).await;
        report.took = began.elapsed();
        report
    }

    async fn rounds(&self, report: &mut Report) -> Result<Done, Failure> {
        let mut conflict = None;
        for _ in 0..ROUNDS {
            match self.round(report).await {
                Round::Over(result) => return result,
                Round::Stale(answer) => conflict = Some(answer),
            }
        }
        match conflict {
            Some(answer) if answer.code == 409 => Err(Failure::conflict(&answer)),
            Some(answer) => Err(Failure::refused(
                report.verb.name(),
                &report.task.key,
                &answer,
            )),
            None => Ok(Done::Nothing),
        }
    }

    async fn round(&self, report: &mut Report) -> Round {
        let Task { key, intent, .. } = &report.task;
        let live = self.filters.get(key);
        let (verb, ask, uid) = match decide(intent, key, live.as_ref()) {
            Move::Nothing => return Round::Over(Ok(Done::Nothing)),
            Move::Foreign => return Round::Over(Err(Failure::foreign())),
            Move::Write(verb, ask, uid) => (verb, ask, uid),
        };
        if !self.fence.may_write() {
            return Round::Over(Ok(Done::Fenced));
        }
        report.verb = verb;
        report.has_asked = true;
        match self.ask(ask).await {
            Err(failure) => Round::Over(Err(failure)),
            Ok(answer) if answer.is_good() => Round::Over(self.learn(key, verb, uid, &answer)),
            Ok(answer) if answer.code == 409 => self.look(key, uid, answer).await,
            Ok(answer) if uid.is_some() && answer.says_gone(key) => {
                self.forget(key, uid);
                Round::Stale(answer)
            }
            Ok(answer) => Round::Over(Err(Failure::refused(verb.name(), key, &answer))),
        }
    }

    /// Takes in what the answer to a write tells, so that the watch brings nothing new.
    fn learn(
        &self,
        key: &FilterKey,
        verb: Verb,
        uid: Option<Uid>,
        answer: &Answer,
    ) -> Result<Done, Failure> {
        if verb == Verb::Delete && !answer.is_object() {
            self.forget(key, uid);
        } else {
            self.put(&answer.body)?;
        }
        Ok(Done::Written)
    }

    /// Looks at what is there.
    async fn look(&self, key: &FilterKey, uid: Option<Uid>, conflict: Answer) -> Round {
        if !self.fence.may_write() {
            return Round::Over(Ok(Done::Fenced));
        }
        match self.ask(Ask::get(key)).await {
            Err(failure) => Round::Over(Err(failure)),
            Ok(answer) if answer.is_good() => match self.put(&answer.body) {
                Ok(()) => Round::Stale(conflict),
                Err(failure) => Round::Over(Err(failure)),
            },
            Ok(answer) if answer.says_gone(key) => {
                self.forget(key, uid);
                Round::Stale(conflict)
            }
            Ok(answer) => Round::Over(Err(Failure::refused("get", key, &answer))),
        }
    }

    fn put(&self, text: &str) -> Result<(), Failure> {
        let put = self.filters.put(text);
        put.map(drop).map_err(Failure::unreadable)
    }

    fn forget(&self, key: &FilterKey, uid: Option<Uid>) {
        if let Some(uid) = uid {
            self.filters.vanished(key, uid);
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Answer, Failure> {
        match timeout(self.answer, ask.send(&self.client)).await {
            Err(_) => Err(Failure::late()),
            Ok(Err(error)) => Err(Failure::unreachable(&error)),
            Ok(Ok(answer)) => Ok(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aeraki_api::networking::EnvoyFilter;
    use aeraki_core::draft::Direction;
    use aeraki_core::object::{Kind, ObjectKey};
    use aeraki_core::protocol::Protocol;
    use aeraki_core::{Content, Filter};
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn key() -> FilterKey {
        FilterKey {
            namespace: "shop".into(),
            name: "aeraki-outbound-a".into(),
        }
    }

    fn wanted(priority: i32) -> Arc<Filter> {
        let object = json!({
            "metadata": {"labels": {"manager": "Aeraki"}, "annotations": {"aeraki.net/service": "a"}},
            "spec": EnvoyFilter { priority, ..EnvoyFilter::default() },
        });
        Arc::new(Filter {
            key: key(),
            service: ObjectKey::new(Kind::SERVICE_ENTRY, "shop", "a"),
            host: aeraki_core::host::Host::new("a"),
            port: 1,
            protocol: Protocol::Dubbo,
            direction: Direction::Outbound,
            content: Content::of(&serde_json::from_value(object).expect("an EnvoyFilter")),
        })
    }

    /// What is there: an object of ours with this priority, perhaps about to go; or a foreign one.
    fn there(priority: i32, metadata: &serde_json::Value) -> Live {
        let filters = Filters::new("istio-system");
        let mut object = json!({
            "metadata": {"name": &*key().name, "namespace": "shop", "resourceVersion": "4",
                "uid": "00f0a4c2-0e3d-4b8e-9d53-1a2b3c4d5e6f",
                "labels": {"manager": "Aeraki"}, "annotations": {"aeraki.net/service": "a"}},
            "spec": {"priority": priority},
        });
        for (field, value) in metadata.as_object().expect("fields") {
            object["metadata"][field] = value.clone();
        }
        filters.put(&object.to_string()).expect("an object");
        filters.get(&key()).expect("it is there")
    }

    fn moves(intent: &Intent, live: Option<&Live>) -> String {
        match decide(intent, &key(), live) {
            Move::Nothing => "nothing".to_owned(),
            Move::Foreign => "foreign".to_owned(),
            Move::Write(verb, ..) => verb.to_string(),
        }
    }

    #[rstest]
    #[case::missing(None, "create", "create", "nothing")]
    #[case::as_wanted(Some(there(7, &json!({}))), "nothing", "nothing", "delete")]
    // A creation never writes over what the planner has not seen.
    #[case::otherwise(Some(there(1, &json!({}))), "nothing", "update", "delete")]
    #[case::foreign(Some(there(1, &json!({"annotations": {}, "labels": {}}))), "foreign", "foreign", "nothing")]
    #[case::ending(Some(there(1, &json!({"deletionTimestamp": "2024-01-02T03:04:05Z"}))), "nothing", "update", "nothing")]
    fn what_is_there_decides_what_it_takes(
        #[case] live: Option<Live>,
        #[case] creation: &str,
        #[case] update: &str,
        #[case] deletion: &str,
    ) {
        let live = live.as_ref();
        assert_eq!(moves(&Intent::Create(wanted(7)), live), creation);
        assert_eq!(moves(&Intent::Update(wanted(7)), live), update);
        assert_eq!(moves(&Intent::Delete, live), deletion);
    }
}
