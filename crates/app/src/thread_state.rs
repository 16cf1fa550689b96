//! Whether a thread of another process waits in the kernel: /proc/PID/task/TID (proc(5)).

/// Whether the thread sleeps, and not for a lock: Python's GIL is a futex, and a thread that waits for
/// it may have just read a message.
pub(crate) fn waits(pid: u64, thread: u64) -> bool {
    let folder = format!("/proc/{pid}/task/{thread}");
    let Ok(stat) = std::fs::read_to_string(format!("{folder}/stat")) else {
        // It is gone, and so is what it held; its own death is swept on its own.
        return true;
    };
    // `pid (name) state …`, and the name may hold anything.
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    if state != Some('S') {
        return false;
    }
    let wchan = std::fs::read_to_string(format!("{folder}/wchan")).unwrap_or_default();
    !wchan.contains("futex")
}
