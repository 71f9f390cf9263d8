//! etcd, kube-apiserver, istiod and kubectl, built from the Go module in `testbed/` at the repository's root.
//!
//! The directory's name carries a hash of everything that decides the result, so a change of a
//! version is another directory and two checkouts with different versions live side by side.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use xxhash_rust::xxh3::xxh3_64;

/// What `go build` is told, and so part of the hash.
const BUILD: [&str; 3] = ["build", "-trimpath", "-tags=vtprotobuf,disable_pgv"];
/// The variables by which kube-apiserver and kubectl know their version: `helm` and `kubectl version` ask for it.
const VERSION: &str = "k8s.io/component-base/version.git";
/// C compilers differ between machines, so there is none; the module is no checkout of its own.
const ENVIRONMENT: [(&str, &str); 2] = [("CGO_ENABLED", "0"), ("GOFLAGS", "-buildvcs=false")];

const ISTIO: &str = "istio.io/istio";
const KUBERNETES: &str = "k8s.io/kubernetes";
const CRDS: &str = "manifests/charts/base/files/crd-all.gen.yaml";

/// A package, what `go build` calls its binary, and what we call it.
const PROGRAMS: [(&str, &str, &str); 4] = [
    ("go.etcd.io/etcd/server/v3", "server", "etcd"),
    (
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-apiserver",
        "kube-apiserver",
    ),
    (
        "istio.io/istio/pilot/cmd/pilot-discovery",
        "pilot-discovery",
        "istiod",
    ),
    ("k8s.io/kubernetes/cmd/kubectl", "kubectl", "kubectl"),
];

/// The servers on disk.
#[derive(Clone, Debug)]
pub struct Servers {
    directory: PathBuf,
}

impl Servers {
    /// The servers of this checkout's versions, built first where the cache lacks them. That takes
    /// minutes, once; callers that come meanwhile wait for the first.
    pub fn built() -> Result<Self> {
        let module = module();
        let servers = Self {
            directory: super::root()?.join(format!("servers-{}", fingerprint(&module)?)),
        };
        if servers.directory.is_dir() {
            return Ok(servers);
        }
        let lock = Lock::wait(&servers.directory.with_extension("lock"))?;
        if !servers.directory.is_dir() {
            build(&module, &servers.directory)?;
        }
        drop(lock);
        Ok(servers)
    }

    /// The directory that holds them.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The binary of etcd.
    pub fn etcd(&self) -> PathBuf {
        self.directory.join("etcd")
    }

    /// The binary of kube-apiserver.
    pub fn apiserver(&self) -> PathBuf {
        self.directory.join("kube-apiserver")
    }

    /// The binary of istiod.
    pub fn istiod(&self) -> PathBuf {
        self.directory.join("istiod")
    }

    /// The binary of kubectl, of the API server's version.
    pub fn kubectl(&self) -> PathBuf {
        self.directory.join("kubectl")
    }

    /// Istio's CustomResourceDefinitions, one YAML file.
    pub fn istio_crds(&self) -> PathBuf {
        self.directory.join("istio-crds.yaml")
    }
}

/// An exclusive lock on a file, gone when dropped or when the process ends.
struct Lock(#[expect(dead_code, reason = "held, never read")] File);

impl Lock {
    fn wait(path: &Path) -> Result<Self> {
        fs::create_dir_all(path.parent().context("a lock lies in a directory")?)?;
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Self(file))
    }
}

fn module() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed")
}

fn fingerprint(module: &Path) -> Result<String> {
    let mut decides = Vec::new();
    for name in ["go.mod", "go.sum"] {
        let path = module.join(name);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        decides.extend(bytes);
    }
    decides.extend(format!("{BUILD:?}{VERSION}{ENVIRONMENT:?}{PROGRAMS:?}").bytes());
    Ok(format!("{:016x}", xxh3_64(&decides)))
}

fn build(module: &Path, target: &Path) -> Result<()> {
    require_go()?;
    eprintln!("  building etcd, kube-apiserver, istiod and kubectl: minutes, once");
    let partial = target.with_extension("partial");
    // Whoever left it is gone: the lock is ours.
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    let status = go(module)
        .args(BUILD)
        .arg("-ldflags")
        .arg(link_flags(&of_module(module, KUBERNETES, "{{.Version}}")?)?)
        .arg("-o")
        .arg(format!("{}/", partial.display()))
        .args(PROGRAMS.map(|(package, ..)| package))
        .status()?;
    ensure!(
        status.success(),
        "`go build` of the test bed's servers: {status}"
    );
    for (_, built, ours) in PROGRAMS {
        fs::rename(partial.join(built), partial.join(ours))?;
    }
    copy_crds(module, &partial.join("istio-crds.yaml"))?;
    fs::rename(&partial, target).with_context(|| format!("cannot make {}", target.display()))
}

/// Files of the module cache are read-only; a copy by content is not.
fn copy_crds(module: &Path, target: &Path) -> Result<()> {
    let source = Path::new(&of_module(module, ISTIO, "{{.Dir}}")?).join(CRDS);
    let text = fs::read(&source).with_context(|| format!("cannot read {}", source.display()))?;
    Ok(fs::write(target, text)?)
}

/// What makes the programs small, and lets them know their version.
fn link_flags(version: &str) -> Result<String> {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
        bail!("{version} is no version of Kubernetes");
    };
    let of = |name: &str, value: &str| format!("-X {VERSION}{name}={value}");
    let known = [
        of("Version", version),
        of("Major", major),
        of("Minor", minor),
    ];
    Ok(format!("-s -w {}", known.join(" ")))
}

/// What `go list` says of a module that this one builds on.
fn of_module(module: &Path, name: &str, what: &str) -> Result<String> {
    let output = go(module)
        .args(["list", "-m", "-f", what, name])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "`go list -m {name}`: {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(module).envs(ENVIRONMENT);
    command
}

fn require_go() -> Result<()> {
    let asked = Command::new("go").arg("version").output();
    if asked.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    bail!(
        "the test bed builds its servers with Go: install Go 1.26 or newer \
         (the Debian package golang-go, where it is 1.21 or newer, fetches that by itself)"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module_of(sum: &str) -> tempfile::TempDir {
        let module = tempfile::tempdir().unwrap();
        fs::write(module.path().join("go.mod"), "module x\n").unwrap();
        fs::write(module.path().join("go.sum"), sum).unwrap();
        module
    }

    #[test]
    fn other_versions_are_another_directory() {
        let [a, b, again] = ["a", "b", "a"].map(module_of);
        let print = |module: &tempfile::TempDir| fingerprint(module.path()).unwrap();
        assert_ne!(print(&a), print(&b));
        assert_eq!(print(&a), print(&again));
    }

    #[test]
    fn servers_know_their_version() {
        let flags = link_flags("v1.36.3").unwrap();
        assert!(flags.ends_with("gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"), "{flags}");
        assert!(link_flags("latest").is_err());
    }

    #[test]
    fn module_of_this_repository_names_each_program_as_a_tool() {
        let text = fs::read_to_string(module().join("go.mod")).unwrap();
        for (package, ..) in PROGRAMS {
            assert!(text.contains(&format!("\t{package}\n")), "{package}");
        }
    }
}
