//! What a decoder is locked into before it sees a byte of a stranger's file.
//!
//! - No file but the media file and the system's libraries can be opened, none can be written (Landlock), and none is
//!   inherited.
//! - No socket, no other process, no look into one, no change to the system: a short list of system calls is all that
//!   there is (seccomp, and Landlock's network rules).
//! - Limited address space, CPU time, descriptors; no core dump, no growing file (resource limits).
//! - It dies with the thread that reads from it (parent-death signal).
//!
//! All of it is set between fork and exec, and inherited by whatever the program could start.

#[cfg(target_os = "linux")]
pub(super) use linux::lock;
#[cfg(not(target_os = "linux"))]
pub(super) use other::lock;

/// The environment variable that names folders of libraries; the only one that the child is given.
pub(super) const LIBRARY_PATH: &str =
    if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use command_fds::{CommandFdExt, FdMapping};
    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
        RulesetCreated, RulesetCreatedAttr, Scope,
    };
    use rustix::process::{
        Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
    };

    use super::LIBRARY_PATH;
    use crate::media::Options;
    use crate::media::ffmpeg::calls;

    /// CPU seconds beyond the limit, of which the parent tells: some decoders take the kernel's signal for a wish to end.
    const CPU_GRACE: u64 = 2;

    /// Where systems keep the libraries that programs start with.
    const LIBRARIES: &[&str] =
        &["/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib"];
    /// What else the loader reads.
    const LOADER: &[&str] = &["/etc/ld.so.cache", "/etc/ld-musl-x86_64.path", "/etc/ld-musl-aarch64.path"];
    /// Trees in which every package has its libraries in a folder of its own.
    const STORES: &[&str] = &["/nix/store", "/gnu/store"];

    /// Makes `command`, which runs `program` on `file` and is given the descriptor `sound`, start in its jail. Returns
    /// whether the jail is whole, which it is unless the options allow it not to be; an error is one line on what is
    /// missing.
    pub(in super::super) fn lock(
        command: &mut Command,
        program: &Path,
        file: &File,
        sound: FdMapping,
        options: &Options,
    ) -> Result<bool, String> {
        let paths = landlock(program, file);
        let calls = calls::filters();
        let whole = paths.is_ok() && calls.is_ok();
        if !whole && !options.allow_unjailed {
            let cause = paths.err().or(calls.err()).unwrap_or_default();
            return Err(cause);
        }
        let (mut paths, calls) = (paths.ok(), calls.ok());
        let cpu = options.limits.cpu.as_secs().saturating_add(CPU_GRACE);
        let limits = [
            (Resource::As, options.limits.memory),
            (Resource::Cpu, cpu),
            (Resource::Fsize, 0),
            (Resource::Core, 0),
            (Resource::Nofile, 64),
        ]
        .map(|(resource, most)| (resource, limit(resource, most)));
        let parent = getpid();
        let enter = move || -> io::Result<()> {
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before it could be asked for a signal.
            if getppid() != Some(parent) {
                return Err(io::Error::from(rustix::io::Errno::SRCH));
            }
            let closed = close_others();
            if whole {
                closed?;
            }
            for (resource, limit) in &limits {
                setrlimit(*resource, *limit)?;
            }
            if let Some(paths) = paths.take() {
                paths.restrict_self().map_err(|_| io::Error::from(rustix::io::Errno::ACCESS))?;
            }
            for filter in calls.iter().flatten() {
                seccompiler::apply_filter(filter).map_err(|_| io::Error::from(rustix::io::Errno::PERM))?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec only calls that are safe in a signal handler may be made, and nothing may be
        // allocated. `enter` makes plain system calls on values that were prepared before the fork; its errors are
        // numbers. Dropping the rule set closes a descriptor.
        #[allow(unsafe_code)]
        unsafe {
            command.pre_exec(enter);
        }
        // Afterwards: where other threads open and close files, the rule set may have the number that the sound is to have.
        command.fd_mappings(vec![sound]).map_err(|e| e.to_string())?;
        Ok(whole)
    }

    /// A limit of so much, or of what this process has if that is less: without privileges none can be raised.
    fn limit(resource: Resource, most: u64) -> Rlimit {
        let inherited = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        // A hard limit above the soft one lets the child die of the signal that says why.
        let hard = if resource == Resource::Cpu { most.saturating_add(1) } else { most };
        Rlimit { current: Some(most.min(inherited)), maximum: Some(hard.min(inherited)) }
    }

    /// Takes from the program that will be started all descriptors but its own: others in this process may have opened
    /// files and sockets that are inherited.
    fn close_others() -> io::Result<()> {
        let first = super::super::args::SOUND_FD.unsigned_abs() + 1;
        // SAFETY: the call takes three numbers, and closes nothing before another program takes this one's place.
        #[allow(unsafe_code)]
        let done =
            unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn landlock(program: &Path, file: &File) -> Result<RulesetCreated, String> {
        rules(program, file).map_err(|e| format!("Landlock: {e}"))
    }

    fn rules(program: &Path, file: &File) -> Result<RulesetCreated, landlock::RulesetError> {
        let read = AccessFs::ReadFile;
        let run = AccessFs::ReadFile | AccessFs::Execute;
        // Required is what the first version of Landlock has: reading, writing, making, removing, executing.
        // What later versions add is denied where the kernel knows it.
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V4))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?
            .add_rule(PathBeneath::new(file.as_fd(), read))?;
        if let Ok(program) = PathFd::new(program) {
            rules = rules.add_rule(PathBeneath::new(program, run))?;
        }
        for dir in library_folders(program) {
            if let Ok(dir) = PathFd::new(dir) {
                rules = rules.add_rule(PathBeneath::new(dir, run))?;
            }
        }
        for file in LOADER {
            if let Ok(file) = PathFd::new(file) {
                rules = rules.add_rule(PathBeneath::new(file, read))?;
            }
        }
        Ok(rules)
    }

    fn library_folders(program: &Path) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = LIBRARIES.iter().map(PathBuf::from).collect();
        dirs.extend(STORES.iter().map(PathBuf::from).filter(|store| program.starts_with(store)));
        // A program that was installed somewhere of its own, with libraries beside it.
        if let Some(prefix) = program.parent().and_then(Path::parent) {
            dirs.extend(["lib", "lib64"].map(|dir| prefix.join(dir)));
        }
        if let Some(named) = std::env::var_os(LIBRARY_PATH) {
            dirs.extend(std::env::split_paths(&named).filter(|dir| dir.is_absolute()));
        }
        dirs
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use std::fs::File;
    use std::path::Path;
    use std::process::Command;

    use command_fds::{CommandFdExt, FdMapping};

    use crate::media::Options;

    pub(in super::super) fn lock(
        command: &mut Command,
        _: &Path,
        _: &File,
        sound: FdMapping,
        options: &Options,
    ) -> Result<bool, String> {
        if !options.allow_unjailed {
            return Err("this system has no Landlock".to_owned());
        }
        command.fd_mappings(vec![sound]).map_err(|e| e.to_string())?;
        Ok(false)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};
    use std::time::Duration;

    use command_fds::FdMapping;
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    use super::*;
    use crate::media::{Limits, Options};

    /// Runs a program in the jail, with a media file of its own as its input.
    fn jailed(program: &str, args: &[&str], limits: Limits) -> Output {
        let mut media = tempfile::NamedTempFile::new().unwrap();
        media.write_all(b"the media").unwrap();
        let file = File::open(media.path()).unwrap();
        let program = std::fs::canonicalize(program).unwrap();
        let mut command = Command::new(&program);
        command.args(args).stdin(Stdio::from(file.try_clone().unwrap()));
        let options = Options { limits, ..Options::default() };
        assert_eq!(lock(&mut command, &program, &file, sound(3), &options), Ok(true));
        command.output().unwrap()
    }

    /// A descriptor that the program is given under this number.
    fn sound(child_fd: i32) -> FdMapping {
        FdMapping { parent_fd: tempfile::tempfile().unwrap().into(), child_fd }
    }

    fn cat(path: &str) -> Output {
        jailed("/bin/cat", &[path], Limits::default())
    }

    #[test]
    fn only_the_media_file_can_be_read() {
        assert_eq!(cat("/proc/self/fd/0").stdout, b"the media");
        for path in
            ["/etc/passwd", "/proc/self/environ", "/proc/self/maps", "/dev/zero", "/usr/share/dict", "/tmp"]
        {
            let output = cat(path);
            assert!(!output.status.success() && output.stdout.is_empty(), "{path}");
        }
        let other = tempfile::NamedTempFile::new().unwrap();
        assert!(!cat(&other.path().to_string_lossy()).status.success());
    }

    #[test]
    fn no_other_file_is_inherited() {
        let inherited = rustix::io::dup(File::open("/etc/passwd").unwrap()).unwrap();
        let program = std::fs::canonicalize("/bin/cat").unwrap();
        let mut command = Command::new(&program);
        let file = tempfile::tempfile().unwrap();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        assert_eq!(lock(&mut command, &program, &file, sound(3), &Options::default()), Ok(true));
        let mut child = command.spawn().unwrap();
        let open = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let open: Vec<_> = open.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).collect();
        drop((child.stdin.take(), inherited));
        assert!(child.wait().unwrap().success());
        assert!(!open.is_empty() && !open.contains(&"/etc/passwd".into()), "{open:?}");
    }

    #[test]
    fn the_rules_may_have_the_number_of_the_sound() {
        let program = std::fs::canonicalize("/bin/cat").unwrap();
        let file = tempfile::tempfile().unwrap();
        let free = tempfile::tempfile().unwrap();
        // The jail's limit is 64 descriptors.
        let sound = sound(free.as_raw_fd().min(63));
        let mut command = Command::new(&program);
        command.stdin(Stdio::null());
        // The next descriptor has its number, unless another test is quicker.
        drop(free);
        assert_eq!(lock(&mut command, &program, &file, sound, &Options::default()), Ok(true));
        assert!(command.output().unwrap().status.success());
    }

    #[test]
    fn nothing_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        std::fs::write(&there, "x").unwrap();
        let new = dir.path().join("new");
        let run = |program: &str, args: &[&Path]| {
            let args: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
            assert!(!jailed(program, &args, Limits::default()).status.success(), "{program} {args:?}");
        };
        run("/usr/bin/touch", &[&new]);
        run("/bin/mkdir", &[&new]);
        run("/bin/rm", &[&there]);
        run("/bin/cp", &[Path::new("/proc/self/fd/0"), &there]);
        run("/bin/chmod", &[Path::new("777"), &there]);
        assert!(!new.exists());
        assert_eq!(std::fs::read(&there).unwrap(), b"x");
    }

    #[test]
    fn no_connection_can_be_made() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("tcp://{}", listener.local_addr().unwrap());
        let ffmpeg = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|dir| dir.join("ffmpeg"))
            .find(|file| file.is_file())
            .unwrap();
        let output = jailed(ffmpeg.to_str().unwrap(), &["-v", "error", "-i", &url], Limits::default());
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("Function not implemented"), "{output:?}");
        assert!(listener.accept().is_err());
    }

    #[test]
    fn no_other_program_can_be_started() {
        let output = jailed("/bin/sh", &["-c", "/bin/echo out; exec /bin/echo out"], Limits::default());
        assert!(!output.status.success());
        assert_eq!(output.stdout, b"");
    }

    #[test]
    fn limits_cannot_be_changed() {
        assert!(jailed("/bin/sh", &["-c", "ulimit -n"], Limits::default()).status.success());
        assert!(!jailed("/bin/sh", &["-c", "ulimit -n 32"], Limits::default()).status.success());
    }

    #[test]
    fn what_no_decoder_does_ends_it() {
        use std::os::unix::process::ExitStatusExt;
        let output = jailed("/usr/bin/unshare", &["--mount", "/bin/true"], Limits::default());
        assert_eq!(output.status.signal(), Some(rustix::process::Signal::SYS.as_raw()));
    }

    #[test]
    fn without_landlock_nothing_starts_unless_allowed() {
        // This thread's kernel has no Landlock.
        let old_kernel = || {
            let calls = [(libc::SYS_landlock_create_ruleset, Vec::new())].into_iter().collect();
            let (allow, deny) = (SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()));
            let filter = SeccompFilter::new(calls, allow, deny, std::env::consts::ARCH.try_into().unwrap());
            seccompiler::apply_filter(&BpfProgram::try_from(filter.unwrap()).unwrap()).unwrap();

            let file = tempfile::tempfile().unwrap();
            let program = std::fs::canonicalize("/bin/cat").unwrap();
            let lock = |allow_unjailed| {
                let options = Options { allow_unjailed, ..Options::default() };
                let mut command = Command::new(&program);
                lock(command.stdin(Stdio::null()), &program, &file, sound(3), &options)
                    .map(|whole| (whole, command))
            };
            assert!(lock(false).unwrap_err().contains("Landlock"));
            let (whole, mut command) = lock(true).unwrap();
            assert!(!whole && command.status().unwrap().success());
        };
        std::thread::spawn(old_kernel).join().unwrap();
    }

    #[test]
    fn limits_of_the_process_itself_are_no_hindrance() {
        // Threads have limits in common; so a shell sets them, and starts this test again for what is below.
        const BELOW: &str = "AFTERIMAGE_TEST_BELOW";
        if std::env::var_os(BELOW).is_some() {
            assert!(jailed("/bin/sh", &["-c", ":"], Limits::default()).status.success());
            return;
        }
        let this = std::env::current_exe().unwrap();
        let name = "media::ffmpeg::jail::tests::limits_of_the_process_itself_are_no_hindrance";
        let run = format!("ulimit -Ht 3600; ulimit -Hn 48; exec {:?} --exact {name}", this.to_str().unwrap());
        let output = Command::new("/bin/sh").args(["-c", &run]).env(BELOW, "1").output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    #[test]
    fn cpu_time_is_limited() {
        use std::os::unix::process::ExitStatusExt;
        let limits = Limits { cpu: Duration::from_secs(1), ..Limits::default() };
        let output = jailed("/bin/sh", &["-c", "while :; do :; done"], limits);
        assert_eq!(output.status.signal(), Some(rustix::process::Signal::XCPU.as_raw()));
    }

    #[test]
    fn memory_is_limited() {
        let limits = Limits { memory: 64 << 20, ..Limits::default() };
        assert!(jailed("/bin/sh", &["-c", ":"], limits.clone()).status.success());
        // Doubles a string until it is too long.
        let grow = "x=xxxxxxxx; i=0; while [ $i -lt 30 ]; do x=$x$x; i=$((i+1)); done";
        assert!(!jailed("/bin/sh", &["-c", grow], limits).status.success());
    }
}
