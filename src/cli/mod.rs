//! The command line: what may be asked, and the way errors and exit statuses come out.

// `eprintln!` panics where the error stream is closed or full.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod banks;
mod cpu;
mod csv;
mod evaluate;
mod events;
mod explain;
mod jobs;
mod matching;
mod plot;
mod policies;
mod probe;
mod recorded;
mod report;
mod sweep;
mod time;
mod truth;

use afterimage::media::{MediaError, Warning};
use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Recognises re-uploads of banned videos, whatever was done to picture and sound.
///
/// Exit status: 0 no match or none that anything follows from, 1 a match, 2 an error (also of one file among many; the
/// others are still worked on).
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(banks::Add),
    Remove(banks::Remove),
    List(banks::List),
    Info(banks::Info),
    Verify(banks::Verify),
    Checkpoint(banks::CheckpointCommand),
    Log(events::Log),
    Undo(events::Undo),
    Policy(policies::PolicyCommand),
    Suspend(policies::Suspend),
    /// Let a suspended reference act again
    Resume(policies::Suspend),
    Match(matching::Match),
    Compare(matching::Compare),
    DryRun(recorded::DryRun),
    Replay(recorded::Replay),
    Sweep(sweep::Sweep),
    Evaluate(evaluate::Evaluate),
    Explain(explain::Explain),
}

/// How it went, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    NoMatch,
    Match,
    Error,
}

/// An error as the user sees it: one line that names what it is about.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failure(String);

impl Failure {
    fn file(path: &Path, cause: impl Display) -> Self {
        Self(format!("{}: {cause}", path.display()))
    }
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        Self(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(format!("the standard output: {error}"))
    }
}

pub(crate) fn main() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Add(command) => command.run(),
        Command::Remove(command) => command.run(),
        Command::List(command) => command.run(),
        Command::Info(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Checkpoint(command) => command.run(),
        Command::Log(command) => command.run(),
        Command::Undo(command) => command.run(),
        Command::Policy(command) => command.run(),
        Command::Suspend(command) => command.run(true),
        Command::Resume(command) => command.run(false),
        Command::Match(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::DryRun(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Sweep(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Explain(command) => command.run(),
    };
    match status {
        Ok(status) => ExitCode::from(status as u8),
        Err(failure) => {
            complain(&failure);
            ExitCode::from(2)
        }
    }
}

fn complain(failure: &Failure) {
    say(&format!("afterimage: {}", failure.0));
}

fn warn(path: &Path, warnings: &[Warning]) {
    warnings.iter().for_each(|warning| caution(&format!("{}: {warning}", path.display())));
}

fn caution(said: &str) {
    say(&format!("afterimage: warning: {said}"));
}

/// Tells something on the error stream. Where that is closed or full, the work is done all the same.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", one_line(line));
}

/// Text from outside, unable to start a line, to move a terminal's cursor or to turn the order of what is read.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

/// A control character, one that ends a line, or one that says in which direction text is written.
fn is_unsafe(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}
