//! The only place that writes to standard output and standard error.
//!
//! What a program reads goes to standard output, alone; what is said to a person goes to standard error. A reader that
//! has gone (`| head`) ends the process in silence. Control characters from somebody's file never reach the terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anyhow::Error;

/// When to colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where the process's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    color: Color,
}

impl Console {
    /// A console that colours as `color` says.
    pub(crate) fn new(color: Color) -> Self {
        Self { color }
    }

    /// Writes to standard output: the command's result.
    pub(crate) fn print(self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes a line to standard error. That nobody reads it changes nothing.
    pub(crate) fn say(self, line: impl Display) {
        writeln!(
            io::stderr().lock(),
            "{}",
            without_controls(&line.to_string())
        )
        .ok();
    }

    /// Whether standard output gets colours.
    pub(crate) fn colors_stdout(self) -> bool {
        self.colors(io::stdout().is_terminal())
    }

    /// Whether standard error gets colours.
    pub(crate) fn colors_stderr(self) -> bool {
        self.colors(io::stderr().is_terminal())
    }

    fn colors(self, terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !set("NO_COLOR") && !dumb,
        }
    }
}

/// Whether the error is that the reader of our output has gone.
pub(crate) fn is_broken_pipe(error: &Error) -> bool {
    let io = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    io.into_iter()
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The text with control characters written as escapes; line ends and tabs stay.
pub(crate) fn without_controls(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => clean.push(c),
            _ if is_unsafe(c) => clean.extend(c.escape_default()),
            _ => clean.push(c),
        }
    }
    clean
}

/// The text with each byte of a control character replaced by `?`, so that every position stays what it was.
pub(crate) fn masked(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' | '\r' => clean.push(c),
            _ if is_unsafe(c) => clean.extend(std::iter::repeat_n('?', c.len_utf8())),
            _ => clean.push(c),
        }
    }
    clean
}

/// Control characters, and those that turn the direction of writing around.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_from_a_file_are_shown_and_not_obeyed() {
        assert_eq!(without_controls("a\u{1b}[31mb\nc"), "a\\u{1b}[31mb\nc");
        assert_eq!(without_controls("\u{202e}x"), "\\u{202e}x");
    }

    #[test]
    fn masking_keeps_every_position() {
        for text in ["a\u{1b}[31mb", "\u{9b}é\u{202e}", "x\r\n\ty"] {
            let clean = masked(text);
            assert_eq!(clean.len(), text.len());
            assert!(!clean.contains('\u{1b}'));
        }
    }
}
