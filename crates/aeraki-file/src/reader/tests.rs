use aeraki_core::draft::FilterDraft;
use aeraki_core::generator::{GenerateError, Generator, ServiceContext};
use aeraki_core::object::Body;
use aeraki_core::protocol::Protocol;
use aeraki_core::registry::{Input, InputProblem, Registration};
use proptest::prelude::*;
use rstest::rstest;

use super::*;

struct Silent;

impl Generator for Silent {
    fn generate(&self, _: &ServiceContext<'_>) -> Result<Vec<FilterDraft>, GenerateError> {
        Ok(Vec::new())
    }
}

static CACHE: Registration =
    Registration::new(Protocol::Custom("cache"), &Silent).inputs(&[Input {
        kind: Kind::new("cache.example", "CacheService"),
        versions: &["v1alpha1"],
        hosts: |_| Vec::new(),
        check: |value| match value["spec"]["size"].is_number() {
            true => vec![InputProblem::UnknownField {
                field: "spec.colour".to_owned(),
                help: Some("did you mean `spec.color`?".to_owned()),
            }],
            false => vec![InputProblem::Invalid {
                field: "spec.size".to_owned(),
                message: "it is no number".to_owned(),
            }],
        },
        crd: None,
    }]);

fn read(text: &str) -> ReadFile {
    let registry = Registry::of([&CACHE]).expect("one protocol");
    Reader::new(&registry).read("a.yaml", text)
}

fn names(read: &ReadFile) -> Vec<String> {
    read.objects
        .iter()
        .map(|located| located.object.key.to_string())
        .collect()
}

/// `<code> <field> [<text it points at>] <message> (<help>)`
fn told(text: &str) -> Vec<String> {
    let shown = |problem: &Problem| {
        let Diagnostic {
            code,
            field,
            message,
            help,
            ..
        } = &problem.diagnostic;
        let span = problem
            .span
            .map_or("nowhere", |span| &text[span.start..span.end]);
        let help = help
            .as_ref()
            .map_or_else(String::new, |help| format!(" ({help})"));
        format!("{code} {field} [{span}] {message}{help}")
    };
    read(text).problems.iter().map(shown).collect()
}

const ENTRY: &str = "apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: orders
  namespace: shop
spec:
  hosts: [orders.shop]
  ports:
  - number: 20880
    name: tcp-dubbo
    protocol: TCP
  resolution: STATIC
";

fn entry_with(spec: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: a}}\nspec:\n{spec}"
    )
}

#[test]
fn an_entry_reads_without_a_problem() {
    let read = read(ENTRY);
    assert_eq!(names(&read), ["ServiceEntry shop/orders"]);
    assert!(
        read.problems.is_empty() && !read.broken,
        "{:?}",
        read.problems
    );
}

#[rstest]
#[case::v1("networking.istio.io/v1", "VirtualService")]
#[case::v1beta1("networking.istio.io/v1beta1", "DestinationRule")]
#[case::v1alpha3("networking.istio.io/v1alpha3", "ServiceEntry")]
#[case::core("v1", "Service")]
#[case::slices("discovery.k8s.io/v1", "EndpointSlice")]
fn every_kind_and_version_is_read(#[case] version: &str, #[case] kind: &str) {
    let read = read(&format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"
    ));
    assert_eq!(
        names(&read),
        [format!("{kind} default/a")],
        "{:?}",
        read.problems
    );
}

#[test]
fn other_kinds_are_passed_over_with_a_count() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\n\
                apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\n---\n\
                apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\n\
                apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n---\n\
                apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\n---\n\
                replicas: 3\n---\n[1, 2]\n";
    let read = read(text);
    assert!(read.objects.is_empty() && read.problems.is_empty() && !read.broken);
    let counts: Vec<_> = read
        .passed_over
        .iter()
        .map(|(kind, n)| (kind.as_str(), *n))
        .collect();
    let expected = [
        ("", 2),
        ("Deployment", 1),
        ("EnvoyFilter", 1),
        ("Gateway", 1),
        ("Secret", 1),
        ("Service", 1),
    ];
    assert_eq!(counts, expected);
}

#[test]
fn a_broken_document_leaves_its_neighbours_alone() {
    let text = format!(
        "{ENTRY}---\nkind: [\n---\n{}",
        ENTRY.replace("orders", "bills")
    );
    let read = read(&text);
    assert_eq!(
        names(&read),
        ["ServiceEntry shop/orders", "ServiceEntry shop/bills"]
    );
    assert_eq!(read.objects[1].document, 2);
    assert!(read.broken);
    let problem = &read.problems[0];
    assert_eq!(problem.diagnostic.code, "AER0001");
    assert_eq!(problem.diagnostic.object.to_string(), "Document a.yaml/2");
    assert!(
        (14..=15).contains(&problem.span.expect("a position").line),
        "{problem:?}"
    );
}

#[test]
fn lists_are_read_item_by_item() {
    let text = "apiVersion: v1\nkind: List\nitems:\n\
                - {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {prots: []}}\n\
                - {apiVersion: v1, kind: Pod, metadata: {name: p}}\n\
                - {apiVersion: v1, kind: ServiceList, items: [{metadata: {name: b}}]}\n";
    let read = read(text);
    assert_eq!(names(&read), ["Service default/a", "Service default/b"]);
    assert_eq!(read.passed_over["Pod"], 1);
    assert_eq!(
        told(text),
        [
            "AER0002 spec.prots [prots] unknown field `prots`: it has no effect (did you mean `ports`?)"
        ]
    );
    let span = read.objects[1].span("").expect("a place");
    assert_eq!(&text[span.start..span.end], "b");
}

#[test]
fn json_reads_like_yaml_also_several_in_a_file() {
    let one = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a\u00e9\/\ud83d\ude00"},
        "spec": {"externalName": "x"}}"#;
    let read_one = read(&one.replace("a\\u00e9\\/\\ud83d\\ude00", "a"));
    assert_eq!(names(&read_one), ["Service default/a"]);
    let two = format!(
        "{}\n{}",
        one.replace("a\\u00e9", "a"),
        one.replace("a\\u00e9\\/\\ud83d\\ude00", "b")
    );
    assert_eq!(
        names(&read(&two)),
        ["Service default/b"],
        "the other name is not legal"
    );
    assert!(
        told(one)[0].contains("a\u{e9}/\u{1f600}"),
        "escapes are understood: {:?}",
        told(one)
    );
}

#[rstest]
#[case::near(
    "  hsts: [a]\n",
    "AER0002 spec.hsts [hsts] unknown field `hsts`: it has no effect (did you mean `hosts`?)"
)]
#[case::far(
    "  colour: red\n",
    "AER0002 spec.colour [colour] unknown field `colour`: it has no effect"
)]
#[case::deep(
    "  ports:\n  - number: 1\n    targtPort: 2\n",
    "AER0002 spec.ports[0].targtPort [targtPort] unknown field `targtPort`: it has no effect (did you mean `targetPort`?)"
)]
#[case::beside_the_spec(
    "  resolution: NONE\nhosts: [a]\n",
    "AER0002 hosts [hosts] unknown field `hosts`: it has no effect (did you mean `spec.hosts`?)"
)]
#[case::snake_case(
    "  export_to: ['*']\n",
    "AER0002 spec.export_to [export_to] the Kubernetes API does not know `export_to` and drops it; it is read as \
     `exportTo` (write `exportTo`)"
)]
fn an_unknown_field_is_told_and_the_object_stays(#[case] spec: &str, #[case] expected: &str) {
    let text = entry_with(spec);
    assert_eq!(told(&text), [expected]);
    assert_eq!(read(&text).objects.len(), 1);
    assert!(!read(&text).broken);
}

#[rstest]
#[case::word(
    "  resolution: STATICC\n",
    "AER0001 spec.resolution [STATICC] expected one of NONE, STATIC, DNS, DNS_ROUND_ROBIN, DYNAMIC_DNS, found the \
     string \"STATICC\" (did you mean `STATIC`?)"
)]
#[case::number(
    "  ports:\n  - number: many\n",
    "AER0001 spec.ports[0].number [many] expected a whole number from 0 to 4294967295, found the string \"many\""
)]
#[case::negative(
    "  ports:\n  - number: -1\n",
    "AER0001 spec.ports[0].number [-1] expected a whole number from 0 to 4294967295, found the number -1"
)]
#[case::text(
    "  hosts: [1.0]\n",
    "AER0001 spec.hosts[0] [1.0] expected a string, found the number 1.0 (put it in quotes: \"1.0\")"
)]
#[case::list(
    "  hosts: a\n",
    "AER0001 spec.hosts [a] expected a list, found the string \"a\" (begin each item with `- `)"
)]
#[case::object(
    "  ports: [80]\n",
    "AER0001 spec.ports[0] [80] expected an object (ServicePort), found the number 80"
)]
#[case::null_in_a_list(
    "  hosts: [~]\n",
    "AER0001 spec.hosts[0] [~] expected a string, found nothing"
)]
fn a_wrong_type_takes_the_object_out_and_says_where(#[case] spec: &str, #[case] expected: &str) {
    let text = entry_with(spec);
    assert_eq!(told(&text), [expected]);
    assert!(read(&text).objects.is_empty() && read(&text).broken);
}

#[test]
fn fields_that_exclude_each_other_are_told() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  http:\n  \
                - match: [{method: {exact: a, prefix: b}}]\n    timeout: 5\n";
    assert_eq!(
        told(text),
        [
            "AER0001 spec.http[0].match[0].method.prefix [b] `exact` and `prefix` exclude each other (remove one of \
             them)",
            "AER0001 spec.http[0].timeout [5] expected a duration such as 1.5s or 1m30s, found the number 5 (give a \
             unit: 5s)",
        ]
    );
}

#[test]
fn an_empty_field_is_the_default() {
    let text = entry_with("  hosts: [a]\n  resolution:\n  ports:\n  - number: 1\n    name:\n");
    let read = read(&text);
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    let Body::ServiceEntry { spec, .. } = &read.objects[0].object.body else {
        panic!("an entry")
    };
    let spec = spec.get();
    assert_eq!((spec.resolution, spec.ports[0].name.as_str()), (0, ""));
}

#[rstest]
#[case::bare("y", true)]
#[case::upper("NO", true)]
#[case::on("on", true)]
#[case::double_quoted("\"y\"", false)]
#[case::single_quoted("'off'", false)]
#[case::other("yesterday", false)]
fn a_bare_boolean_key_is_told_wherever_it_stands(#[case] key: &str, #[case] told_of: bool) {
    let text = entry_with(&format!(
        "  workloadSelector:\n    labels:\n      {key}: b\n"
    ));
    let problems = read(&text).problems;
    assert_eq!(problems.len(), usize::from(told_of), "{problems:?}");
    if let Some(problem) = problems.first() {
        assert_eq!(problem.diagnostic.code, "AER0003");
        let span = problem.span.expect("a key has a place");
        assert_eq!(&text[span.start..span.end], key);
    }
}

#[test]
fn a_bare_boolean_key_says_what_kubectl_makes_of_it() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {off: x, n: }}\n";
    assert_eq!(
        told(text),
        [
            "AER0003 metadata.labels.n [n] kubectl reads the bare key `n` as \"false\" (write \"n\" in quotes)",
            "AER0003 metadata.labels.off [off] kubectl reads the bare key `off` as \"false\" (write \"off\" in quotes)",
        ]
    );
}

#[rstest]
#[case::no_name(
    "apiVersion: v1\nkind: Service\nmetadata: {}\n",
    "AER0005 metadata.name [metadata] the Service has no name"
)]
#[case::no_metadata(
    "apiVersion: v1\nkind: Service\n",
    "AER0005 metadata.name [apiVersion] the Service has no name"
)]
#[case::illegal_name(
    "apiVersion: v1\nkind: Service\nmetadata: {name: ../x}\n",
    "AER0005 metadata.name [../x] the API server takes no object of the name \"../x\""
)]
#[case::illegal_namespace(
    "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: a.b}\n",
    "AER0005 metadata.namespace [a.b] the API server takes no namespace of the name \"a.b\""
)]
#[case::number_for_a_name(
    "apiVersion: v1\nkind: Service\nmetadata: {name: 12}\n",
    "AER0005 metadata.name [12] the name is no string: put it in quotes"
)]
#[case::no_kind(
    "apiVersion: v1\nmetadata: {name: a}\n",
    "AER0005 kind [apiVersion] the object names no kind"
)]
#[case::one_word(
    "hello\n",
    "AER0001  [hello] expected an object with apiVersion, kind and metadata, found one bare word"
)]
#[case::version(
    "apiVersion: networking.istio.io/v2\nkind: ServiceEntry\nmetadata: {name: a}\n",
    "AER0001 apiVersion [networking.istio.io/v2] `ServiceEntry` is not read in version `v2` (use one of v1, v1beta1, \
     v1alpha3)"
)]
#[case::kind(
    "apiVersion: networking.istio.io/v1\nkind: ServiceEntri\nmetadata: {name: a}\n",
    "AER0001 kind [ServiceEntri] `networking.istio.io` has no kind `ServiceEntri` (did you mean `ServiceEntry`?)"
)]
#[case::group(
    "apiVersion: netwroking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n",
    "AER0001 apiVersion [netwroking.istio.io/v1] `VirtualService` has no group `netwroking.istio.io` (did you mean \
     `networking.istio.io/v1`?)"
)]
fn what_cannot_be_an_object_is_refused(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(told(text), [expected]);
    assert!(read(text).objects.is_empty() && read(text).broken);
}

#[test]
fn declared_kinds_are_read_whole_and_checked_by_their_protocol() {
    let text = "apiVersion: cache.example/v1alpha1\nkind: CacheService\nmetadata: {name: a}\n\
                spec: {size: 1, colour: red}\n";
    let good = read(text);
    let Body::Extra(extra) = &good.objects[0].object.body else {
        panic!("an extra kind")
    };
    assert_eq!(extra.0["spec"]["size"], 1);
    assert_eq!(
        told(text),
        [
            "AER0002 spec.colour [colour] unknown field `colour`: it has no effect (did you mean `spec.color`?)"
        ]
    );
    let bad = read(&text.replace("size: 1", "size: big"));
    assert!(bad.objects.is_empty() && bad.broken);
    let refused = &bad.problems[0].diagnostic;
    let shown = (
        refused.code,
        refused.field.as_str(),
        refused.message.as_str(),
    );
    assert_eq!(shown, ("AER0005", "spec.size", "it is no number"));
}

#[test]
fn a_policy_of_go_aeraki_is_told_to_be_without_effect() {
    let text = "apiVersion: dubbo.aeraki.io/v1alpha1\nkind: DubboAuthorizationPolicy\nmetadata: {name: a}\n";
    let read = read(text);
    assert_eq!(read.problems[0].diagnostic.code, "AER0160");
    assert_eq!(
        read.problems[0].diagnostic.object.to_string(),
        "DubboAuthorizationPolicy default/a"
    );
    assert_eq!(read.passed_over["DubboAuthorizationPolicy"], 1);
    assert!(!read.broken);
}

#[rstest]
#[case::value("spec.ports[0].name", "tcp-dubbo", 10, 11)]
#[case::list_by_its_key("spec.ports", "ports", 8, 3)]
#[case::item_by_its_first_word("spec.ports[0]", "number", 9, 5)]
#[case::missing_field("spec.ports[0].targetPort", "number", 9, 5)]
#[case::missing_item("spec.ports[7].name", "ports", 8, 3)]
#[case::whole_object("", "orders", 4, 9)]
#[case::camel_case_of_nothing("spec.exportTo[0]", "spec", 6, 1)]
fn a_field_is_found_in_the_text(
    #[case] field: &str,
    #[case] expected: &str,
    #[case] line: usize,
    #[case] column: usize,
) {
    let text = format!("# ü\n---\n{ENTRY}");
    let span = read(&text).objects[0].span(field).expect("a place");
    assert_eq!(&text[span.start..span.end], expected);
    assert_eq!((span.line, span.column), (line + 2, column));
}

#[test]
fn a_field_behind_an_alias_or_a_merge_is_found_where_it_is_written() {
    let text = entry_with(
        "  hosts: &h [a.b]\n  addresses: *h\n  workloadSelector:\n    labels: &l {app: x}\n  ports:\n  - &p {name: \
         tcp-a, number: 1}\n  - <<: *p\n    number: 2\n",
    );
    let read = read(&text);
    let at = |field: &str| {
        let span = read.objects[0].span(field).expect("a place");
        text[span.start..span.end].to_owned()
    };
    assert_eq!(
        (at("spec.addresses[0]"), at("spec.ports[1].name")),
        ("a.b".into(), "tcp-a".into())
    );
    assert_eq!(at("spec.ports[1].number"), "2");
}

#[test]
fn bytes_that_are_no_text_are_told() {
    let registry = Registry::of([]).expect("nothing clashes");
    let read = Reader::new(&registry).read_bytes("a.yaml", b"a: 1\nb: \xff\n");
    assert!(read.broken);
    assert_eq!(
        read.problems[0].diagnostic.message,
        "the file is not UTF-8 text: byte 8, in line 2"
    );
}

#[test]
fn one_anchor_may_be_used_often() {
    let text = format!(
        "apiVersion: v1\nkind: List\nx: &x [1]\nitems:\n{}",
        "- {y: *x}\n".repeat(500)
    );
    assert!(
        read(&text).problems.is_empty(),
        "{:?}",
        read(&text).problems
    );
}

#[test]
fn bombs_are_refused_quickly() {
    let deep = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let mut aliases = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(", ");
        aliases.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let block: String = (0..3_000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    for bomb in [deep, aliases, block] {
        let read = read(&bomb);
        assert_eq!(read.problems.len(), 1);
        assert_eq!(read.problems[0].diagnostic.code, "AER0001");
    }
}

#[test]
fn a_secret_is_not_in_what_debug_shows() {
    let text = format!("{ENTRY}# hunter2\n");
    let shown = format!("{:?}", read(&text).objects[0].place);
    assert!(
        !shown.contains("hunter2") && shown.contains("Document"),
        "{shown}"
    );
}

/// Bytes that are likely to be almost YAML.
fn almost_yaml() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "apiVersion: networking.istio.io/v1\n", "kind: ServiceEntry\n", "kind: List\n", "items:\n", "metadata:\n",
            "  name: a\n", "spec:\n", "  hosts: [", "]", "{", "}", "- ", ": ", "\n", "---\n", "...\n", "&a ", "*a",
            "<<: ", "!!str ", "'", "\"", "|\n", ">\n", "# ", "\t", "%YAML 1.2\n", "y: ", "? ", "\u{feff}", "\r", "é",
            "\u{0}", "\u{85}", "{\"a\": 1}\n", "  ports:\n", "  - number: 1\n",
        ]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_bytes_are_answered(bytes in prop_oneof![almost_yaml(), prop::collection::vec(any::<u8>(), 0..200)]) {
        let registry = Registry::of([&CACHE]).expect("one protocol");
        let read = Reader::new(&registry).read_bytes("a.yaml", &bytes);
        prop_assert_eq!(read.broken, read.problems.iter().any(|p| p.diagnostic.severity == aeraki_core::diagnostic::Severity::Error));
        for span in read.problems.iter().filter_map(|problem| problem.span) {
            prop_assert!(span.start <= span.end && span.end <= bytes.len());
            let text = std::str::from_utf8(&bytes).expect("spans are of texts");
            prop_assert!(text.get(span.start..span.end).is_some());
        }
        for located in &read.objects {
            let _place = located.span("spec.ports[0].number");
        }
    }
}

#[rstest]
#[case::bracket("a: 1\n---\nkind: [\n", "[ unclosed bracket '['", 3, 7)]
#[case::colon("a: b: ç\n", ": mapping values are not allowed in this context", 1, 5)]
#[case::twice("---\né: 1\né: 2\n", "é the key `é` is given twice", 3, 1)]
#[case::alias("a: *x\n", "* alias references unknown anchor", 1, 4)]
#[case::tab(
    "a:\n\t- x\n",
    "- tabs disallowed within this context (block indentation)",
    2,
    2
)]
#[case::infinite("a: .inf\n", ".inf JSON has no such number", 1, 4)]
#[case::recursion("a: &a [*a]\n", "*a the alias stands inside what it refers to", 1, 8)]
#[case::empty_key(": 1\n", " the key is empty", 1, 1)]
#[case::end_of_file("a: 1\r\nb\r\n", "b simple key expected ':'", 2, 1)]
fn a_syntax_error_is_told_where_it_stands(
    #[case] text: &str,
    #[case] expected: &str,
    #[case] line: usize,
    #[case] column: usize,
) {
    let problem = &read(text).problems[0];
    let span = problem.span.expect("a place");
    assert_eq!(
        format!(
            "{} {}",
            &text[span.start..span.end],
            problem.diagnostic.message
        ),
        expected
    );
    assert_eq!((span.line, span.column), (line, column));
}
