//! One process that is started again whenever it ends, until it is told to end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use hotclub_supervise::{Backoff, Process};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{ProcessView, Role, Views, leftover, lock};

#[derive(Debug)]
pub(super) struct Kept {
    end: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Kept {
    pub(super) fn start(
        role: Role,
        record: &Path,
        views: &Views,
        hurry: watch::Receiver<bool>,
    ) -> Self {
        let (end, ending) = watch::channel(false);
        let life = Life {
            view: ProcessView {
                name: role.name.clone(),
                ..ProcessView::default()
            },
            role,
            record: record.to_owned(),
            views: views.clone(),
            backoff: Backoff::default(),
            hurry,
        };
        Self {
            end,
            task: tokio::spawn(life.run(ending)),
        }
    }

    /// It is to finish what it does.
    pub(super) fn tell(&self) {
        self.end.send_replace(true);
    }

    pub(super) async fn ended(mut self) {
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "a process's keeper");
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // What runs is killed with its group.
        self.task.abort();
    }
}

struct Life {
    role: Role,
    record: PathBuf,
    views: Views,
    view: ProcessView,
    backoff: Backoff,
    hurry: watch::Receiver<bool>,
}

impl Life {
    async fn run(mut self, mut ending: watch::Receiver<bool>) {
        loop {
            let began = Instant::now();
            let how = match self.start() {
                Ok(mut process) => {
                    tokio::select! {
                        ended = process.wait() => match ended {
                            Ok(status) => status.to_string(),
                            Err(error) => error.to_string(),
                        },
                        () = told(&mut ending) => return self.stop(process).await,
                    }
                }
                Err(error) => format!("it cannot be started: {error}"),
            };
            leftover::forget(&self.record, &self.role.name);
            let pause = self.backoff.after_death(began.elapsed(), false);
            self.view.deaths += 1;
            self.show(None);
            let name = &self.role.name;
            tracing::warn!(process = %name, ?pause, "it ended ({how}) and is started again");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told(&mut ending) => return,
            }
        }
    }

    fn start(&mut self) -> std::io::Result<Process> {
        let process = Process::spawn(self.role.command()?, None)?;
        if let Some(pid) = process.id() {
            leftover::note(&self.record, &self.role.name, pid);
        }
        self.show(process.id());
        Ok(process)
    }

    async fn stop(mut self, mut process: Process) {
        let ended = tokio::select! {
            ended = process.stop(Signal::TERM, self.role.grace) => ended.map(drop),
            () = told(&mut self.hurry) => Ok(()),
        };
        // What it had started and left behind.
        process.kill_group();
        let ended = ended.and(process.wait().await.map(drop));
        leftover::forget(&self.record, &self.role.name);
        if let Err(error) = ended {
            tracing::warn!(process = %self.role.name, %error, "whether it ended cannot be told");
        }
    }

    fn show(&mut self, pid: Option<u32>) {
        self.view.pid = pid;
        self.view.is_looping = self.backoff.is_looping();
        lock(&self.views).insert(self.role.name.clone(), self.view.clone());
    }
}

/// Returns once it is to end, also because whoever would say so is gone.
async fn told(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|end| *end).await;
}
