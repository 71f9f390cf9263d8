//! `cargo xtask testbed`: beds by name, for demos and for trying things out.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use aeraki_testbed::{Named, Options};
use aeraki_testcache::Servers;
use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask testbed",
    about = "Real etcd, kube-apiserver and istiod on this machine, without containers"
)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start a bed in the background; say how to use it
    Up {
        #[command(flatten)]
        bed: Bed,
        #[command(flatten)]
        kind: Kind,
    },
    /// End a bed and remove everything of it
    Down {
        #[command(flatten)]
        bed: Bed,
    },
    /// List the beds that run
    Status,
    /// Print the flags by which `aeraki run` finds a bed
    Flags {
        #[command(flatten)]
        bed: Bed,
    },
    /// Run kubectl as the admin of a bed
    Kubectl {
        #[command(flatten)]
        bed: Bed,
        /// What kubectl is to do
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// What `up` runs in the background
    #[command(hide = true)]
    Keep {
        #[command(flatten)]
        bed: Bed,
        #[command(flatten)]
        kind: Kind,
    },
}

#[derive(Args)]
struct Bed {
    /// Which of several beds
    #[arg(long, default_value = "default")]
    name: String,
}

#[derive(Args)]
struct Kind {
    /// The API server alone
    #[arg(long)]
    without_istiod: bool,
    /// A mesh in which a stock Envoy can be a sidecar (no mTLS)
    #[arg(long)]
    with_sidecars: bool,
    /// An environment variable of istiod
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    istiod_env: Vec<(String, String)>,
    /// A field of Istio's mesh config, its value as JSON
    #[arg(long, value_name = "FIELD=JSON", value_parser = pair)]
    mesh: Vec<(String, String)>,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Action) -> Result<()> {
    match command {
        Action::Up { bed, kind } => {
            kind.options()?;
            up(&Named::new(&bed.name)?)
        }
        Action::Down { bed } => {
            let ran = Named::new(&bed.name)?.down()?;
            let what = if ran { "is gone" } else { "was not running" };
            println!("the bed {} {what}", bed.name);
            Ok(())
        }
        Action::Status => status(),
        Action::Flags { bed } => {
            let bed = Named::new(&bed.name)?;
            let card = bed.card()?.with_context(|| is_down(&bed))?;
            println!("{}", flags(&card));
            Ok(())
        }
        Action::Kubectl { bed, arguments } => kubectl(&Named::new(&bed.name)?, &arguments),
        Action::Keep { bed, kind } => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(Named::new(&bed.name)?.keep(kind.options()?))
        }
    }
}

fn up(bed: &Named) -> Result<()> {
    // Here and not in the background: whoever waits for minutes wants to see why.
    Servers::built()?;
    let mut keeper = Command::new(env::current_exe()?);
    keeper.arg("keep").args(env::args_os().skip(2));
    let card = bed.up(&mut keeper)?;
    println!("the bed {} is up", bed.name());
    print(&card);
    let name = match bed.name() {
        "default" => String::new(),
        name => format!(" --name {name}"),
    };
    println!("\nTry Aeraki in it:\n");
    println!("  cargo run -- run $(cargo xtask testbed flags{name})");
    println!("  cargo xtask testbed kubectl{name} create namespace shop");
    println!("  cargo xtask testbed kubectl{name} apply -f examples/dubbo");
    println!("  cargo xtask testbed kubectl{name} get envoyfilters --all-namespaces");
    println!("\nand end it by `cargo xtask testbed down{name}`.");
    Ok(())
}

fn flags(card: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let istiod = &card["istiod"];
    let source = if istiod.is_null() {
        "--config-source kube".to_owned()
    } else {
        format!(
            "--istiod-address {} --istiod-token {} --istiod-root-cert {}",
            text(&istiod["tls"]),
            text(&istiod["token"]),
            text(&istiod["root"])
        )
    };
    // On a laptop nobody else is to see it.
    format!(
        "--kubeconfig {} {source} --metrics-address 127.0.0.1:8080",
        text(&card["kubeconfig"])
    )
}

fn is_down(bed: &Named) -> String {
    format!(
        "no bed {} is running: `cargo xtask testbed up` starts one",
        bed.name()
    )
}

fn status() -> Result<()> {
    let running = Named::running()?;
    if running.is_empty() {
        println!("no bed is running");
    }
    for bed in running {
        match bed.card()? {
            Some(card) => {
                println!("{}", bed.name());
                print(&card);
            }
            None => println!("{} is starting or ending", bed.name()),
        }
    }
    Ok(())
}

/// One line per address or file.
fn print(card: &Value) {
    for (key, value) in card.as_object().into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields {
                    line(&format!("{key} {field}"), value);
                }
            }
            _ => line(key, value),
        }
    }
}

fn line(key: &str, value: &Value) {
    let shown = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    println!("  {key:<14} {shown}");
}

/// Becomes kubectl.
fn kubectl(bed: &Named, arguments: &[String]) -> Result<()> {
    ensure!(bed.is_running()?, is_down(bed));
    let error = Command::new(Servers::built()?.kubectl())
        .arg("--kubeconfig")
        .arg(bed.kubeconfig())
        .args(arguments)
        .exec();
    Err(error).context("cannot start kubectl")
}

impl Kind {
    fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        if self.without_istiod {
            options = options.without_istiod();
        }
        if self.with_sidecars {
            options = options.with_sidecars();
        }
        for (name, value) in &self.istiod_env {
            options = options.istiod_env(name, value);
        }
        for (field, value) in &self.mesh {
            let value: Value = serde_json::from_str(value)
                .with_context(|| format!("--mesh {field}: {value:?} is no JSON"))?;
            options = options.mesh(field, value);
        }
        Ok(options)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=`")?;
    Ok((name.to_owned(), value.to_owned()))
}
