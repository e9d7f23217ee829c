//! A process that changes a bank is killed at any moment, again and again: nothing it acknowledged is lost, nothing else
//! is there, and the bank always opens.
//!
//! The process is this test started a second time. `AFTERIMAGE_KILLS` sets how often it is killed.

use afterimage::bank::Bank;
use afterimage::fingerprint::{Fingerprint, Spec};
use afterimage::{picture, sound};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const CHILD: &str = "AFTERIMAGE_KILL_CHILD";

/// Name to content.
type Model = BTreeMap<String, u64>;

fn main() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return change_for_ever(Path::new(&dir));
    }
    let kills = std::env::var("AFTERIMAGE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let folder = tempfile::tempdir().expect("a folder for the test");
    let mut model = Model::new();
    let mut changes = 0;
    for round in 0..kills {
        changes += kill_once(folder.path(), &mut model, round);
    }
    assert!(changes > 0, "no change was made before any kill");
    println!("{kills} kills, {changes} changes acknowledged, none lost");
}

/// The change of a number: every third takes out what was added two before.
fn step(number: u64) -> (bool, String) {
    if number % 3 == 2 { (false, format!("film {}", number - 2)) } else { (true, format!("film {number}")) }
}

fn apply(model: &mut Model, number: u64) {
    match step(number) {
        (true, name) => drop(model.insert(name, number)),
        (false, name) => drop(model.remove(&name)),
    }
}

/// Changes the bank until it is killed, and tells each change once it is acknowledged.
fn change_for_ever(dir: &Path) {
    let bank = Bank::open(dir).expect("a bank opens after every kill");
    let mut out = std::io::stdout().lock();
    for number in bank.sequence().. {
        match step(number) {
            (true, name) => {
                bank.add(&name, "", fingerprint(number)).expect("a new name");
            }
            (false, name) => bank.remove(&name).expect("a known name"),
        }
        if number % 5 == 0 {
            bank.checkpoint().expect("a checkpoint can be written");
        }
        if writeln!(out, "{number}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn fingerprint(content: u64) -> Fingerprint {
    Fingerprint {
        spec: Spec::CURRENT,
        duration: content as f64,
        still: false,
        picture: picture::Print::default(),
        sound: sound::Print::default(),
    }
}

/// Lets a process change the bank for a while, kills it, and compares. Gives the number of changes it acknowledged.
fn kill_once(dir: &Path, model: &mut Model, round: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this test has a path"))
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test can be started");
    let output = child.stdout.take().expect("the output was asked for");
    let reader = std::thread::spawn(move || {
        BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .filter_map(|l| l.parse::<u64>().ok())
            .collect::<Vec<_>>()
    });
    // Moments that hit its start, its first changes and its later ones.
    std::thread::sleep(Duration::from_millis(round * 37 % 120 + 2));
    child.kill().expect("a child can be killed");
    child.wait().expect("a child can be waited for");
    let acknowledged = reader.join().expect("the reader ends with the child");
    for &number in &acknowledged {
        apply(model, number);
    }
    let bank = Bank::open(dir).expect("a bank opens after every kill");
    let found: Model = bank.list().iter().map(|r| (r.name.clone(), r.duration as u64)).collect();
    if found != *model {
        // One change may have been made and killed before it was told.
        let next = bank.sequence() - 1;
        apply(model, next);
        assert_eq!(found, *model, "round {round}: after {:?} and perhaps {next}", acknowledged.last());
    }
    acknowledged.len() as u64
}
