//! What the system says of a process.

use std::fs;

use anyhow::{Context as _, Result};

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Processor time, in seconds. It is counted in hundredths.
    pub cpu_seconds: f64,
    /// The most memory that was ever resident, in MiB.
    pub peak_mib: f64,
    /// What is resident now, in MiB.
    pub resident_mib: f64,
}

impl Usage {
    /// What the process of this id has used.
    ///
    /// # Errors
    ///
    /// If there is no such process, or the system is not Linux.
    pub fn of(process: u32) -> Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{process}/{file}");
            fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let status = read("status")?;
        Ok(Self {
            cpu_seconds: cpu_seconds(&read("stat")?)?,
            peak_mib: mebibytes(&status, "VmHWM")?,
            resident_mib: mebibytes(&status, "VmRSS")?,
        })
    }
}

fn cpu_seconds(stat: &str) -> Result<f64> {
    // The second field is a name, which may have spaces and brackets in it.
    let (_, fields) = stat.rsplit_once(')').context("a line of stat")?;
    let user_and_system = fields.split_whitespace().skip(11).take(2);
    let ticks = user_and_system.map(str::parse::<f64>);
    // USER_HZ is 100 on every Linux.
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

fn mebibytes(status: &str, name: &str) -> Result<f64> {
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    let kib = kib.with_context(|| format!("no {name}"))?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_is_no_field() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4 5 6 7 8 250 50 0 0 20 0 1 0";
        assert_eq!(cpu_seconds(stat).unwrap(), 3.0);
    }

    #[test]
    fn one_knows_of_oneself() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.resident_mib > 0.0 && usage.resident_mib <= usage.peak_mib);
    }
}
