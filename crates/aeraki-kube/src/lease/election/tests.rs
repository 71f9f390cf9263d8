//! Candidates, an API server of ten lines, and a clock that the test moves.

use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn wall() -> MicroTime {
    MicroTime(Timestamp::UNIX_EPOCH)
}

/// Keeps one Lease, and lets nobody write over a version that they have not seen.
#[derive(Default)]
struct Server {
    lease: Option<Lease>,
    version: u64,
    /// Makes every record different, as renew times are.
    writes: i64,
}

impl Server {
    fn handle(&mut self, request: Request) -> Answer {
        match (request, &self.lease) {
            (Request::Read, None) | (Request::Replace(_), None) => Answer::Missing,
            (Request::Read, Some(lease)) => Answer::Found(Box::new(lease.clone())),
            (Request::Create(_), Some(_)) => Answer::Conflict,
            (Request::Create(spec), None) => self.store(Lease {
                spec: Some(spec),
                ..Lease::default()
            }),
            (Request::Replace(lease), Some(there)) => {
                if lease.metadata.resource_version == there.metadata.resource_version {
                    self.store(*lease)
                } else {
                    Answer::Conflict
                }
            }
        }
    }

    fn store(&mut self, mut lease: Lease) -> Answer {
        self.version += 1;
        self.writes += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        let renewed = Timestamp::from_second(self.writes).expect("a small number");
        if let Some(spec) = &mut lease.spec {
            spec.renew_time = Some(MicroTime(renewed));
        }
        self.lease = Some(lease.clone());
        Answer::Written(Box::new(lease))
    }

    fn spec(&self) -> &LeaseSpec {
        self.lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref())
            .expect("a lease")
    }
}

fn candidate(name: &str, now: Instant) -> Election {
    Election::new(name, Timing::default(), now)
}

/// Asks and answers without delay until there is nothing to ask.
fn settle(election: &mut Election, server: &mut Server, now: Instant) {
    while let Some(request) = election.request(now, &wall()) {
        let answer = server.handle(request);
        election.answer(answer, now, now, 0.5);
    }
}

fn seconds(count: f64) -> Duration {
    Duration::from_secs_f64(count)
}

#[test]
fn the_first_candidate_makes_the_lease_and_renews_it() {
    let (mut server, start) = (Server::default(), Instant::now());
    let mut a = candidate("a", start);
    settle(&mut a, &mut server, start);
    assert_eq!(a.leads_until(start), Some(start + seconds(10.0)));
    let later = start + seconds(2.0);
    assert_eq!(a.due(later), Some(later));
    settle(&mut a, &mut server, later);
    assert_eq!(a.leads_until(later), Some(start + seconds(12.0)));
    assert_eq!(server.spec().lease_transitions, Some(0));
    assert_eq!(server.spec().lease_duration_seconds, Some(15));
}

#[test]
fn a_follower_takes_a_lease_that_it_saw_unchanged_for_its_duration_and_no_earlier() {
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (candidate("a", start), candidate("b", start));
    settle(&mut a, &mut server, start);
    let first_look = start + seconds(8.0);
    settle(&mut b, &mut server, first_look);
    let early = first_look + seconds(14.9);
    settle(&mut b, &mut server, early);
    assert_eq!((b.leads_until(early), b.holder()), (None, Some("a")));
    let over = early + seconds(1.9);
    settle(&mut b, &mut server, over);
    assert!(b.leads_until(over).is_some());
    assert_eq!(server.spec().lease_transitions, Some(1));
}

#[test]
fn a_holder_that_cannot_renew_is_fenced_before_anyone_can_follow() {
    let (mut server, start) = (Server::default(), Instant::now());
    let mut a = candidate("a", start);
    settle(&mut a, &mut server, start);
    let mut now = start;
    for _ in 0..6 {
        now += seconds(2.0);
        if a.request(now, &wall()).is_some() {
            a.answer(Answer::Failed, now, now, 0.5);
        }
    }
    assert_eq!(
        a.leads_until(start + seconds(9.9)),
        Some(start + seconds(10.0))
    );
    assert_eq!(a.leads_until(start + seconds(10.0)), None);
}

#[test]
fn a_slow_renewal_counts_from_its_start() {
    let (mut server, start) = (Server::default(), Instant::now());
    let mut a = candidate("a", start);
    settle(&mut a, &mut server, start);
    let began = start + seconds(2.0);
    let request = a.request(began, &wall()).unwrap();
    let answer = server.handle(request);
    let answered = began + seconds(4.0);
    a.answer(answer, began, answered, 0.5);
    assert_eq!(a.leads_until(answered), Some(began + seconds(10.0)));
}

#[test]
fn a_released_lease_is_free_at_the_next_look() {
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (candidate("a", start), candidate("b", start));
    settle(&mut a, &mut server, start);
    settle(&mut b, &mut server, start);
    let release = a.release(&wall()).unwrap();
    assert!(matches!(server.handle(release), Answer::Written(_)));
    assert_eq!(a.leads_until(start), None);
    assert_eq!(server.spec().holder_identity.as_deref(), Some(""));
    let look = b.due(start).unwrap();
    assert!(look <= start + seconds(2.0));
    settle(&mut b, &mut server, look);
    assert!(b.leads_until(look).is_some());
    assert_eq!(server.spec().lease_transitions, Some(1));
}

#[test]
fn whoever_does_not_hold_it_releases_nothing() {
    let (mut server, start) = (Server::default(), Instant::now());
    let (mut a, mut b) = (candidate("a", start), candidate("b", start));
    settle(&mut a, &mut server, start);
    settle(&mut b, &mut server, start);
    assert_eq!(b.release(&wall()), None);
}

#[test]
fn a_deleted_lease_is_made_again() {
    let (mut server, start) = (Server::default(), Instant::now());
    let mut a = candidate("a", start);
    settle(&mut a, &mut server, start);
    server.lease = None;
    let later = start + seconds(2.0);
    settle(&mut a, &mut server, later);
    assert!(a.leads_until(later).is_some());
    assert!(server.lease.is_some());
}

#[rstest]
#[case::no_record(None)]
#[case::an_empty_record(Some(LeaseSpec::default()))]
fn a_lease_that_says_nothing_is_free(#[case] spec: Option<LeaseSpec>) {
    let (mut server, start) = (Server::default(), Instant::now());
    server.store(Lease {
        spec,
        ..Lease::default()
    });
    let mut a = candidate("a", start);
    settle(&mut a, &mut server, start);
    assert!(a.leads_until(start).is_some());
}

#[test]
fn labels_of_the_lease_are_kept() {
    let (mut server, start) = (Server::default(), Instant::now());
    let mut lease = Lease::default();
    lease.metadata.labels = Some([("team".to_owned(), "mesh".to_owned())].into());
    server.store(lease);
    settle(&mut candidate("a", start), &mut server, start);
    let labels = server.lease.unwrap().metadata.labels.unwrap();
    assert_eq!(labels["team"], "mesh");
}

/// A candidate with a clock of its own, and its request on the way.
struct Replica {
    election: Election,
    base: Instant,
    rate: f64,
    on_the_way: Option<(Instant, Result<Request, Answer>)>,
}

impl Replica {
    fn new(name: &str, base: Instant, rate: f64) -> Self {
        Self {
            election: candidate(name, base),
            base,
            rate,
            on_the_way: None,
        }
    }

    fn now(&self, real: f64) -> Instant {
        self.base + seconds(real * self.rate)
    }

    fn leads(&self, real: f64) -> bool {
        self.election.leads_until(self.now(real)).is_some()
    }

    fn send(&mut self, real: f64) {
        let now = self.now(real);
        if self.on_the_way.is_none()
            && let Some(request) = self.election.request(now, &wall())
        {
            self.on_the_way = Some((now, Ok(request)));
        }
    }

    fn land(&mut self, server: &mut Server) {
        if let Some((_, there)) = &mut self.on_the_way
            && let Ok(request) = there
        {
            *there = Err(server.handle(request.clone()));
        }
    }

    fn hear(&mut self, real: f64, is_lost: bool) {
        let now = self.now(real);
        match self.on_the_way.take() {
            Some((began, Err(answer))) if !is_lost => {
                self.election.answer(answer, began, now, 0.5);
            }
            Some((began, _)) => self.election.answer(Answer::Failed, began, now, 0.5),
            None => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Pass(f64),
    Send(usize),
    Land(usize),
    Hear(usize),
    Lose(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..3_usize;
    prop_oneof![
        3 => (0.0..4.0_f64).prop_map(Step::Pass),
        1 => (0.0..20.0_f64).prop_map(Step::Pass),
        6 => who.clone().prop_map(Step::Send),
        6 => who.clone().prop_map(Step::Land),
        6 => who.clone().prop_map(Step::Hear),
        1 => who.prop_map(Step::Lose),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Requests that are late, lost before or after they are applied; candidates that stop for a while; clocks whose rates
    /// differ by half.
    #[test]
    fn two_never_lead_at_once_and_in_the_end_one_does(
        steps in proptest::collection::vec(step(), 1..200),
        rates in proptest::collection::vec(1.0..1.5_f64, 3),
    ) {
        let base = Instant::now();
        let names = ["a", "b", "c"];
        let mut replicas: Vec<Replica> =
            names.iter().zip(rates).map(|(name, rate)| Replica::new(name, base, rate)).collect();
        let (mut server, mut real) = (Server::default(), 0.0);
        for step in steps {
            match step {
                Step::Pass(time) => real += time,
                Step::Send(who) => replicas[who].send(real),
                Step::Land(who) => replicas[who].land(&mut server),
                Step::Hear(who) => replicas[who].hear(real, false),
                Step::Lose(who) => replicas[who].hear(real, true),
            }
            let leaders = replicas.iter().filter(|replica| replica.leads(real)).count();
            prop_assert!(leaders <= 1, "{leaders} lead at {real}");
        }
        for _ in 0..400 {
            real += 0.1;
            for replica in &mut replicas {
                replica.send(real);
                replica.land(&mut server);
                replica.hear(real, false);
            }
        }
        prop_assert_eq!(replicas.iter().filter(|replica| replica.leads(real)).count(), 1);
    }
}
