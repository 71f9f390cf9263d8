//! Real traffic, where this machine can have a mesh.

use anyhow::{Result, ensure};

use super::Skip;
use crate::applications;
use crate::conformance;
use crate::process::{command, succeeds};

/// What the suite does first: a network of its own, with redirected ports.
const PROBE: &str = "ip link set lo up && ip link add probe type bridge && \
    iptables -t nat -A OUTPUT -p tcp --dport 1 -j REDIRECT --to-ports 2";

/// Every case passes. One that fails beside others is played once more by itself: this is no measurement of the machine.
pub(super) fn conformance() -> Result<()> {
    let applications = applications::set_up()
        .map_err(|error| Skip(format!("the applications cannot be set up here: {error:#}")))?;
    let mut probe = command("unshare");
    probe.args(["--net", "--mount", "--pid", "--fork", "--mount-proc"]);
    if !succeeds(probe.args(["sh", "-c", PROBE])) {
        let reason = "no network namespaces with iptables here (they need root)";
        return Err(Skip(reason.to_owned()).into());
    }
    let passed = conformance::play(&["--again".to_owned()], applications)?;
    ensure!(passed, "see above, and target/conformance");
    Ok(())
}
