//! What the log says of a connection: one line for each change, none for each try.

use std::time::Duration;

use tracing::{debug, info, warn};

use crate::settings::Settings;
use crate::termination::{Reason, Termination};

/// Remembers what has been said.
#[derive(Debug)]
pub(crate) struct Journal {
    said: Said,
}

/// The state that the log shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Nothing,
    /// All of the config is there, but for moments between two streams.
    Synced,
    /// Something is wrong.
    Failing(Reason),
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            said: Said::Nothing,
        }
    }

    pub(crate) fn dialing(&self, settings: &Settings) {
        if self.said == Said::Nothing {
            info!(address = %settings.address, "Connecting to istiod");
        } else {
            debug!(address = %settings.address, "Connecting to istiod");
        }
    }

    /// All of the config has come.
    pub(crate) fn synced(&mut self) {
        if self.said == Said::Synced {
            debug!("All of istiod's config is here again");
        } else {
            info!("All of istiod's config is here");
        }
        self.said = Said::Synced;
    }

    pub(crate) fn ended(&mut self, end: &Termination, settings: &Settings, wait: Duration) {
        let reason = end.reason.label();
        if end.reason.is_normal() || self.said == Said::Failing(end.reason) {
            debug!(reason, detail = %end.detail, ?wait, "The stream to istiod ended");
            return;
        }
        self.said = Said::Failing(end.reason);
        let message = end.explain(&settings.security);
        warn!(reason, address = %settings.address, "No config from istiod: {message}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    use super::*;
    use crate::node::Identity;
    use crate::settings::{Security, Timing};

    /// Keeps what an operator sees by default.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<(Level, String)>>>);

    impl Subscriber for Log {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() <= Level::INFO
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut message = Message(String::new());
            event.record(&mut message);
            let line = (*event.metadata().level(), message.0);
            self.0.lock().unwrap().push(line);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }

    fn settings() -> Settings {
        Settings {
            address: "istiod:15010".to_owned(),
            security: Security::Plaintext,
            identity: Identity {
                ip: [127, 0, 0, 1].into(),
                pod: "a".to_owned(),
                namespace: "b".to_owned(),
            },
            cluster_id: None,
            message_limit: 1,
            timing: Timing::default(),
        }
    }

    #[test]
    fn each_change_of_state_is_one_line_however_often_it_is_tried() {
        let log = Log::default();
        let settings = settings();
        tracing::subscriber::with_default(log.clone(), || {
            let mut journal = Journal::new();
            let ends = |journal: &mut Journal, reason| {
                for _ in 0..100 {
                    journal.dialing(&settings);
                    journal.ended(&Termination::new(reason, "x"), &settings, Duration::ZERO);
                }
            };
            ends(&mut journal, Reason::Refused);
            ends(&mut journal, Reason::Unauthenticated);
            journal.synced();
            for _ in 0..100 {
                ends(&mut journal, Reason::Closed);
                journal.synced();
            }
            ends(&mut journal, Reason::Refused);
            journal.synced();
        });
        let lines = log.0.lock().unwrap();
        let levels: Vec<_> = lines.iter().map(|(level, _)| level.as_str()).collect();
        // Connecting, refused, unauthenticated, all here, refused, all here.
        assert_eq!(
            levels,
            ["INFO", "WARN", "WARN", "INFO", "WARN", "INFO"],
            "{lines:?}"
        );
        assert!(lines[2].1.contains("--istiod-token"), "{lines:?}");
    }
}
