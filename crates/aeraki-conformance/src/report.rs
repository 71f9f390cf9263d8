//! What people see of a run.

use std::time::Duration;

use anyhow::Result;

/// How a case ended.
pub(crate) struct Outcome {
    pub(crate) case: &'static str,
    pub(crate) result: Result<()>,
    pub(crate) took: Duration,
}

impl Outcome {
    /// Says so as soon as it is known.
    pub(crate) fn announce(&self) {
        let seconds = self.took.as_secs_f64();
        match &self.result {
            Ok(()) => println!("  passed  {:<44} {seconds:>6.1} s", self.case),
            Err(error) => println!("  FAILED  {:<44} {seconds:>6.1} s  {error:#}", self.case),
        }
    }
}

/// The table and the last line; whether all passed.
pub(crate) fn print(outcomes: &[Outcome]) -> bool {
    println!();
    for outcome in outcomes {
        let word = match &outcome.result {
            Ok(()) => "passed".to_owned(),
            Err(error) => format!("FAILED: {error:#}"),
        };
        let seconds = outcome.took.as_secs_f64();
        println!("{:<44} {seconds:>6.1} s  {word}", outcome.case);
    }
    let failed = outcomes.iter().filter(|outcome| outcome.result.is_err());
    let failed = failed.count();
    println!("\n{} passed, {failed} failed", outcomes.len() - failed);
    failed == 0
}
