//! The child process: started in its jail, and gone on every path out.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use command_fds::FdMapping;
use rustix::pipe::{PipeFlags, pipe_with};

use super::args::{self, Want};
use super::jail;
use crate::media::{Limits, MediaError, Options};

/// Bytes that a pipe should hold, so that the child need not stop for every few rows.
#[cfg(target_os = "linux")]
const PIPE: usize = 1 << 20;

/// CPU seconds of the decoder for any file, for each megabyte of it, and for each second that it turns out to hold. The
/// last is some times what it takes to scale pictures of 3840 × 2160.
const CPU_ANYWAY: f64 = 600.0;
const CPU_MEGABYTE: f64 = 120.0;
const CPU_SECOND: f64 = 0.2;

/// CPU seconds that the decoder may take for a file of so many bytes, by the time it has given so many seconds of media.
/// Film that is dear to decode takes bytes, and what is cheap may last: only a file that is made to waste time is small,
/// and gives little.
pub(super) fn cpu_allowed(limits: &Limits, bytes: u64, given: f64) -> f64 {
    (CPU_ANYWAY + bytes as f64 / 1e6 * CPU_MEGABYTE + given * CPU_SECOND).min(limits.cpu.as_secs_f64())
}

/// A descriptor above those that the decoder is given.
const ABOVE: i32 = args::SOUND_FD + 1;

/// A running decoder and the ends of its pipes. Dropping it kills the child and waits for its end.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pub(super) pictures: ChildStdout,
    pub(super) samples: File,
    pub(super) messages: ChildStderr,
    pub(super) jailed: bool,
    /// Nobody can wait for it any more, nor kill it: its number may be another's.
    gone: bool,
}

/// Starts the decoder on `file`. `mark` tells what it says of streams from what the file says of itself.
pub(super) fn start(
    path: &Path,
    file: &File,
    options: &Options,
    want: Want,
    mark: &str,
) -> Result<Running, MediaError> {
    let io = |source| MediaError::io(path, source);
    let program = find(&options.ffmpeg)
        .ok_or_else(|| MediaError::decoder_missing(path, &options.ffmpeg.to_string_lossy()))?;
    let (samples, sound_end) = pipe_with(PipeFlags::CLOEXEC).map_err(|e| io(e.into()))?;

    let mut command = Command::new(&program);
    command
        .args(args::arguments(options, want, mark))
        .stdin(Stdio::from(file.try_clone().map_err(io)?))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_clear();
    if let Some(dirs) = std::env::var_os(jail::LIBRARY_PATH) {
        command.env(jail::LIBRARY_PATH, dirs);
    }
    // Out of the way of the standard streams, where this process has closed its own.
    let parent_fd = rustix::io::fcntl_dupfd_cloexec(&sound_end, ABOVE).map_err(|e| io(e.into()))?;
    drop(sound_end);
    let sound = FdMapping { parent_fd, child_fd: args::SOUND_FD };
    let jailed = jail::lock(&mut command, &program, file, sound, options)
        .map_err(|cause| MediaError::jail(path, cause))?;

    let mut child =
        command.spawn().map_err(|e| MediaError::jail(path, format!("cannot start the decoder: {e}")))?;
    // The command holds the child's end of the pipe for sound: without this it would never end.
    drop(command);
    let (Some(pictures), Some(messages)) = (child.stdout.take(), child.stderr.take()) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(MediaError::jail(path, "the decoder has no pipes"));
    };
    #[cfg(target_os = "linux")]
    for pipe in [rustix::fd::AsFd::as_fd(&pictures), rustix::fd::AsFd::as_fd(&samples)] {
        // A smaller pipe works too.
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
    }
    Ok(Running { child, pictures, samples: File::from(samples), messages, jailed, gone: false })
}

impl Running {
    /// Kills the child, if it still runs.
    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Whether the child has ended.
    pub(super) fn ended(&mut self) -> bool {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return true };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
    }

    /// Waits for the child's end: how it ended, and the CPU seconds it took. A process that ignores SIGCHLD is not told how.
    pub(super) fn reap(&mut self) -> io::Result<(Option<ExitStatus>, f64)> {
        let cpu = self.cpu();
        match self.child.wait() {
            Ok(status) => Ok((Some(status), cpu)),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::CHILD.raw_os_error()) => {
                self.gone = true;
                Ok((None, cpu))
            }
            Err(error) => Err(error),
        }
    }

    /// CPU seconds of the child, which may have ended but not been reaped.
    #[cfg(target_os = "linux")]
    pub(super) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The program's name, in parentheses, may hold anything; user and system ticks are fields 14 and 15.
        let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn cpu(&self) -> f64 {
        0.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program's file, all links followed.
fn find(program: &Path) -> Option<PathBuf> {
    let found = if program.components().count() > 1 {
        Some(program.to_owned())
    } else {
        let dirs =
            std::env::var_os("PATH").unwrap_or_else(|| OsStr::new("/usr/local/bin:/usr/bin:/bin").to_owned());
        std::env::split_paths(&dirs).map(|dir| dir.join(program)).find(|file| file.is_file())
    };
    std::fs::canonicalize(found?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn small_files_get_less_time() {
        let limits = Limits::default();
        let minutes = |bytes, given| cpu_allowed(&limits, bytes, given) / 60.0;
        assert_eq!(minutes(20_000, 0.0).round(), 10.0);
        assert_eq!(minutes(10_000_000, 3600.0).round(), 42.0);
        assert_eq!(minutes(1 << 30, 7200.0), 240.0);
        let limits = Limits { cpu: Duration::from_secs(30), ..limits };
        assert_eq!(cpu_allowed(&limits, 1 << 30, 0.0), 30.0);
    }
}
