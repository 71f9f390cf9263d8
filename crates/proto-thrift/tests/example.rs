//! The example that users start from: nothing to warn of, and loaded by a real Envoy.

use std::path::PathBuf;

use aeraki_core::diagnostic::Severity;
use aeraki_testkit::golden;
use proto_thrift as _;

#[rstest::rstest]
fn the_example_is_clean_and_loads(#[files("../../examples/thrift/*.yaml")] file: PathBuf) {
    let made = golden::run(&std::fs::read_to_string(file).unwrap());
    let serious = made
        .diagnostics
        .iter()
        .filter(|one| one.severity > Severity::Info);
    assert_eq!(serious.collect::<Vec<_>>(), Vec::<&_>::new());
    assert_eq!(
        made.engine.filters().len(),
        2,
        "one filter for clients and one for servers"
    );
    golden::load(&made.engine, &aeraki_testkit::render::Renderer::default());
}
