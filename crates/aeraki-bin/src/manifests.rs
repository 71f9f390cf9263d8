//! `aeraki manifests`: what a cluster needs to run this binary, for `kubectl apply -f -`.
//!
//! The objects are those of `deploy/base`, read as data and changed as data; nothing is pasted into text.

mod crds;
mod installation;

use std::ffi::OsStr;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::{BoolishValueParser, TypedValueParser as _};
use serde_json::Value;

use self::installation::Installation;
use crate::console::Console;
use crate::{linked, settings};

const NEXT: &str = "Examples:
  aeraki manifests --crds | kubectl apply -f -           RedisService and RedisDestination
  aeraki manifests --image=registry.example/aeraki:0.1.0 | kubectl apply -f -
  aeraki manifests -- --enable-protocol=kafka            with arguments for `aeraki run`
  aeraki manifests -- --istiod-plaintext                 for an old istiod: no TLS, port 15010
  aeraki manifests | kubectl delete -f -                 the controller goes, the EnvoyFilters stay";

/// What to print, and how it differs from the defaults.
#[derive(clap::Args, Debug)]
#[command(after_help = NEXT)]
pub(crate) struct Args {
    /// Print the CRDs of this binary's protocols, and nothing else
    #[arg(long, exclusive = true)]
    crds: bool,
    /// Install into this namespace. istiod serves config only to Istio's root namespace
    #[arg(short, long, value_name = "NAMESPACE", default_value = "istio-system", value_parser = label)]
    namespace: String,
    /// Istio's root namespace, where it is not the one to install into (see --config-source)
    #[arg(long, value_name = "NAMESPACE", value_parser = label)]
    root_namespace: Option<String>,
    /// The image [default: aeraki:<version>]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// How many pods: one writes, the others stand by [default: 2]
    #[arg(long, value_name = "NUMBER")]
    replicas: Option<u16>,
    /// Where istiod is [default: istiod.<root namespace>.svc:15012, with `-- --istiod-plaintext` port 15010]
    #[arg(long, value_name = "HOST:PORT")]
    istiod_address: Option<String>,
    /// Where config comes from: istiod, or the API server
    #[arg(long, value_enum, value_name = "SOURCE", default_value_t = Source::Xds)]
    config_source: Source,
    /// Also let the controller see the lock of a running Go Aeraki, for the migration
    #[arg(long)]
    migrate_from_go: bool,
    /// Also let the controller read the Secrets of these namespaces, for credentials by `secret` of Redis
    #[arg(long, value_name = "NAMESPACE,…", value_delimiter = ',', value_parser = label)]
    secret_namespaces: Vec<String>,
    /// More arguments for `aeraki run`
    #[arg(last = true, value_name = "RUN_ARGUMENT")]
    run_arguments: Vec<String>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Source {
    Xds,
    Kube,
}

pub(crate) fn run(args: &Args, console: Console) -> Result<ExitCode> {
    let objects = if args.crds {
        crds::of(&linked::registry()?)
    } else {
        args.installation().objects()
    };
    if objects.is_empty() {
        console.say("no protocol of this binary has a CRD");
    }
    console.print(&documents(&objects))?;
    Ok(ExitCode::SUCCESS)
}

impl Args {
    fn installation(&self) -> Installation<'_> {
        let root_namespace = self.root_namespace.as_deref().unwrap_or(&self.namespace);
        let istiod_address = match &self.istiod_address {
            Some(address) => address.clone(),
            None => {
                let port = if self.is_plaintext() { 15010 } else { 15012 };
                format!("istiod.{root_namespace}.svc:{port}")
            }
        };
        Installation {
            namespace: &self.namespace,
            root_namespace,
            image: self.image.as_deref(),
            replicas: self.replicas,
            istiod_address,
            config_source: match self.config_source {
                Source::Xds => "xds",
                Source::Kube => "kube",
            },
            migrate_from_go: self.migrate_from_go,
            secret_namespaces: &self.secret_namespaces,
            run_arguments: &self.run_arguments,
        }
    }

    /// Whether `aeraki run` is told to talk to istiod without TLS.
    fn is_plaintext(&self) -> bool {
        let says_so = |argument: &String| {
            let rest = argument.strip_prefix("--istiod-plaintext")?;
            Some(rest.is_empty() || rest.strip_prefix('=').is_some_and(is_true))
        };
        self.run_arguments.iter().filter_map(says_so).any(|is| is)
    }
}

/// A truth value as `aeraki run` reads it.
fn is_true(text: &str) -> bool {
    let command = clap::Command::new("run");
    let value = BoolishValueParser::new().parse_ref(&command, None, OsStr::new(text));
    value.unwrap_or(false)
}

/// One YAML document for each object.
fn documents(objects: &[Value]) -> String {
    objects
        .iter()
        .map(|object| format!("---\n{}", aeraki_file::to_yaml_value(object)))
        .collect()
}

fn label(text: &str) -> Result<String, String> {
    if settings::is_label(text) {
        Ok(text.to_owned())
    } else {
        Err("no namespace can be called that".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use rstest::rstest;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[rstest]
    #[case::tls(&[], "istiod.istio-system.svc:15012")]
    #[case::plaintext(&["--", "--istiod-plaintext"], "istiod.istio-system.svc:15010")]
    #[case::plaintext_in_words(&["--", "--istiod-plaintext=yes"], "istiod.istio-system.svc:15010")]
    #[case::not_plaintext(&["--", "--istiod-plaintext=false"], "istiod.istio-system.svc:15012")]
    #[case::other_root(&["--root-namespace=mesh", "--", "--istiod-plaintext"], "istiod.mesh.svc:15010")]
    #[case::given(&["--istiod-address=pilot:1", "--", "--istiod-plaintext"], "pilot:1")]
    fn plaintext_decides_the_port_where_no_address_is_given(
        #[case] line: &[&str],
        #[case] address: &str,
    ) {
        let line = std::iter::once("manifests").chain(line.iter().copied());
        let args = Line::try_parse_from(line).unwrap().args;
        assert_eq!(args.installation().istiod_address, address);
    }
}
