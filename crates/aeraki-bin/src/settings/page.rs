//! `docs/settings.md`: every setting with its three names, taken from the command line's own definition.

use std::collections::BTreeMap;

use aeraki_core::settings::Settings;
use clap::{Arg, Args as _, Command};
use serde_json::Value;

use crate::run::options::{Options, keys};
use crate::table::Table;
use crate::{docs, run};

const HEAD: &str = "# Settings

Generated from the code; a test holds it to that.

Settings come from a file (`--settings FILE`, YAML or JSON), from the environment and from flags. A flag goes before the
environment, that before the file, and the file before the default. Where a flag takes several names, commas
part them. An empty environment variable says nothing. A key that no setting has is refused, with the one that may be meant.

`--print-config` prints what comes of all that and does nothing else. What it prints is a settings file. Without any
setting:

```yaml
";

const COMMANDS: &str = "## Of `generate`, `analyze` and `run`

";

const RUN: &str = "
## Of `run` alone

Those with a key stand in the file under `run:`. Those without say where files are. Lengths of time are written `5ms`, `30s`, `5m`.

";

const OUTPUT: &str = "
## The output directory

`aeraki run` keeps one directory right: `<namespace>/<name>.yaml` for each EnvoyFilter. It makes, changes and removes its own
files only.

| what stands there | what becomes of it |
|---|---|
| an EnvoyFilter with the label `manager: Aeraki` and a name `aeraki-outbound-…` or `aeraki-inbound-…`, in its own place | kept right: written again when anything in it is changed, removed when it is no longer wanted |
| such a file that is damaged: it is empty, or no longer a whole EnvoyFilter but still has the mark `aeraki.net/config-hash` in it | the same |
| any other file, also an EnvoyFilter without the label or in another's place | stays as it is; if its place is needed, the log says so. To hand it over, remove it. To take one of ours over, remove its label |
| `.aeraki.lock` | locked while a process keeps the directory. A second `aeraki run` on it ends at once and says which process has it. The lock ends with the process, whatever ended it; the file stays and locks nothing |

A file with a password in clear text is readable for its owner alone.

A document that cannot be read goes on standing for what it last held. Where it never held anything (at the start, or in
`generate`), services that it names get no new filter (AER0903), and nothing that is there is changed or removed until it
is mended.
";

fn page() -> String {
    let defaults = serde_json::to_value(Settings::default()).expect("settings are plain data");
    let own = super::Args::augment_args(Command::new("settings"));
    let all = run::Args::augment_args(Command::new("run"));
    let is_own = |arg: &Arg| own.get_arguments().any(|one| one.get_id() == arg.get_id());
    let mut settings = Table::new(["KEY", "FLAG", "ENVIRONMENT", "DEFAULT", "MEANING"]);
    for arg in own
        .get_arguments()
        .filter(|arg| arg.get_id() != "print_config")
    {
        let key = key(arg);
        let default = defaults.get(&key).map(shown).unwrap_or_default();
        let key = if defaults.get(&key).is_some() {
            code(&key)
        } else {
            "-".to_owned()
        };
        settings.row([key, flag(arg), environment(arg), default, meaning(arg)]);
    }
    let mut run = Table::new(["KEY", "FLAG", "ENVIRONMENT", "DEFAULT", "MEANING"]);
    let options = keys(&Options::default());
    for arg in all.get_arguments().filter(|arg| !is_own(arg)) {
        let name = key(arg);
        let given: Vec<String> = arg
            .get_default_values()
            .iter()
            .map(|it| code(&it.to_string_lossy()))
            .collect();
        let is_switch = !arg.get_action().takes_values();
        let default = match options.get(&name) {
            Some(Value::Null) => told_default(arg),
            Some(default) => shown(default),
            None if is_switch => String::new(),
            None => given.join(", "),
        };
        let name = if options.contains_key(&name) {
            code(&format!("run.{name}"))
        } else {
            "-".to_owned()
        };
        run.row([name, flag(arg), environment(arg), default, meaning(arg)]);
    }
    format!(
        "{HEAD}{}```\n\n{COMMANDS}{}{RUN}{}{OUTPUT}",
        super::print(&Settings::default(), Some(&Options::default())),
        settings.markdown(),
        run.markdown()
    )
}

/// The key in the settings file, by the name of the flag's field.
fn key(arg: &Arg) -> String {
    let id = match arg.get_id().as_str() {
        "enable" => "enable_protocols",
        "disable" => "disable_protocols",
        id => id,
    };
    let mut words = id.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut key, word| {
        let (initial, rest) = word.split_at(1);
        key.push_str(&initial.to_uppercase());
        key.push_str(rest);
        key
    })
}

/// The default that the help tells, where it depends on something.
fn told_default(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let told = help.split_once(" [default: ");
    told.map_or_else(String::new, |(_, told)| {
        told.trim_end_matches(']').to_owned()
    })
}

fn shown(default: &Value) -> String {
    match default {
        Value::String(text) => code(text),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(members) if members.is_empty() => "none".to_owned(),
        other => code(&other.to_string()),
    }
}

fn flag(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    let is_switch = !arg.get_action().takes_values();
    match arg.get_value_names() {
        Some([value, ..]) if !is_switch => code(&format!("--{long} {value}")),
        _ => code(&format!("--{long}")),
    }
}

fn environment(arg: &Arg) -> String {
    arg.get_env()
        .map_or_else(|| "-".to_owned(), |name| code(&name.to_string_lossy()))
}

/// The help, and the words that may be given with what each means.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help
        .split(" [default")
        .next()
        .unwrap_or_default()
        .to_owned();
    let is_switch = !arg.get_action().takes_values();
    let words = arg.get_possible_values().into_iter().filter(|_| !is_switch);
    let explained = words.filter_map(|word| {
        let help = word.get_help()?.to_string();
        Some((word.get_name().to_owned(), help))
    });
    let explained: BTreeMap<String, String> = explained.collect();
    explained.into_iter().fold(help, |text, (word, help)| {
        format!("{text}. {}: {help}", code(&word))
    })
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

#[test]
fn the_page_of_the_settings_is_what_the_command_line_says() {
    docs::check("docs/settings.md", &page());
}

#[test]
fn every_setting_has_a_flag() {
    let own = super::Args::augment_args(Command::new("settings"));
    let flags: Vec<String> = own.get_arguments().map(key).collect();
    let Ok(Value::Object(settings)) = serde_json::to_value(Settings::default()) else {
        panic!("settings are a mapping")
    };
    for key in settings.keys() {
        assert!(flags.contains(key), "{key}");
    }
}
