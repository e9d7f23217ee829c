//! The system calls that a decoder may make: a short list, by which it can read, write, compute and wait.
//!
//! What is not on it does not exist, as on an older kernel, so that a library that would like something newer does
//! without. What only someone would ask for who has taken the decoder over ends it.

use std::collections::BTreeMap;

use libc::{c_int, c_long};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// A call, and what its arguments must be; nothing said, anything goes.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// What a process has to put on, in this order: with the last it can put on no more.
pub(super) fn filters() -> Result<[BpfProgram; 2], String> {
    let deadly = DEADLY.iter().map(|&call| (call, Vec::new())).collect();
    let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    Ok([
        program(deadly, SeccompAction::Allow, SeccompAction::KillProcess)?,
        program(allowed().map_err(told)?, missing, SeccompAction::Allow)?,
    ])
}

fn told(error: impl std::fmt::Display) -> String {
    format!("seccomp: {error}")
}

fn program(rules: Rules, otherwise: SeccompAction, on_match: SeccompAction) -> Result<BpfProgram, String> {
    let arch = std::env::consts::ARCH.try_into().map_err(told)?;
    SeccompFilter::new(rules, otherwise, on_match, arch).and_then(BpfProgram::try_from).map_err(told)
}

fn allowed() -> Result<Rules, seccompiler::BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq};
    let is = |arg, op, value| SeccompCondition::new(arg, SeccompCmpArgLen::Qword, op, value);
    let one_of = |commands: &[c_int]| -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
        // The second argument, of which the kernel looks at the lower half.
        let is = |&command: &c_int| {
            let command = u64::from(command.cast_unsigned());
            SeccompRule::new(vec![SeccompCondition::new(1, SeccompCmpArgLen::Dword, Eq, command)?])
        };
        commands.iter().map(is).collect()
    };
    let mut rules: Rules = ALLOWED.iter().map(|&call| (call, Vec::new())).collect();
    // Threads, no processes, and none in another namespace.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let mask = thread | NAMESPACES.iter().fold(0, |all, flag| all | u64::from(flag.cast_unsigned()));
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is(0, MaskedEq(mask), thread)?])?]);
    // Own limits are told, not changed, which those of a privileged process could be.
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![is(0, Eq, 0)?, is(2, Eq, 0)?])?]);
    // No owner, no signal, no lease: a signal of the process's choice could go to another one.
    rules.insert(libc::SYS_fcntl, one_of(DESCRIPTORS)?);
    rules.insert(libc::SYS_ioctl, one_of(&[libc::TCGETS as c_int, libc::TIOCGWINSZ as c_int])?);
    // Names alone: a process could wish to survive its parent.
    let names = NAMES.iter().map(|&option| {
        let option = u64::from(option.cast_unsigned());
        SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Dword, Eq, option)?])
    });
    rules.insert(libc::SYS_prctl, names.collect::<Result<_, _>>()?);
    Ok(rules)
}

const NAMESPACES: &[c_int] = &[
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

const DESCRIPTORS: &[c_int] =
    &[libc::F_DUPFD, libc::F_DUPFD_CLOEXEC, libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL];

const NAMES: &[c_int] = &[libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];

#[rustfmt::skip]
const ALLOWED: &[c_long] = &[
    // To start. Which programs those are, and which files, is Landlock's.
    libc::SYS_execve, libc::SYS_openat, libc::SYS_close, libc::SYS_faccessat, libc::SYS_readlinkat,
    libc::SYS_getcwd,
    // To read and to write.
    libc::SYS_read, libc::SYS_readv, libc::SYS_pread64, libc::SYS_preadv, libc::SYS_write, libc::SYS_writev,
    libc::SYS_lseek, libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_fstatfs,
    libc::SYS_fadvise64, libc::SYS_dup, libc::SYS_dup3, libc::SYS_pipe2, libc::SYS_eventfd2,
    // To wait.
    libc::SYS_ppoll, libc::SYS_pselect6, libc::SYS_nanosleep, libc::SYS_clock_nanosleep, libc::SYS_futex,
    libc::SYS_sched_yield, libc::SYS_restart_syscall,
    // Memory.
    libc::SYS_brk, libc::SYS_mmap, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_mprotect, libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads, and an end.
    libc::SYS_set_tid_address, libc::SYS_set_robust_list, libc::SYS_get_robust_list, libc::SYS_rseq,
    libc::SYS_sched_getaffinity, libc::SYS_sched_getparam, libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max, libc::SYS_sched_get_priority_min,
    libc::SYS_exit, libc::SYS_exit_group,
    // Own signals.
    libc::SYS_rt_sigaction, libc::SYS_rt_sigprocmask, libc::SYS_rt_sigreturn, libc::SYS_sigaltstack,
    // What it is, when it is, and on what.
    libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getppid, libc::SYS_getuid, libc::SYS_geteuid,
    libc::SYS_getgid, libc::SYS_getegid, libc::SYS_capget, libc::SYS_uname, libc::SYS_sysinfo,
    libc::SYS_getrusage, libc::SYS_times, libc::SYS_getcpu, libc::SYS_getrandom,
    libc::SYS_clock_gettime, libc::SYS_clock_getres, libc::SYS_gettimeofday,
    // What this architecture has besides, from before.
    #[cfg(target_arch = "x86_64")] libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")] libc::SYS_open,
    #[cfg(target_arch = "x86_64")] libc::SYS_access,
    #[cfg(target_arch = "x86_64")] libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")] libc::SYS_stat,
    #[cfg(target_arch = "x86_64")] libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")] libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")] libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")] libc::SYS_poll,
    #[cfg(target_arch = "x86_64")] libc::SYS_select,
    #[cfg(target_arch = "x86_64")] libc::SYS_getrlimit,
    #[cfg(target_arch = "x86_64")] libc::SYS_time,
];

#[rustfmt::skip]
const DEADLY: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal, libc::SYS_kcmp,
    // Other programs, and files past their names.
    libc::SYS_execveat, libc::SYS_open_by_handle_at,
    // The kernel.
    libc::SYS_bpf, libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    libc::SYS_kexec_load, libc::SYS_userfaultfd, libc::SYS_io_uring_setup, libc::SYS_add_key,
    libc::SYS_request_key, libc::SYS_keyctl,
    // The system.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_move_mount, libc::SYS_open_tree, libc::SYS_fsopen,
    libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_unshare, libc::SYS_setns, libc::SYS_reboot,
    libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_settimeofday, libc::SYS_clock_settime,
    libc::SYS_sethostname, libc::SYS_setdomainname,
    // Who it is.
    libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_setresuid,
    libc::SYS_setresgid, libc::SYS_setgroups, libc::SYS_capset,
];
