//! An application that is told what to do: one line of JSON in, one line of JSON out.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Applications have timeouts of their own; this is for one that hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running application. It ends when dropped.
#[derive(Debug)]
pub struct Client {
    name: String,
    conversation: Mutex<Conversation>,
}

#[derive(Debug)]
struct Conversation {
    _child: Child,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Client {
    /// Starts it; what it says on standard error goes to a file.
    pub(crate) fn start(name: &str, command: std::process::Command, log: &Path) -> Result<Self> {
        let mut child = Command::from(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let requests = child.stdin.take().context("it was asked for")?;
        let answers = child.stdout.take().context("it was asked for")?;
        Ok(Self {
            name: name.to_owned(),
            conversation: Mutex::new(Conversation {
                _child: child,
                requests,
                answers: BufReader::new(answers).lines(),
            }),
        })
    }

    /// Asks, and waits for the answer. Whoever asks at the same time waits too.
    ///
    /// # Errors
    ///
    /// If the application has ended or hangs, or says `{"failure": …}`: that is a mistake of ours. What a server answers
    /// is never an error here.
    pub async fn ask(&self, request: &Value) -> Result<Value> {
        let mut conversation = self.conversation.lock().await;
        let asked = timeout(PATIENCE, conversation.exchange(request)).await;
        let answer = asked
            .with_context(|| format!("{} does not answer {request}", self.name))?
            .with_context(|| format!("{} is asked {request}", self.name))?;
        if let Some(failure) = answer.get("failure") {
            bail!("{} cannot do {request}: {failure}", self.name);
        }
        Ok(answer)
    }
}

impl Conversation {
    async fn exchange(&mut self, request: &Value) -> Result<Value> {
        let line = format!("{request}\n");
        self.requests.write_all(line.as_bytes()).await?;
        self.requests.flush().await?;
        let answer = loop {
            let line = self.answers.next_line().await?;
            let line = line.context("it has ended: its log says why")?;
            // Some libraries print something of their own.
            if line.starts_with('{') {
                break line;
            }
        };
        serde_json::from_str(&answer).with_context(|| format!("it says {answer}"))
    }
}
