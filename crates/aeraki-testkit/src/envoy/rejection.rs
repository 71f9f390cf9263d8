//! Envoy's complaint, freed from time stamps and paths.
//!
//! Envoy does not promise the form of its messages, so reading them is kept to this file: at worst
//! the whole log is the message and no resource is named.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Stands before the message proper in Envoy's log, followed by the quoted path of the bootstrap.
const MARK: &str = "error initializing configuration '";

/// How Envoy says that a field breaks its own rules.
const CONSTRAINT: &str = "Proto constraint validation failed";

/// Protobuf's reminder that its debug output is not to be parsed.
const DEBUG_MARKER: &str = "goo.gle/debug";

/// That Envoy refuses a bootstrap, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What Envoy says, without time stamp, source position and file name.
    pub message: String,
    /// The listener or cluster at fault, where Envoy names it.
    pub resource: Option<Resource>,
    /// The signal that ended Envoy, where it crashed instead of refusing.
    pub signal: Option<i32>,
}

/// A resource that Envoy names in its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A listener, by name.
    Listener(String),
    /// A cluster, by name.
    Cluster(String),
}

impl Rejection {
    pub(super) fn read(status: ExitStatus, log: &str) -> Self {
        let signal = status.signal().or_else(|| crash_in(log));
        let message = match signal {
            Some(signal) => format!("Envoy crashed (signal {signal}): {}", log.trim()),
            None => message_of(log),
        };
        let resource = resource_in(&message);
        Self {
            message,
            resource,
            signal,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejection {}

/// Envoy's own handler logs the signal before it ends; the exit status need not show it.
fn crash_in(log: &str) -> Option<i32> {
    log.contains("Caught Segmentation fault").then_some(11)
}

fn message_of(log: &str) -> String {
    let message = log
        .split_once(MARK)
        .and_then(|(_, rest)| rest.split_once("': "))
        .map_or(log, |(_path, message)| message);
    // After a parse error Envoy repeats the whole configuration.
    let message = message
        .split_once(": {\"")
        .map_or(message, |(before, _)| before);
    // A broken constraint comes behind the whole message that breaks it.
    let message = message
        .find(CONSTRAINT)
        .map_or(message, |start| &message[start..]);
    // Printed messages of protobuf come in lines, behind a marker that changes from run to run.
    let words = message
        .split_whitespace()
        .filter(|word| !word.starts_with(DEBUG_MARKER));
    words.collect::<Vec<_>>().join(" ")
}

fn resource_in(message: &str) -> Option<Resource> {
    let named = |word: &str| {
        let (_, rest) = message.split_once(word)?;
        Some(rest.split_once('\'')?.0.to_owned())
    };
    named("listener '")
        .map(Resource::Listener)
        .or_else(|| named("cluster '").map(Resource::Cluster))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &str) -> Rejection {
        Rejection::read(ExitStatus::from_raw(256), log)
    }

    #[test]
    fn message_is_free_of_time_place_and_echo() {
        let log = "[2026-01-02 03:04:05.678][9][critical][main] [source/server.cc:7] error \
                   initializing configuration '/tmp/x/bootstrap.json': goo.gle/debugproto  \n\
                   bad thing (INVALID: no such type): {\"static_resources\":{}}\n";
        assert_eq!(read(log).message, "bad thing (INVALID: no such type)");
    }

    #[test]
    fn named_cluster_is_read_from_the_message() {
        let log = format!("[t] {MARK}/b.json': cluster manager: duplicate cluster 'outbound|1||a'");
        assert_eq!(
            read(&log).resource,
            Some(Resource::Cluster("outbound|1||a".to_owned()))
        );
    }

    #[test]
    fn log_of_an_unknown_form_is_the_message() {
        assert_eq!(read("something else\n").message, "something else");
    }

    #[test]
    fn end_by_a_signal_is_a_crash() {
        let rejection = Rejection::read(ExitStatus::from_raw(11), "Caught Segmentation fault");
        assert_eq!(rejection.signal, Some(11));
        assert!(
            rejection.message.starts_with("Envoy crashed"),
            "{rejection}"
        );
    }
}
