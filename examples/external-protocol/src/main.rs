//! Aeraki with its own protocols and MQTT.

use external_protocol as _;

fn main() -> std::process::ExitCode {
    aeraki_bin::main()
}
