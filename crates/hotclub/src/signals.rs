//! Signals as orders; Gunicorn's meanings.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// SIGINT, SIGTERM: finish what is under way and end. A second one hurries.
    Stop(&'static str),
    /// SIGQUIT: end at once.
    Quit,
    /// SIGHUP: load the code anew.
    Reload,
    /// SIGTTIN: one worker more.
    More,
    /// SIGTTOU: one worker less.
    Fewer,
    /// SIGUSR1: open log files anew.
    Reopen,
    /// SIGUSR2: let the program that now lies in our place take over.
    Upgrade,
}

#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    hangup: Signal,
    more: Signal,
    fewer: Signal,
    reopen: Signal,
    upgrade: Signal,
}

impl Signals {
    /// Takes the signals over from here on.
    ///
    /// # Errors
    /// When the runtime cannot watch signals.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
            // The standard library knows no names for these.
            more: signal(SignalKind::from_raw(21))?,
            fewer: signal(SignalKind::from_raw(22))?,
            reopen: signal(SignalKind::user_defined1())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// The next order. Cancel safe.
    pub(crate) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.interrupt.recv() => Order::Stop("SIGINT"),
            _ = self.terminate.recv() => Order::Stop("SIGTERM"),
            _ = self.quit.recv() => Order::Quit,
            _ = self.hangup.recv() => Order::Reload,
            _ = self.more.recv() => Order::More,
            _ = self.fewer.recv() => Order::Fewer,
            _ = self.reopen.recv() => Order::Reopen,
            _ = self.upgrade.recv() => Order::Upgrade,
        }
    }

    /// Waits for an order to stop; reloads and the like are not for now.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            match self.next().await {
                Order::Stop(name) => return name,
                Order::Quit => return "SIGQUIT",
                _ => {}
            }
        }
    }
}
