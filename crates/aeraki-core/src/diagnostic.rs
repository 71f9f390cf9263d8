//! Diagnostics: what was skipped, refused or is odd, where it stands, and what to do about it.
//!
//! `generate`, `analyze`, the log, Events and metrics all show the same ones. A [`Code`] is stable and documented; a
//! [`Diagnostic`] is one occurrence on one object. Positions in a file are the file source's business: it joins its
//! spans with [`Diagnostic::field`].

pub mod catalogue;

use std::fmt;

use serde::Serialize;

use crate::object::ObjectKey;

/// How much a diagnostic matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub enum Severity {
    /// Good to know; nothing to do.
    Info,
    /// Something is not as its author is likely to want it.
    Warning,
    /// Something was refused.
    Error,
}

impl Severity {
    /// `Info`, `Warning` or `Error`, the words `istioctl analyze` uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "Info",
            Self::Warning => "Warning",
            Self::Error => "Error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A kind of diagnostic. Its id never changes its meaning.
#[derive(PartialEq, Eq, Debug)]
pub struct Code {
    /// `AER` and four digits.
    pub id: &'static str,
    /// The severity it usually has.
    pub severity: Severity,
    /// The meaning in half a line.
    pub title: &'static str,
    /// Why it is reported and what follows from it.
    pub explanation: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// One occurrence of a [`Code`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Diagnostic {
    /// The object it is about.
    pub object: ObjectKey,
    /// The field inside the object, such as `spec.http[0].match[1].uri`; empty for the object as a whole.
    pub field: String,
    /// The code's id.
    pub code: &'static str,
    /// The severity of this occurrence.
    pub severity: Severity,
    /// One sentence, lower-case, without a full stop.
    pub message: String,
    /// What to do here, if there is more to say than the code's remedy.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An occurrence of `code` on `object`, with the code's usual severity.
    #[must_use]
    pub fn new(code: &'static Code, object: &ObjectKey, message: impl Into<String>) -> Self {
        Self {
            object: object.clone(),
            field: String::new(),
            code: code.id,
            severity: code.severity,
            message: message.into(),
            help: None,
        }
    }

    /// Points at a field, by its path from the object's root.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Changes the severity of this occurrence.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}] ({}", self.severity, self.code, self.object)?;
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ") {}", self.message)
    }
}
