//! One run of the command, and whether it kept to what is promised.

use rustix::process::{WaitOptions, getpid, set_child_subreaper, wait};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// No file takes longer, though others use the machine as well: each try of a decoder may waste 60 s in silence.
const TIME: Duration = Duration::from_secs(300);
/// What the decoder is granted, and no process of the tree may hold more.
const MEMORY: u64 = 2 << 30;

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) time: Duration,
    /// Bytes that the largest process of the tree held at its peak.
    pub(crate) memory: u64,
    /// Missing where the time was over.
    status: Option<ExitStatus>,
    /// Processes that were still there afterwards.
    left: usize,
    said: String,
}

/// What must not be.
#[derive(Debug)]
pub(crate) enum Fault {
    Hangs,
    Status(ExitStatus),
    Panics,
    /// So many errors were told, where one was due or none.
    Errors(usize),
    /// A line that is neither an error nor a warning.
    Line(String),
    Memory(u64),
    LeftBehind(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hangs => write!(f, "hangs"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Panics => write!(f, "panics"),
            Self::Errors(count) => write!(f, "{count} lines of errors"),
            Self::Line(line) => write!(f, "says {line:?}"),
            Self::Memory(bytes) => write!(f, "holds {} MB", bytes >> 20),
            Self::LeftBehind(count) => write!(f, "leaves {count} processes behind"),
        }
    }
}

/// Makes this process the parent of all processes that lose theirs.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Runs a command to its end; what it says goes to a file in `folder` in between.
pub(crate) fn watched(command: &mut Command, folder: &Path) -> io::Result<Ended> {
    let said = folder.join("said");
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said)?).spawn()?.id();
    let mut memory = 0;
    let mut status = None;
    while status.is_none() && start.elapsed() < TIME {
        match ended(child)? {
            Some((with, most)) => (status, memory) = (Some(with), most),
            None => std::thread::sleep(Duration::from_millis(3)),
        }
    }
    let time = start.elapsed();
    let left = clear(child, status.is_none())?;
    let said = String::from_utf8_lossy(&std::fs::read(&said)?).into_owned();
    Ok(Ended { time, memory, status, left, said })
}

/// The status of a child that has ended, and what it or the largest of its own children held at most.
fn ended(child: u32) -> io::Result<Option<(ExitStatus, u64)>> {
    let mut status = 0;
    // SAFETY: all zeros is a value of this plain structure of numbers.
    #[allow(unsafe_code)]
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to local variables of the types that the call fills in.
    #[allow(unsafe_code)]
    let reaped = unsafe { libc::wait4(child.cast_signed(), &mut status, libc::WNOHANG, &mut usage) };
    match reaped {
        0 => Ok(None),
        ..0 => Err(io::Error::last_os_error()),
        _ => Ok(Some((ExitStatus::from_raw(status), usage.ru_maxrss.unsigned_abs() * 1024))),
    }
}

/// Ends and reaps all children, which are those that were left behind, and `child` if it `hangs`. Counts the former.
fn clear(child: u32, hangs: bool) -> io::Result<usize> {
    let mut left = 0;
    if hangs {
        kill(child);
    }
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, _))) => left += usize::from(pid.as_raw_nonzero().get() != child.cast_signed()),
            Ok(None) => {
                let own = std::fs::read_to_string("/proc/thread-self/children")?;
                own.split_whitespace().filter_map(|pid| pid.parse().ok()).for_each(kill);
                std::thread::sleep(Duration::from_millis(3));
            }
            Err(rustix::io::Errno::CHILD) => return Ok(left),
            Err(error) => return Err(error.into()),
        }
    }
}

fn kill(child: u32) {
    let pid = rustix::process::Pid::from_raw(child.cast_signed());
    // It may have ended by itself.
    let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
}

impl Ended {
    /// What it came to, in a word.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.status.and_then(|status| status.code()) {
            Some(0) if self.said.is_empty() => "read",
            Some(0) => "read with warnings",
            Some(1) => "matched",
            Some(2) if self.said.contains(": over the limit: ") => "over a limit",
            Some(2) => "refused",
            _ => "failed",
        }
    }

    /// All that is wrong with the run on `file`.
    pub(crate) fn faults(&self, file: &Path) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut errors = 0;
        let about = format!("afterimage: {}: ", file.display());
        for line in self.said.lines() {
            if line.starts_with(&about) {
                errors += 1;
            } else if line.contains("panicked") {
                faults.push(Fault::Panics);
            } else if !line.starts_with("afterimage: warning: ") {
                faults.push(Fault::Line(line.to_owned()));
            }
        }
        match self.status {
            None => faults.push(Fault::Hangs),
            Some(status) => match status.code() {
                Some(code @ 0..=2) if errors != usize::from(code == 2) => faults.push(Fault::Errors(errors)),
                Some(0..=2) => {}
                _ => faults.push(Fault::Status(status)),
            },
        }
        if self.memory > MEMORY {
            faults.push(Fault::Memory(self.memory));
        }
        // A process that is killed cannot wait for its child, which dies with it a moment later.
        if self.left > 0 && self.status.is_some() {
            faults.push(Fault::LeftBehind(self.left));
        }
        faults
    }
}
