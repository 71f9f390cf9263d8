//! Commands that end by themselves: arguments and files in, text and exit codes out.

use rstest::rstest;
use serde_json::Value;

use crate::support::{self, Ran, aeraki, aeraki_reading};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn generate_prints_the_filters_of_a_folder_and_the_same_bytes_each_time() {
    let first = aeraki(&["generate", "-f", "shop"]);
    assert_eq!(first.code, 0, "{}", first.err);
    let names: Vec<&str> = first
        .out
        .lines()
        .filter_map(|l| l.strip_prefix("  name: "))
        .collect();
    assert_eq!(
        names,
        [
            "aeraki-outbound-carts.shop.example-240.0.0.11-9090",
            "aeraki-outbound-orders.shop.example-240.0.0.10-20880",
            "aeraki-inbound-carts.shop.example-9090",
            "aeraki-inbound-orders.shop.example-20880",
        ]
    );
    assert!(
        first
            .err
            .starts_with("4 EnvoyFilters from 4 objects in 2 files in "),
        "{}",
        first.err
    );
    assert!(
        first.err.contains("; passed over: 1 Deployment"),
        "{}",
        first.err
    );
    assert_eq!(aeraki(&["generate", "-f", "shop"]).out, first.out);
    let files = [
        "generate",
        "-f",
        "shop/orders.yaml",
        "-f",
        "shop/carts.json",
        "-f",
        "shop",
    ];
    assert_eq!(
        aeraki(&files).out,
        first.out,
        "order and repetition of -f change nothing"
    );
}

#[test]
fn generate_reads_standard_input() {
    let text = std::fs::read_to_string("tests/fixtures/shop/carts.json").unwrap();
    let piped = aeraki_reading(&["generate", "-f", "-"], &text);
    assert_eq!(piped.code, 0, "{}", piped.err);
    assert_eq!(
        piped.out,
        aeraki(&["generate", "-f", "shop/carts.json"]).out
    );
    assert_eq!(
        aeraki_reading(&["generate", "-f", "-", "-f", "-"], &text).code,
        2
    );
}

#[test]
fn generate_has_a_form_for_each_reader() {
    let list = json(&aeraki(&["generate", "-f", "shop", "-o", "json"]));
    assert_eq!(
        (&list["apiVersion"], &list["kind"]),
        (&"v1".into(), &"List".into())
    );
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    let names = aeraki(&["generate", "-f", "shop", "-o", "name"]).out;
    assert_eq!(
        names.lines().last(),
        Some("shop/aeraki-inbound-orders.shop.example-20880")
    );
    let table = aeraki(&["generate", "-f", "shop", "-o", "table"]).out;
    assert!(table.starts_with("SERVICE"), "{table}");
    assert_eq!(table.lines().count(), 5);
}

#[test]
fn generate_confines_itself_to_a_protocol() {
    let names = aeraki(&[
        "generate",
        "-f",
        "shop",
        "-o",
        "name",
        "--protocol",
        "Thrift",
    ])
    .out;
    assert_eq!(names.lines().count(), 2);
    assert!(names.lines().all(|name| name.contains("carts")), "{names}");
    let unknown = aeraki(&["generate", "-f", "shop", "--protocol", "thirft"]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("did you mean `thrift`?"),
        "{}",
        unknown.err
    );
}

#[test]
fn generate_says_what_it_skips_as_far_as_it_is_asked() {
    let usual = aeraki(&["generate", "-f", "shop"]);
    assert!(!usual.err.contains("AER0100"), "{}", usual.err);
    let all = aeraki(&["generate", "-f", "shop", "--show-skipped"]);
    assert!(
        all.err
            .contains("Info [AER0100] (ServiceEntry shop/orders shop/orders.yaml:16:11)")
    );
    assert_eq!(aeraki(&["generate", "-f", "shop", "-q"]).err, "");
    let skipped = aeraki(&["generate", "-f", "skipped"]);
    assert_eq!((skipped.code, skipped.out.as_str()), (0, ""));
    for code in ["AER0101", "AER0102", "AER0103"] {
        let lines = skipped.err.lines().filter(|line| line.contains(code));
        assert_eq!(lines.count(), 1, "{code} in {}", skipped.err);
    }
    assert_eq!(aeraki(&["generate", "-f", "skipped", "-q"]).err, "");
    let typo = aeraki(&["generate", "-f", "typo"]);
    assert_eq!((typo.code, typo.out.as_str()), (0, ""));
    assert!(
        typo.err.contains("did you mean `tcp-dubbo-orders`?"),
        "{}",
        typo.err
    );
}

#[cfg(unix)]
#[test]
fn generate_counts_what_it_does_not_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf")).unwrap();
    std::fs::write(dir.path().join("conf/a.yaml"), "").unwrap();
    std::fs::write(dir.path().join("conf/.b.yaml"), "").unwrap();
    std::fs::create_dir(dir.path().join("conf/.git")).unwrap();
    std::os::unix::fs::symlink(".", dir.path().join("conf/same")).unwrap();
    let ran = aeraki(&["generate", "-f", dir.path().join("conf").to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let wanted = "; not read: 2 hidden entries, 1 link to a directory\n";
    assert!(ran.err.ends_with(wanted), "{}", ran.err);
}

#[test]
fn a_broken_document_or_a_missing_path_does_not_hide_the_rest() {
    let broken = aeraki(&["generate", "-f", "broken", "-o", "name"]);
    assert_eq!(broken.code, 1);
    assert_eq!(broken.out.lines().count(), 1);
    assert!(
        broken
            .err
            .contains("Error [AER0001] (broken/broken.yaml:4:"),
        "{}",
        broken.err
    );
    let missing = aeraki(&["generate", "-f", "nowhere", "-f", "shop", "-o", "name"]);
    assert_eq!((missing.code, missing.out.lines().count()), (1, 4));
    assert!(
        missing.err.contains("error: cannot read nowhere: "),
        "{}",
        missing.err
    );
    assert_eq!(aeraki(&["analyze", "nowhere", "shop"]).code, 1);
}

#[rstest]
#[case::no_command(&[])]
#[case::nothing_to_read(&["generate"])]
#[case::nothing_to_do(&["analyze"])]
#[case::no_such_flag(&["generate", "-f", "shop", "--recursive-ly"])]
#[case::no_such_protocol(&["generate", "-f", "shop", "--enable-protocol", "mongo"])]
#[case::no_such_code(&["analyze", "--explain", "AER9999"])]
#[case::markdown_of_findings(&["analyze", "-f", "shop", "-o", "markdown"])]
#[case::no_such_source(&["run", "--config-source", "xds", "--config-dir", "a", "--output-dir", "b"])]
fn a_command_line_that_cannot_be_meant_is_a_usage_error(#[case] line: &[&str]) {
    let ran = aeraki(line);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(!ran.err.is_empty());
}

#[test]
fn analyze_points_at_typos() {
    let ran = aeraki(&["analyze", "-f", "typo"]);
    assert_eq!(ran.code, 79);
    insta::assert_snapshot!(format!("{}{}", ran.out, ran.err));
}

#[test]
fn analyze_of_good_config_ends_well() {
    let ran = aeraki(&["analyze", "shop"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert!(
        ran.err
            .starts_with("✔ no issues found in 4 objects in 2 files"),
        "{}",
        ran.err
    );
}

#[rstest]
#[case::default(&[], 79, 2)]
#[case::failure_threshold(&["--failure-threshold", "error"], 0, 2)]
#[case::output_threshold(&["--output-threshold", "error"], 79, 0)]
#[case::suppressed(&["-S", "AER0101", "-S", "AER0002=ServiceEntry *.shop"], 0, 0)]
#[case::suppressed_elsewhere(&["-S", "AER0101=ServiceEntry orders.bank"], 79, 2)]
fn thresholds_and_suppressions_decide_what_counts(
    #[case] flags: &[&str],
    #[case] code: i32,
    #[case] shown: usize,
) {
    let line = [&["analyze", "-f", "typo", "-o", "json"], flags].concat();
    let ran = aeraki(&line);
    assert_eq!(
        (ran.code, json(&ran).as_array().unwrap().len()),
        (code, shown),
        "{}",
        ran.out
    );
}

#[test]
fn analyze_has_a_form_for_each_program() {
    let list = json(&aeraki(&["analyze", "-f", "typo", "-o", "json"]));
    let references: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["reference"].as_str().unwrap())
        .collect();
    assert_eq!(
        references,
        ["typo/orders.yaml:11:11", "typo/orders.yaml:13:5"]
    );
    let yaml = aeraki(&["analyze", "-f", "typo", "-o", "yaml"]).out;
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), list);
    let github = aeraki(&["analyze", "-f", "typo", "-o", "github"]).out;
    assert!(
        github
            .lines()
            .all(|line| line.starts_with("::warning file=typo/orders.yaml,line=1"))
    );
    let sarif = json(&aeraki(&["analyze", "-f", "typo", "-o", "sarif"]));
    assert_eq!(sarif["runs"][0]["results"][1]["ruleId"], "AER0002");
}

#[test]
fn colours_come_only_when_asked_for() {
    let with = |when| aeraki(&["--color", when, "analyze", "-f", "typo"]).out;
    assert!(with("always").contains('\u{1b}'));
    assert!(!with("never").contains('\u{1b}') && !with("auto").contains('\u{1b}'));
    let json = aeraki(&["--color", "always", "analyze", "-f", "typo", "-o", "json"]).out;
    assert!(!json.contains('\u{1b}'));
}

#[test]
fn codes_are_listed_and_explained() {
    let explained = aeraki(&["analyze", "--explain", "aer0101"]);
    assert_eq!(explained.code, 0);
    assert!(
        explained.out.starts_with("AER0101 (Warning): "),
        "{}",
        explained.out
    );
    assert!(aeraki(&["analyze", "-L"]).out.lines().count() > 30);
    let list = json(&aeraki(&["analyze", "-L", "-o", "json"]));
    assert!(
        list.as_array()
            .unwrap()
            .iter()
            .all(|code| code["remedy"].is_string())
    );
    let near = aeraki(&["analyze", "--explain", "AER010"]);
    assert!(near.err.contains("did you mean AER01"), "{}", near.err);
}

#[test]
fn protocols_are_listed_for_people_and_programs() {
    let list = json(&aeraki(&["protocols", "-o", "json"]));
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["dubbo", "kafka", "redis", "thrift", "zookeeper"]);
    let table = aeraki(&["protocols"]).out;
    assert_eq!(table.lines().count(), 6);
    assert!(aeraki(&["protocols", "-o", "wide"]).out.starts_with(&table));
    assert!(
        aeraki(&["protocols", "-o", "markdown"])
            .out
            .starts_with("# Protocols")
    );
}

#[test]
fn settings_come_from_file_environment_and_flags() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.yaml");
    std::fs::write(&path, "rootNamespace: mesh\nscope: service-namespace\n").unwrap();
    let file = path.to_str().unwrap();
    let printed = aeraki(&[
        "generate",
        "--settings",
        file,
        "--domain",
        "corp",
        "--print-config",
    ]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    for line in [
        "rootNamespace: mesh",
        "scope: service-namespace",
        "domain: corp",
    ] {
        assert!(
            printed.out.lines().any(|printed| printed == line),
            "{}",
            printed.out
        );
    }
    let names = aeraki(&["generate", "--settings", file, "-f", "shop", "-o", "name"]).out;
    assert!(
        names.lines().all(|name| name.starts_with("shop/")),
        "{names}"
    );
    let by_environment = support::command(&["generate", "-f", "shop", "-o", "name"])
        .env("AERAKI_DISABLE_PROTOCOL", "dubbo")
        .output()
        .unwrap();
    assert!(
        !String::from_utf8(by_environment.stdout)
            .unwrap()
            .contains("orders")
    );
    std::fs::write(&path, "rootNamspace: mesh\n").unwrap();
    let refused = aeraki(&["generate", "--settings", file, "-f", "shop"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("did you mean `rootNamespace`?"),
        "{}",
        refused.err
    );
}

#[test]
fn completions_and_versions_are_printed() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = aeraki(&["completion", shell]);
        assert!(
            script.code == 0 && script.out.contains("analyze"),
            "{shell}"
        );
    }
    assert!(aeraki(&["version"]).out.starts_with("aeraki "));
    assert!(json(&aeraki(&["version", "-o", "json"]))["version"].is_string());
    assert_eq!(aeraki(&["--help"]).code, 0);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_the_command_in_silence() {
    use std::process::Stdio;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = support::command(&["analyze", "-L", "-o", "markdown"]);
    let ran = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(
        (ran.status.code(), ran.stderr.as_slice()),
        (Some(0), &[][..])
    );
}

#[rstest]
#[case::nothing("")]
#[case::separators("---\n---\n...\n")]
#[case::scalar("just words")]
#[case::list("- a\n- b\n")]
#[case::deep(&"[".repeat(100_000))]
#[case::aliases("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n")]
#[case::no_metadata("kind: ServiceEntry\napiVersion: networking.istio.io/v1\n")]
#[case::nul("a: \0\n")]
#[case::deep_mappings(&deep_mappings())]
#[case::long_names(&format!("{{apiVersion: v1, kind: Service, metadata: {{name: {0}, namespace: {0}}}}}", "a".repeat(300)))]
fn no_input_makes_it_panic(#[case] text: &str) {
    for line in [&["generate", "-f", "-"][..], &["analyze", "-f", "-"]] {
        let ran = aeraki_reading(line, text);
        assert!([0, 1, 79].contains(&ran.code), "{} {}", ran.code, ran.err);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
}

fn deep_mappings() -> String {
    let depth = 10_000;
    let (open, close) = ("{a: ".repeat(depth), "}".repeat(depth));
    format!("apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nspec: {open}1{close}\n")
}

#[rstest]
#[case::empty(b"", 0, "0 EnvoyFilters from 0 objects in 1 file")]
#[case::nul(b"kind: \0", 1, "(bad.yaml:1:7) unexpected character")]
#[case::latin_1(
    b"# caf\xe9\nkind: Service\n",
    1,
    "(bad.yaml) the file is not UTF-8 text: byte 5, in line 1"
)]
#[case::other_yaml(
    b"image: {tag: x}\n---\nkind: Pod\napiVersion: v1\n",
    0,
    "passed over: 1 without a kind, 1 Pod"
)]
#[case::template(b"kind: Service\nmetadata: {{ .name }}\n", 1, "(bad.yaml:2:")]
fn a_hostile_file_costs_one_sentence_and_nothing_else(
    #[case] content: &[u8],
    #[case] code: i32,
    #[case] sentence: &str,
) {
    let dir = tempfile::tempdir().unwrap();
    let shop = std::fs::read("tests/fixtures/shop/orders.yaml").unwrap();
    std::fs::write(dir.path().join("bad.yaml"), content).unwrap();
    let run = |line: &[&str]| {
        support::ran(
            support::command(line)
                .current_dir(dir.path())
                .output()
                .unwrap(),
        )
    };
    let alone = run(&["generate", "-f", "bad.yaml"]);
    assert_eq!(alone.code, code, "{}", alone.err);
    assert!(alone.err.contains(sentence), "{}", alone.err);
    std::fs::write(dir.path().join("orders.yaml"), shop).unwrap();
    let both = run(&["generate", "-f", "."]);
    assert_eq!(both.code, code, "{}", both.err);
    let good = aeraki(&["generate", "-f", "shop/orders.yaml"]);
    assert_eq!(both.out, good.out, "nothing else is lost");
}

#[test]
fn analyze_of_nothing_is_no_good_news() {
    let nothing = aeraki_reading(&["analyze", "-f", "-"], "");
    assert_eq!(nothing.code, 1, "{}", nothing.err);
    assert!(
        nothing
            .err
            .starts_with("error: nothing to analyze: 0 objects"),
        "{}",
        nothing.err
    );
    let others = aeraki_reading(&["analyze", "-f", "-"], "kind: Pod\napiVersion: v1\n");
    assert_eq!(others.code, 0, "{}", others.err);
    assert!(
        others.err.contains("passed over: 1 Pod") && !others.err.contains('✔'),
        "{}",
        others.err
    );
}

#[test]
fn analyze_asks_for_the_prefix_where_istio_has_no_other_meaning_for_the_name() {
    let ports = |name: &str| SERVICE.replace("PORT", name);
    for (name, code) in [
        ("dubbo-orders", 79),
        ("dubbo", 79),
        ("redis-orders", 0),
        ("kafka", 0),
    ] {
        let ran = aeraki_reading(&["analyze", "-f", "-"], &ports(name));
        assert_eq!(ran.code, code, "{name}: {}{}", ran.out, ran.err);
    }
    let ran = aeraki_reading(&["analyze", "-f", "-"], &ports("dubbo-orders"));
    assert!(
        ran.out.contains("AER0101") && ran.out.contains("name it `tcp-dubbo-orders`"),
        "{}",
        ran.out
    );
}

#[test]
fn of_an_option_given_twice_the_last_word_counts() {
    let first = [
        "run",
        "--print-config",
        "--election-id=one",
        "--no-leader-election",
    ];
    let again = ["--election-id=two", "--no-leader-election"];
    let ran = aeraki(&[&first[..], &again[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("electionId: two"), "{}", ran.out);
    let both = aeraki(&[
        "generate",
        "-f",
        "shop",
        "-f",
        "shop/orders.yaml",
        "-o",
        "json",
        "-o",
        "name",
    ]);
    assert_eq!(both.code, 0, "{}", both.err);
    assert!(
        both.out.lines().all(|line| !line.contains('{')),
        "{}",
        both.out
    );
}

const SERVICE: &str = "apiVersion: v1
kind: Service
metadata: {name: orders, namespace: shop}
spec:
  clusterIP: 10.96.0.9
  selector: {app: orders}
  ports: [{name: PORT, port: 20880}]
";

const REDIS: &str = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cache, namespace: shop}
spec:
  hosts: [cache.shop.svc.cluster.local]
  addresses: [10.96.0.7]
  ports: [{number: 6379, name: tcp-redis, protocol: TCP}]
  resolution: STATIC
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: other, namespace: shop}
spec:
  hosts: [other.shop.svc.cluster.local]
  addresses: [10.96.0.8]
  ports: [{number: 6379, name: tcp-redis, protocol: TCP}]
  resolution: STATIC
---
";

#[rstest]
#[case::broken_yaml(
    "apiVersion: redis.aeraki.io/v1alpha1\nkind: RedisService\nmetadata: {name: cache, namespace: shop\nspec:\n  host: [cache]\n"
)]
#[case::unknown_version(
    "apiVersion: redis.aeraki.io/v1\nkind: RedisService\nmetadata: {name: cache, namespace: shop}\nspec: {host: [cache]}\n"
)]
#[case::misspelt_kind(
    "apiVersion: redis.aeraki.io/v1alpha1\nkind: RedisServce\nmetadata: {name: cache, namespace: shop}\nspec: {host: [cache.shop]}\n"
)]
#[case::no_name(
    "apiVersion: redis.aeraki.io/v1alpha1\nkind: RedisService\nmetadata: {namespace: shop}\nspec: {host: [cache.shop.svc.cluster.local]}\n"
)]
#[case::item_of_a_list(
    "kind: List\napiVersion: v1\nitems:\n- {apiVersion: redis.aeraki.io/v2, kind: RedisService, metadata: {name: a}, spec: {host: [cache]}}\n- {apiVersion: v1, kind: Pod, metadata: {name: other}}\n"
)]
#[case::rule_of_a_wrong_type(
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: cache, namespace: shop}\nspec: {hosts: [cache], tcp: [{route: 7}]}\n"
)]
fn what_a_lost_object_may_be_about_gets_no_filter_without_it(#[case] lost: &str) {
    let ran = aeraki_reading(
        &["generate", "-f", "-", "-o", "name"],
        &format!("{REDIS}{lost}"),
    );
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert_eq!(
        ran.out, "istio-system/aeraki-outbound-other.shop.svc.cluster.local-10.96.0.8-6379\n",
        "{}",
        ran.err
    );
    let told = "Error [AER0903] (ServiceEntry shop/cache <stdin>:3:18) no filter: <stdin>:";
    assert!(ran.err.contains(told), "{}", ran.err);
    assert!(
        ran.err.contains("Error [AER0001]") || ran.err.contains("Error [AER0005]"),
        "{}",
        ran.err
    );
}

#[test]
fn a_mistyped_annotation_is_told() {
    let text = REDIS.replace(
        "name: cache, namespace: shop",
        "name: cache, namespace: shop, annotations: {workloadSelecter: app, aeraki.net/supress: AER0130}",
    );
    let ran = aeraki_reading(&["analyze", "-f", "-"], &text);
    assert_eq!(ran.code, 79, "{}", ran.err);
    for meant in [
        "did you mean `workloadSelector`?",
        "did you mean `aeraki.net/suppress`?",
    ] {
        assert!(ran.out.contains(meant), "{}", ran.out);
    }
    assert_eq!(ran.out.matches("AER0112").count(), 2, "{}", ran.out);
}

#[cfg(target_os = "linux")]
#[test]
fn what_has_no_end_is_not_read_for_ever() {
    let file = aeraki(&["generate", "-f", "/dev/zero", "-f", "shop", "-o", "name"]);
    assert_eq!(
        (file.code, file.out.lines().count()),
        (1, 4),
        "{}",
        file.err
    );
    assert!(
        file.err
            .contains("(/dev/zero) the file cannot be read: it is larger than 64 MiB"),
        "{}",
        file.err
    );
    let mut command = support::command(&["generate", "-f", "-"]);
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    let piped = support::ran(command.stdin(zeros).output().unwrap());
    assert_eq!(piped.code, 1);
    assert!(
        piped
            .err
            .contains("error: standard input cannot be read: it is larger"),
        "{}",
        piped.err
    );
}

#[test]
fn a_mistyped_object_is_an_error_even_if_no_service_uses_it() {
    let destination = "\
apiVersion: redis.aeraki.io/v1alpha1
kind: RedisDestination
metadata: {name: r, namespace: shop}
spec: {host: nobody.example, trafficPolicy: {connectionPool: {redis: {mode: 7}}}}
";
    let ran = aeraki_reading(&["generate", "-f", "-"], destination);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("AER0001"), "{}", ran.err);
}
