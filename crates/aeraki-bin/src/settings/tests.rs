use aeraki_core::draft::FilterDraft;
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::Registration;
use clap::Parser;
use rstest::rstest;

use super::*;
use crate::run::options::Flags;

struct Nothing;

impl Generator for Nothing {
    fn generate(&self, _: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        Ok(Vec::new())
    }
}

static DUBBO: Registration = Registration::new(Protocol::Dubbo, &Nothing);
static KAFKA: Registration = Registration::new(Protocol::Kafka, &Nothing).gated();

fn registry() -> Registry {
    Registry::of([&DUBBO, &KAFKA]).unwrap()
}

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn resolve(line: &[&str]) -> Result<Settings> {
    let line = std::iter::once("test").chain(line.iter().copied());
    Line::try_parse_from(line)?.args.resolve(&registry())
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(resolve(&[]).unwrap(), Settings::default());
    assert_eq!(
        parse("", &registry()).unwrap().settings,
        Settings::default()
    );
}

#[test]
fn empty_values_as_an_empty_environment_has_them_say_nothing() {
    let line = ["--enable-protocol=", "--disable-protocol=", "--settings="];
    assert_eq!(resolve(&line).unwrap(), Settings::default());
}

#[test]
fn each_flag_reaches_its_setting() {
    let line = [
        "--enable-protocol=Kafka",
        "--disable-protocol=dubbo",
        "--root-namespace=mesh",
        "--domain=corp.example",
        "--envoyfilter-priority=-5",
        "--scope=service-namespace",
        "--rule-source=istio",
        "--localhost-listeners",
        "--proxy-metadata=kafka:HAS=yes=1",
    ];
    let settings = resolve(&line).unwrap();
    let metadata = ProxyMetadata {
        key: "HAS".to_owned(),
        value: "yes=1".to_owned(),
    };
    let wanted = Settings {
        root_namespace: Arc::from("mesh"),
        domain: Arc::from("corp.example"),
        priority: -5,
        scope: Scope::ServiceNamespace,
        rule_source: RuleSource::Istio,
        localhost_listeners: true,
        enable_protocols: BTreeSet::from(["kafka".to_owned()]),
        disable_protocols: BTreeSet::from(["dubbo".to_owned()]),
        proxy_metadata: [("kafka".to_owned(), metadata)].into(),
    };
    assert_eq!(settings, wanted);
}

#[test]
fn flags_go_over_the_file_and_the_rest_of_the_file_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.yaml");
    std::fs::write(
        &path,
        "disableProtocols: [dubbo]\nrootNamespace: mesh\npriority: 3\n",
    )
    .unwrap();
    let file = format!("--settings={}", path.display());
    let settings =
        resolve(&[&file, "--enable-protocol=dubbo", "--envoyfilter-priority=4"]).unwrap();
    assert!(settings.disable_protocols.is_empty());
    assert_eq!((&*settings.root_namespace, settings.priority), ("mesh", 4));
}

#[test]
fn what_is_printed_reads_back_the_same() {
    let line = [
        "--enable-protocol=kafka",
        "--proxy-metadata=kafka:HAS=true",
        "--domain=y.no",
    ];
    let settings = resolve(&line).unwrap();
    let options = Options {
        election_id: "mine".to_owned(),
        ..Options::default()
    };
    let printed = print(&settings, Some(&options));
    let file = parse(&printed, &registry()).unwrap();
    assert_eq!(file.settings, settings, "{printed}");
    assert_eq!(
        Flags::default().resolve(&file.run).unwrap(),
        options,
        "{printed}"
    );
}

#[rstest]
#[case::misspelt_key("rootNamespce: mesh", "did you mean `rootNamespace`?")]
#[case::snake_case("root_namespace: mesh", "did you mean `rootNamespace`?")]
#[case::unknown_key("banana: 1", "no such setting: `banana`; the settings are ")]
#[case::wrong_type("priority: high", "a value is not of its type")]
#[case::unknown_value("scope: everywhere", "a value is not of its type")]
#[case::misspelt_protocol("enableProtocols: [kafak]", "did you mean `kafka`?")]
#[case::unknown_gate(
    "proxyMetadata: {mongo: {key: K, value: v}}",
    "no protocol is called `mongo`"
)]
#[case::no_mapping("[1]", "it is no mapping")]
#[case::bad_namespace("rootNamespace: Istio System", "is no name of a namespace")]
#[case::far_priority("priority: -2147483648", "is not between")]
#[case::on_and_off("{enableProtocols: [kafka], disableProtocols: [kafka]}", "stands in")]
fn a_file_that_cannot_be_meant_is_refused_with_a_sentence(#[case] text: &str, #[case] says: &str) {
    let error = format!("{:#}", parse(text, &registry()).unwrap_err());
    assert!(error.contains(says), "{error}");
}

#[rstest]
#[case::misspelt_protocol(&["--enable-protocol=dubo"], "did you mean `dubbo`?")]
#[case::on_and_off(&["--enable-protocol=kafka", "--disable-protocol=kafka"], "at once")]
#[case::metadata_without_key(&["--proxy-metadata=kafka:=x"], "PROTOCOL:KEY=VALUE")]
#[case::metadata_of_nothing(&["--proxy-metadata=kafka"], "PROTOCOL:KEY=VALUE")]
#[case::far_priority(&["--envoyfilter-priority=99999999"], "not in")]
#[case::bad_domain(&["--domain=a..b"], "is no domain name")]
fn flags_that_cannot_be_meant_are_refused_with_a_sentence(
    #[case] line: &[&str],
    #[case] says: &str,
) {
    let error = format!("{:#}", resolve(line).unwrap_err());
    assert!(error.contains(says), "{error}");
}
