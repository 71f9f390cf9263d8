//! `kill -9` at any write: the next process comes to the right end, and writes nothing twice (goal R1).
//!
//! One write is in flight at a time, so that "the k-th" means something. Config comes from the API server: what istiod
//! adds is not about writes.

use std::path::Path;
use std::time::Duration;

use aeraki_testbed::fault::{HttpFault, HttpProxy, Rule, Verb};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::aeraki::Aeraki;
use crate::world::{ENVOY_FILTER, Filters, World, dubbo_services};

const SERVICES: usize = 10;
/// So many go in the end: their filters are no more than a controller deletes without a second look.
const GONE: usize = 5;
const WRITES: [Verb; 3] = [Verb::Create, Verb::Update, Verb::Delete];

/// When it is killed, seen from one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The API server has not had it.
    Before,
    /// The API server has done it, and the answer is lost.
    Between,
    /// The answer is there.
    After,
}

/// What has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Create,
    Update,
    Delete,
}

impl Phase {
    fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn writes(self) -> usize {
        match self {
            Self::Create => 2 * SERVICES,
            // The interface is a matter of the clients' side.
            Self::Update => SERVICES,
            Self::Delete => 2 * GONE,
        }
    }

    /// Changes the config, so that the phase has something to write.
    async fn begin(self, world: &World) {
        match self {
            Self::Create => {
                let services = dubbo_services(SERVICES);
                world.cluster.apply(&services).await.unwrap();
            }
            Self::Update => {
                let other = dubbo_services(SERVICES).replace("com.acme.", "com.other.");
                world.cluster.apply(&other).await.unwrap();
            }
            Self::Delete => {
                for index in 0..GONE {
                    let (kind, name) = ("networking.istio.io/v1/ServiceEntry", format!("s{index}"));
                    world.cluster.delete(kind, "shop", &name).await.unwrap();
                }
            }
        }
    }

    /// Whether the filters are as they must be in the end.
    fn is_over(self, filters: &Filters) -> bool {
        let interface = match self {
            Self::Create => "com.acme.",
            Self::Update | Self::Delete => "com.other.",
        };
        let says = |filter: &Value| filter["spec"].to_string().contains(interface);
        let mut outbound = filters.iter().filter(|(key, _)| key.contains("-outbound-"));
        let expected = match self {
            Self::Create | Self::Update => 2 * SERVICES,
            Self::Delete => 2 * (SERVICES - GONE),
        };
        filters.len() == expected && outbound.all(|(_, filter)| says(filter))
    }
}

/// A mesh, and an API server that can be held up.
struct Scene {
    world: World,
    api_server: HttpProxy,
    kubeconfig: std::path::PathBuf,
    foreign: Value,
}

impl Scene {
    async fn set() -> Self {
        let world = World::empty().await;
        world.namespace("shop").await;
        world.grant_everything().await;
        let theirs = json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": {"name": "theirs", "namespace": "shop", "labels": {"manager": "Aeraki"}},
            "spec": {"configPatches": []}});
        world.cluster.apply(&theirs.to_string()).await.unwrap();
        let foreign = world.filters().await.remove("shop/theirs").unwrap();
        let api_server = HttpProxy::start(world.bed).await.unwrap();
        let kubeconfig = world.kubeconfig_through(&api_server).await;
        Self {
            world,
            api_server,
            kubeconfig,
            foreign,
        }
    }

    fn start(&self, kubeconfig: &Path) -> Aeraki {
        let args = [
            "--config-source=kube",
            "--no-leader-election",
            "--writes-in-flight=1",
        ];
        self.world.start_as(kubeconfig, "127.0.0.1:1", &args)
    }

    /// The verbs of all writes of EnvoyFilters that the API server has done since this line of its log.
    fn written_since(&self, line: usize) -> Vec<String> {
        let log = self.world.bed.audit_log().unwrap();
        let writes = log[line..].iter().filter(|entry| {
            let verb = entry.verb.as_str();
            entry.resource == "envoyfilters"
                && (200..300).contains(&entry.code)
                && ["create", "update", "patch", "delete"].contains(&verb)
        });
        writes.map(|entry| entry.verb.clone()).collect()
    }

    /// Lets a process write, kills it at its k-th write (the first is 0), and sees what another one makes of it.
    async fn play(&self, phase: Phase, moment: Moment, k: usize) {
        let line = self.world.bed.audit_log().unwrap().len();
        phase.begin(&self.world).await;
        let asked = self.writes_asked();
        let fault = match moment {
            Moment::Before => Some(HttpFault::Hang),
            Moment::Between => Some(HttpFault::ForwardThenHang),
            Moment::After => None,
        };
        self.api_server.clear();
        if let Some(fault) = fault {
            let rule = Rule::new(fault).verbs(&WRITES).path("/envoyfilters");
            self.api_server.add(rule.skip(k).times(1));
        }
        let mut first = self.start(&self.kubeconfig);
        while self.writes_asked() < asked + k + 1 {
            sleep(Duration::from_millis(5)).await;
        }
        while moment != Moment::Before && self.written_since(line).len() < k + 1 {
            sleep(Duration::from_millis(5)).await;
        }
        first.process.signal("KILL").unwrap();
        first.process.wait().unwrap();
        self.api_server.clear();
        self.api_server.end_connections();

        let second = self.start(&self.world.bed.kubeconfig());
        let what = format!("the end of {phase:?}, killed {moment:?} write {k}");
        let without_foreign = |filters: &Filters| {
            let mut filters = filters.clone();
            filters.remove("shop/theirs");
            filters
        };
        let over = |filters: &Filters| phase.is_over(&without_foreign(filters));
        let filters = self.world.until(&what, over).await;
        // Nothing may be left for it to do; but it must have looked.
        second.until_synced().await;
        assert!(second.end(), "{what}");
        assert_eq!(filters["shop/theirs"], self.foreign, "{what}");
        // Each write once, by the one or by the other, and no other: so nothing was ever absent in between.
        let written = self.written_since(line);
        assert_eq!(written, vec![phase.verb(); phase.writes()], "{what}");
    }

    fn writes_asked(&self) -> usize {
        let requests = self.api_server.requests();
        let writes = requests.iter().filter(|request| {
            WRITES.contains(&request.verb) && request.path.contains("/envoyfilters")
        });
        writes.count()
    }

    /// Takes everything away again, but for what is foreign.
    async fn clear(&self) {
        let kind = "networking.istio.io/v1/ServiceEntry";
        for entry in self.world.cluster.list(kind, "").await.unwrap() {
            let name = entry["metadata"]["name"].as_str().unwrap();
            self.world.cluster.delete(kind, "shop", name).await.unwrap();
        }
        for key in self
            .world
            .filters()
            .await
            .keys()
            .filter(|key| *key != "shop/theirs")
        {
            let (namespace, name) = key.split_once('/').unwrap();
            self.world
                .cluster
                .delete(ENVOY_FILTER, namespace, name)
                .await
                .unwrap();
        }
    }
}

#[rstest]
#[case::before(Moment::Before, 0)]
#[case::between(Moment::Between, 7)]
#[case::after(Moment::After, 4)]
#[tokio::test]
async fn a_kill_at_a_write_is_made_good_by_the_next_process(
    #[case] moment: Moment,
    #[case] k: usize,
) {
    let scene = Scene::set().await;
    for phase in [Phase::Create, Phase::Update, Phase::Delete] {
        scene.play(phase, moment, k).await;
    }
}

#[tokio::test]
#[ignore = "150 kills: some minutes"]
async fn a_kill_at_every_write_is_made_good_by_the_next_process() {
    let scene = Scene::set().await;
    let mut kills = 0;
    for moment in [Moment::Before, Moment::Between, Moment::After] {
        for k in 0..2 * SERVICES {
            for phase in [Phase::Create, Phase::Update, Phase::Delete] {
                if k < phase.writes() {
                    scene.play(phase, moment, k).await;
                    kills += 1;
                }
            }
            scene.clear().await;
        }
    }
    println!("{kills} kills");
}
