//! Whether a thread of another process waits in the kernel: /proc/PID/task/TID (proc(5)).

use tokio::sync::{mpsc, oneshot};

use crate::board::{Board, SlotView};
use crate::contained;

/// Who looks at the workers' threads.
#[derive(Clone, Debug)]
pub enum Eyes {
    /// We ourselves.
    Own,
    /// The owner of the generation: we see no process but ours.
    Asked(mpsc::UnboundedSender<Look>),
}

/// A question for the owner: whether the thread of a slot sleeps in the kernel.
#[derive(Debug)]
pub struct Look {
    pub(crate) slot: usize,
    pub(crate) tell: oneshot::Sender<bool>,
}

impl Eyes {
    /// Whether the thread of `slot`, which is `view`, sleeps in the kernel. What cannot be found out is not so.
    pub(crate) async fn wait(&self, board: &Board, slot: usize, view: &SlotView) -> bool {
        match self {
            Self::Own => slot_waits(board, slot, view),
            Self::Asked(owner) => {
                let (tell, told) = oneshot::channel();
                owner.send(Look { slot, tell }).is_ok() && told.await.unwrap_or(false)
            }
        }
    }
}

/// The same for the thread of a slot, whatever namespace numbers it.
pub(crate) fn slot_waits(board: &Board, slot: usize, view: &SlotView) -> bool {
    if !board.is_contained() {
        return waits(view.pid, view.thread);
    }
    let Some(pid) = board.pid(slot) else {
        // Gone; its own death is swept on its own.
        return true;
    };
    contained::thread(pid, view.thread).is_none_or(|thread| waits(pid, thread))
}

/// Whether the thread sleeps, and not for a lock: Python's GIL is a futex, and a thread that waits for
/// it may have just read a message.
fn waits(pid: u64, thread: u64) -> bool {
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
