//! Files in, files out: the whole way of `aeraki run --config-source file`, without a process around it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use aeraki_api::envoy::dubbo::DubboProxy;
use aeraki_core::draft::{Direction, FilterDraft};
use aeraki_core::engine::Engine;
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::network_filter;
use aeraki_core::plan::{Action, plan};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Registration, Registry};
use aeraki_core::settings::Settings;
use aeraki_file::{Files, Reader, Roots, Sink};

struct Plain;

impl Generator for Plain {
    fn generate(&self, ctx: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        let config = DubboProxy {
            stat_prefix: ctx.outbound_cluster(),
            ..DubboProxy::default()
        };
        let name = "envoy.filters.network.plain";
        Ok(vec![network_filter::replace(
            Direction::Outbound,
            name,
            &config,
        )?])
    }
}

static PLAIN: Registration = Registration::new(Protocol::Custom("plain"), &Plain);

/// A controller over a config directory and an output directory.
struct Controller {
    files: Files,
    engine: Engine,
    sink: Sink,
}

impl Controller {
    fn start(root: &Path) -> Self {
        let registry = Registry::of([&PLAIN]).unwrap();
        Self {
            files: Files::new(Reader::new(&registry), Roots::new([root.join("conf")])),
            engine: Engine::new(Settings::default(), registry),
            sink: Sink::new(root.join("out")),
        }
    }

    /// One turn; gives what there was to do.
    fn turn(&mut self) -> Vec<Action> {
        for event in self.files.refresh(&BTreeSet::new()).events {
            self.engine.apply(event);
        }
        self.engine.drain();
        let observed = self.sink.observe().unwrap();
        let actions = plan(&self.engine, observed, self.files.complete_view().as_ref());
        let written = self.sink.apply(&actions);
        assert!(written.failures.is_empty(), "{:?}", written.failures);
        actions
    }
}

fn entry(name: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         hosts: [{name}.shop]\n  addresses: [10.0.0.1]\n  ports: [{{number: 80, name: tcp-plain, protocol: TCP}}]\n  \
         resolution: STATIC\n"
    )
}

fn outputs(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for namespace in fs::read_dir(root.join("out")).into_iter().flatten() {
        for file in fs::read_dir(namespace.unwrap().path()).unwrap() {
            names.push(file.unwrap().file_name().into_string().unwrap());
        }
    }
    names.sort();
    names
}

const A: &str = "aeraki-outbound-a.shop-10.0.0.1-80.yaml";
const B: &str = "aeraki-outbound-b.shop-10.0.0.1-80.yaml";

#[test]
fn the_output_follows_the_files_and_a_broken_file_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let conf = root.join("conf");
    fs::create_dir(&conf).unwrap();
    fs::write(conf.join("a.yaml"), entry("a")).unwrap();
    let mut controller = Controller::start(root);
    assert_eq!(controller.turn().len(), 1);
    assert_eq!(outputs(root), [A]);
    assert!(
        controller.turn().is_empty(),
        "nothing to do is nothing done"
    );

    fs::write(conf.join("a.yaml"), "kind: [\n").unwrap();
    assert!(controller.turn().is_empty());
    assert_eq!(outputs(root), [A], "a broken file keeps its output");
    assert_eq!(controller.files.source().problems().count(), 1);

    fs::write(
        conf.join("b.yaml"),
        entry("b").replace("10.0.0.1", "10.0.0.2"),
    )
    .unwrap();
    fs::write(
        conf.join("a.yaml"),
        entry("a").replace("10.0.0.1", "10.0.0.3"),
    )
    .unwrap();
    controller.turn();
    assert_eq!(
        outputs(root),
        [A.replace("0.1", "0.3"), B.replace("0.1", "0.2")]
    );

    fs::remove_file(conf.join("a.yaml")).unwrap();
    fs::remove_file(conf.join("b.yaml")).unwrap();
    controller.turn();
    assert_eq!(fs::read_dir(root.join("out")).unwrap().count(), 0);
}

#[test]
fn a_start_over_broken_files_deletes_nothing_until_they_are_mended() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let conf = root.join("conf");
    fs::create_dir(&conf).unwrap();
    fs::write(conf.join("a.yaml"), entry("a")).unwrap();
    Controller::start(root).turn();

    fs::write(conf.join("a.yaml"), "kind: [\n").unwrap();
    let mut later = Controller::start(root);
    let actions = later.turn();
    assert!(matches!(actions[..], [Action::Hold(..)]), "{actions:?}");
    assert_eq!(outputs(root), [A]);

    fs::write(conf.join("a.yaml"), "").unwrap();
    assert!(matches!(later.turn()[..], [Action::Delete(_)]));
    assert_eq!(outputs(root), [""; 0]);
}
