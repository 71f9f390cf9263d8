//! The writer on bad days: an API server that fails, a right that is missing, a Lease that is lost.

mod desk;

use std::sync::Arc;
use std::time::Duration;

use aeraki_kube::lease::{Elector, ElectorOptions, Fence, Role, Timing};
use aeraki_kube::writer::{Failure, Reason};
use aeraki_testbed::fault::{HttpFault, HttpProxy, Rule, Verb};
use aeraki_testbed::{Options, Testbed};
use desk::{Controller, Place, brisk, client, gone, in_time, name, service, until, word};
use tokio::sync::{OnceCell, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

static BED: OnceCell<Testbed> = OnceCell::const_new();

async fn bed() -> &'static Testbed {
    let start = || Testbed::start(Options::default().without_istiod());
    BED.get_or_try_init(start).await.expect("the bed starts")
}

async fn place(namespace: &'static str) -> Place {
    Place::new(bed().await, namespace).await
}

const WRITES: [Verb; 3] = [Verb::Create, Verb::Update, Verb::Delete];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_for_a_while_is_written_in_the_end_and_rightly() {
    let place = place("faults").await;
    let controller = place.controller();
    let faults = [
        HttpFault::Status(409),
        HttpFault::Status(429),
        HttpFault::RetryAfter(429, 1),
        HttpFault::Status(500),
        HttpFault::Status(503),
        HttpFault::Status(504),
        HttpFault::Cut,
        HttpFault::Hang,
        HttpFault::ForwardThenCut,
        HttpFault::ForwardThenHang,
        HttpFault::CutBody(10),
    ];
    controller.apply([service("faults", "stays", 9, "stays")]);
    for (n, fault) in faults.into_iter().enumerate() {
        let word = format!("word{n}");
        let fail = |verb: Verb| {
            place.proxy.clear();
            place.proxy.add(
                Rule::new(fault)
                    .verbs(&[verb])
                    .path("/envoyfilters")
                    .times(2),
            );
        };
        fail(Verb::Create);
        controller.apply([service("faults", "a", 0, "first")]);
        place
            .until_words(&[("a", "first"), ("stays", "stays")])
            .await;
        controller.until_idle().await;
        fail(Verb::Update);
        controller.apply([service("faults", "a", 0, &word)]);
        place.until_words(&[("a", &word), ("stays", "stays")]).await;
        controller.until_idle().await;
        fail(Verb::Delete);
        controller.apply([gone("faults", "a")]);
        place.until_words(&[("stays", "stays")]).await;
        controller.until_idle().await;
    }
    place.proxy.clear();
    let reasons = controller.reasons();
    for reason in [
        Reason::Throttled,
        Reason::Unavailable,
        Reason::Unreachable,
        Reason::Late,
    ] {
        assert!(reasons.contains(&reason), "{reason} in {reasons:?}");
    }
    assert!(
        !reasons.contains(&Reason::Conflict),
        "a conflict or two is no failure"
    );
}

/// How the first try ended that was told of.
async fn first_failure(controller: &Controller) -> Failure {
    controller
        .until("a refusal", |c| !c.outcomes().is_empty())
        .await;
    let first = controller.outcomes()[0].result.clone();
    first.expect_err("a failure")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_be_left_alone_is_told_and_granted() {
    let place = place("rest").await;
    let controller = place.controller();
    let busy = Rule::new(HttpFault::RetryAfter(429, 3));
    place.proxy.add(busy.verbs(&WRITES).times(1));
    controller.apply([service("rest", "a", 0, "one")]);
    let failure = first_failure(&controller).await;
    assert_eq!(
        (failure.reason, failure.code),
        (Reason::Throttled, Some(429))
    );
    let again = failure.again.expect("it is tried again");
    assert!(again > Duration::from_secs(2), "{again:?}");
    // Without the wish it would come within 400 ms.
    sleep(Duration::from_millis(1200)).await;
    assert_eq!(place.writes().len(), 1);
    place.until_words(&[("a", "one")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_always_fails_delays_no_other() {
    let place = place("poison").await;
    let controller = place.controller();
    controller.apply([
        service("poison", "bad", 0, "one"),
        service("poison", "s1", 1, "one"),
    ]);
    place.until_words(&[("bad", "one"), ("s1", "one")]).await;
    let poison = Rule::new(HttpFault::Status(500));
    place
        .proxy
        .add(poison.verbs(&WRITES).path("bad.example.com"));
    controller.apply([service("poison", "bad", 0, "two")]);
    controller
        .until("failures", |c| {
            c.orders.pending().failing == 1 && c.reasons().len() > 1
        })
        .await;
    for n in 1..40 {
        let name = format!("s{n}");
        controller.apply([service("poison", &name, n, "two")]);
        // Each alone: none waits for the next try of the bad one.
        place
            .until(&name, |filters| {
                let part = format!("-{name}.");
                filters
                    .iter()
                    .any(|f| desk::name(f).contains(&part) && word(f) == "two")
            })
            .await;
    }
    let pending = controller.orders.pending();
    assert_eq!(
        (pending.waiting + pending.in_flight, pending.failing),
        (1, 1)
    );
    let failed = controller.reasons().len();
    assert!(failed < 20, "{failed} tries of the bad one");
    place.proxy.clear();
    controller.until_idle().await;
    place
        .until("the bad one too", |filters| {
            filters.iter().all(|f| word(f) == "two")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_fails_altogether_is_probed_and_then_gets_everything() {
    let place = place("storm").await;
    let controller = place.controller();
    controller
        .until("a look", |c| c.filters.problem().is_none())
        .await;
    place
        .proxy
        .add(Rule::new(HttpFault::Status(503)).verbs(&WRITES));
    controller.apply((0..300).map(|n| service("storm", &format!("s{n}"), n, "one")));
    controller
        .until("a storm", |c| c.reasons().len() >= 32)
        .await;
    sleep(Duration::from_secs(3)).await;
    // 31 fail, up to 32 more are under way by then; after that a probe now and then.
    let tries = place.writes().len();
    assert!(tries < 80, "{tries} requests to a server that fails");
    place.proxy.clear();
    place.until("all", |filters| filters.len() == 300).await;
    controller.until_idle().await;
    let writes = place.writes().len() - tries;
    assert!(writes < 320, "{writes} requests for 300 objects");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_fails_lets_nothing_be_written() {
    let place = place("unlisted").await;
    place
        .proxy
        .add(Rule::new(HttpFault::Status(500)).verbs(&[Verb::List]));
    let controller = place.controller();
    controller.apply([service("unlisted", "a", 0, "one")]);
    controller
        .until("a problem", |c| c.filters.problem().is_some())
        .await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(place.writes(), []);
    // Half a list is no list.
    place.proxy.clear();
    place.proxy.add(
        Rule::new(HttpFault::CutBody(20))
            .verbs(&[Verb::List])
            .times(2),
    );
    place.until_words(&[("a", "one")]).await;
    assert_eq!(place.verbs(), [Verb::Create]);
    controller
        .until("no problem", |c| c.filters.problem().is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_named_and_used_as_soon_as_it_is_granted() {
    let rules = |verbs: &str| {
        format!("{{apiGroups: [networking.istio.io], resources: [envoyfilters], verbs: [{verbs}]}}")
    };
    let place = Place::without_rights(bed().await, "rights").await;
    place.grant("rights", &rules("get, list, watch")).await;
    let controller = place.controller();
    controller.apply([service("rights", "a", 0, "one")]);
    let failure = first_failure(&controller).await;
    assert_eq!(
        (failure.reason, failure.code),
        (Reason::Forbidden, Some(403))
    );
    assert!(
        failure.message.contains("cannot create resource"),
        "{failure}"
    );
    assert_eq!(
        failure.help.as_deref(),
        Some("grant the verb create on envoyfilters.networking.istio.io in the namespace rights")
    );
    assert!(failure.again.is_some());
    place
        .grant("rights", &rules("get, list, watch, create"))
        .await;
    place.until_words(&[("a", "one")]).await;

    controller.apply([gone("rights", "a")]);
    controller
        .until("another refusal", |c| {
            let last = c.outcomes().pop().and_then(|outcome| outcome.result.err());
            last.and_then(|failure| failure.help)
                .is_some_and(|help| help.contains("the verb delete"))
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_or_a_namespace_that_is_missing_is_named() {
    let place = place("missing").await;
    let controller = place.controller();
    controller.apply([service("nowhere", "a", 0, "one")]);
    // An API server that has just started may take its time before it says so.
    let named = |c: &Controller| {
        let mut failures = c.outcomes().into_iter().filter_map(|one| one.result.err());
        failures.find(|failure| failure.reason == Reason::NoNamespace)
    };
    controller.until("a refusal", |c| named(c).is_some()).await;
    let failure = named(&controller).expect("a failure");
    assert_eq!(
        failure.help.as_deref(),
        Some("create the namespace nowhere")
    );
    controller.apply([gone("nowhere", "a")]);
    controller.until_idle().await;

    place
        .proxy
        .add(Rule::new(HttpFault::Status(404)).verbs(&WRITES));
    controller.apply([service("missing", "a", 0, "one")]);
    controller
        .until("another refusal", |c| c.reasons().contains(&Reason::NoKind))
        .await;
}

/// A candidate for the lead.
struct Candidate {
    fence: Fence,
    role: watch::Receiver<Role>,
    task: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Candidate {
    /// Its way to the Lease is a proxy of its own.
    async fn start(namespace: &'static str, name: &str, proxy: &HttpProxy) -> Self {
        let elector = Elector::new(ElectorOptions {
            namespace: namespace.to_owned(),
            election_id: "aeraki".to_owned(),
            identity: name.to_owned(),
            root_namespace: namespace.to_owned(),
            timing: Timing {
                lease: Duration::from_secs(4),
                renew: Duration::from_secs(2),
                retry: Duration::from_millis(400),
            },
        });
        let (fence, role) = (elector.fence(), elector.role());
        let client = client(bed().await, proxy, namespace).await;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(elector.run(client, async { drop(stopped.await) }));
        Self {
            fence,
            role,
            task,
            stop: Some(stop),
        }
    }

    async fn until(&mut self, what: &str, condition: impl FnMut(&Role) -> bool) {
        let reached = in_time(what, self.role.wait_for(condition));
        drop(reached.await.expect("the elector lives"));
    }

    /// Ends without a word, as a process that is killed.
    fn kill(&mut self) {
        self.task.abort();
        // Otherwise the elector would be told to stop.
        std::mem::forget(self.stop.take());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_behind_a_closed_fence_and_everything_once_it_opens() {
    let place = place("fence").await;
    let lease = HttpProxy::start(bed().await).await.expect("a proxy");
    let mut candidate = Candidate::start("fence", "only", &lease).await;
    let controller = Controller::start(&place, candidate.fence.clone(), brisk());
    let many =
        |word: &'static str| (0..400).map(move |n| service("fence", &format!("s{n}"), n, word));
    candidate
        .until("the lead", |role| *role == Role::Leading)
        .await;
    // Slow enough that the Lease is lost in the middle.
    let slow = Rule::new(HttpFault::Delay(Duration::from_millis(800)));
    place.proxy.add(slow.verbs(&WRITES));
    controller.apply(many("one"));
    until("a start", async || !place.writes().is_empty()).await;
    lease.add(Rule::new(HttpFault::Status(500)));
    candidate
        .until("no lead", |role| *role != Role::Leading)
        .await;
    assert!(!candidate.fence.may_write());
    let sent = place.writes().len();
    assert!(sent < 400, "{sent} were sent under the Lease");
    controller.apply(many("two"));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(place.writes().len(), sent);
    let pending = controller.orders.pending();
    assert_eq!((pending.waiting, pending.in_flight), (400, 0));

    lease.clear();
    place.proxy.clear();
    place
        .until("all", |filters| {
            filters.len() == 400 && filters.iter().all(|f| word(f) == "two")
        })
        .await;
    controller.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_is_followed_by_another_and_no_filter_is_lost() {
    let place = Arc::new(place("failover").await);
    let bed = bed().await;
    let proxies = [(); 2].map(|()| HttpProxy::start(bed));
    let [first_way, second_way] = proxies;
    let (first_way, second_way) = (
        first_way.await.expect("a proxy"),
        second_way.await.expect("a proxy"),
    );
    let mut first = Candidate::start("failover", "first", &first_way).await;
    first.until("the lead", |role| *role == Role::Leading).await;
    let mut second = Candidate::start("failover", "second", &second_way).await;
    let follows = |role: &Role| matches!(role, Role::Following { leader: Some(_) });
    second.until("a leader", follows).await;

    let controllers =
        [&first, &second].map(|c| Controller::start(&place, c.fence.clone(), brisk()));
    let [leading, following] = controllers;
    let config =
        |word: &'static str| (0..60).map(move |n| service("failover", &format!("s{n}"), n, word));
    for controller in [&leading, &following] {
        controller.apply(config("one"));
    }
    place.until("all", |filters| filters.len() == 60).await;
    assert_eq!(following.outcomes(), [], "a follower only watches");
    following.until_idle().await;

    // Whoever watches sees every state of every filter.
    let seen = Arc::clone(&place);
    let watcher = tokio::spawn(async move {
        loop {
            let filters = seen.filters().await;
            assert_eq!(filters.len(), 60, "none is ever missing");
        }
    });
    let slow = Rule::new(HttpFault::Delay(Duration::from_millis(300)));
    place.proxy.add(slow.verbs(&WRITES));
    for controller in [&leading, &following] {
        controller.apply(config("two"));
    }
    until("the middle", async || {
        place.filters().await.iter().any(|f| word(f) == "two")
    })
    .await;
    first.kill();
    drop(leading);
    place
        .until("all", |filters| filters.iter().all(|f| word(f) == "two"))
        .await;
    following.until_idle().await;
    assert!(second.fence.may_write());
    watcher.abort();
    let failed = watcher.await.expect_err("it never ends by itself");
    assert!(failed.is_cancelled(), "{failed}");
    assert_eq!(
        place
            .verbs()
            .iter()
            .filter(|verb| **verb == Verb::Delete)
            .count(),
        0
    );
    let names: std::collections::BTreeSet<String> =
        place.filters().await.iter().map(name).collect();
    assert_eq!(names.len(), 60);
}
