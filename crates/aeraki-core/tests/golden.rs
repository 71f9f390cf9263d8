//! Golden cases of the rules that all protocols share, shown with Thrift and ZooKeeper.

use std::path::PathBuf;

use {proto_thrift as _, proto_zookeeper as _};

#[rstest::rstest]
fn golden(#[files("tests/cases/*.in.yaml")] case: PathBuf) {
    aeraki_testkit::golden::check(&case);
}
