//! Tells systemd that we live, as long as that is true: every thread of the front and the task that owns
//! the generation must answer first. A program whose signal handling alone still runs is dead to its visitors.

use std::time::Duration;

use hotclub_app::View;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::systemd::Systemd;

/// Starts to tell it, twice as often as it is wanted. Ends with the returned set.
pub(crate) fn start(
    systemd: &Systemd,
    front: Vec<Handle>,
    generation: watch::Receiver<View>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(period) = systemd.watchdog() {
        tasks.spawn(watch_over(systemd.clone(), period / 2, front, generation));
    }
    tasks
}

async fn watch_over(
    systemd: Systemd,
    pause: Duration,
    front: Vec<Handle>,
    generation: watch::Receiver<View>,
) {
    loop {
        let view = generation.borrow().clone();
        let answers = async {
            threads_answer(&front).await;
            view.answers().await;
        };
        if tokio::time::timeout(pause, answers).await.is_ok() {
            systemd.alive();
        } else {
            tracing::error!("a thread of the front or the owner of the workers does not answer");
        }
        tokio::time::sleep(pause).await;
    }
}

async fn threads_answer(front: &[Handle]) {
    for thread in front {
        // A thread that has ended answers never.
        if thread.spawn(async {}).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_is_stuck_does_not_answer() {
        let (free, stuck) = std::sync::mpsc::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            tell.send(runtime.handle().clone()).unwrap();
            runtime.block_on(async move { stuck.recv().unwrap() });
        });
        let front = [told.await.unwrap()];
        let moment = Duration::from_millis(100);
        let answered = tokio::time::timeout(moment, threads_answer(&front)).await;
        assert!(answered.is_err());
        free.send(()).unwrap();
        thread.join().unwrap();
    }
}
