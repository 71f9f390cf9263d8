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
