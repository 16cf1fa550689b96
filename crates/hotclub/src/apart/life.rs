//! One process of the front from its start to its end, as the supervisor has it: what it is told goes through one
//! queue, in order; what it says is heard here.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotclub_app::{Link, Parcel};
use hotclub_front::{AccessLog, Keyring};
use hotclub_supervise::{Ending, Process, RunAs};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};

use super::link::Socket;
use super::log;
use super::message::{Answer, Confinement, Order, Said, Setting};
use crate::console::Failure;
use crate::visits::Visits;

/// Until it is confined: nothing of that waits for anybody.
const BEGIN: Duration = Duration::from_secs(30);

/// An order on its way.
type Outgoing = (Order, Vec<OwnedFd>);

/// What every process of the front is started from.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) setting: Arc<Setting>,
    pub(super) root: Option<PathBuf>,
    pub(super) user: Option<RunAs>,
    /// Written by us: the front has a pipe to us.
    pub(super) log: Option<AccessLog>,
    pub(super) visits: Arc<Visits>,
}

/// Where parcels go: to the process that there is now.
#[derive(Clone, Debug, Default)]
pub(super) struct Current(Arc<Mutex<Option<mpsc::UnboundedSender<Outgoing>>>>);

#[derive(Debug)]
pub(super) struct Life {
    pub(super) born: Instant,
    current: Current,
    orders: Option<mpsc::UnboundedSender<Outgoing>>,
    questions: Questions,
    begun: watch::Receiver<Option<Confinement>>,
    ended: watch::Receiver<Option<Instant>>,
    /// Writes the front's lines for as long as there are any.
    scribe: Option<JoinHandle<()>>,
    /// Told when it has so long to end.
    farewell: Option<oneshot::Sender<Duration>>,
}

/// Who waits for which answer; `None` once nobody will be answered.
#[derive(Clone, Debug)]
struct Questions(Arc<Mutex<Option<Asked>>>);

type Asked = HashMap<u64, oneshot::Sender<Answer>>;

impl Current {
    /// For a [`Link`]: sends a parcel the same way as every other order, so that nothing overtakes it.
    pub(super) fn courier(&self) -> Arc<dyn Fn(Parcel) + Send + Sync> {
        let current = self.clone();
        Arc::new(move |parcel| {
            let Parcel {
                generation,
                order,
                files,
            } = parcel;
            if let Some(orders) = &*current.lock() {
                // Without a process there are no lanes.
                let _ = orders.send((Order::Lanes { generation, order }, files));
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Outgoing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Birth {
    /// Starts a process.
    pub(super) fn begin(
        &self,
        current: &Current,
        link: &Link,
        keyring: &Arc<Keyring>,
    ) -> Result<Life, Failure> {
        let (socket, theirs) = Socket::pair()?;
        let process = Process::spawn(self.command(theirs), None)
            .map_err(|error| Failure::new(format!("the front cannot be started: {error}")))?;
        let (orders, outgoing) = mpsc::unbounded_channel();
        let pipe = self.log.as_ref();
        let pipe = pipe.map(|log| log::receive(log, &self.visits, log::Then::Keep));
        let (pipe, scribe) = pipe.transpose()?.unzip();
        let begin = Order::Begin(Box::new(Setting::clone(&self.setting)));
        // The receiver is just below.
        let _ = orders.send((begin, pipe.into_iter().collect()));
        *current.lock() = Some(orders.clone());
        let questions = Questions::new();
        let (begun, is_begun) = watch::channel(None);
        let (ended, is_ended) = watch::channel(None);
        let (farewell, time) = oneshot::channel();
        let socket = Arc::new(socket);
        let speaking = tokio::spawn(speak(Arc::clone(&socket), outgoing));
        tokio::spawn(tell_keys(Arc::clone(keyring), orders.downgrade()));
        let hearing = hear(socket, begun, questions.clone(), link.clone());
        let (all_heard, lost) = (questions.clone(), link.clone());
        tokio::spawn(async move {
            attend(process, hearing, time).await;
            speaking.abort();
            all_heard.close();
            lost.lost();
            ended.send_replace(Some(Instant::now()));
        });
        Ok(Life {
            born: Instant::now(),
            current: current.clone(),
            orders: Some(orders),
            questions,
            begun: is_begun,
            ended: is_ended,
            scribe,
            farewell: Some(farewell),
        })
    }

    fn command(&self, socket: OwnedFd) -> Command {
        // What runs now, also when another program lies in its place meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("hotclub")
            .arg("front")
            .arg("--spool")
            .arg(&self.setting.spool);
        if let Some(root) = &self.root {
            command.arg("--root").arg(root);
        }
        if let Some(RunAs { uid, gid }) = self.user {
            command.arg("--user").arg(format!("{uid}:{gid}"));
        }
        command.env_clear();
        for name in ["HOTCLUB_LOG", "RUST_BACKTRACE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        command
    }
}

impl Life {
    pub(super) fn current(&self) -> Current {
        self.current.clone()
    }

    pub(super) fn say(&self, order: Order) {
        self.send(order, Vec::new());
    }

    pub(super) fn send(&self, order: Order, files: Vec<OwnedFd>) {
        if let Some(orders) = &self.orders {
            // The process may be gone, which is noticed elsewhere.
            let _ = orders.send((order, files));
        }
    }

    /// Asks, with descriptors beside the question; the answer is `None` when the process ends before it.
    pub(super) fn ask(
        &self,
        question: u64,
        order: Order,
        files: Vec<OwnedFd>,
    ) -> impl Future<Output = Option<Answer>> + Send + use<> {
        let answer = self.questions.add(question);
        self.send(order, files);
        async move { answer?.await.ok() }
    }

    /// Waits until it is confined, or failed to be.
    pub(super) fn begun(
        &self,
    ) -> impl Future<Output = Result<Confinement, Failure>> + Send + use<> {
        let (mut begun, mut ended) = (self.begun.clone(), self.ended.clone());
        async move {
            let failed = || {
                Failure::new("the front's process did not come to serve")
                    .hint("its last words are above")
            };
            let is_begun = async {
                let begun = begun.wait_for(Option::is_some).await;
                begun.ok().and_then(|begun| *begun)
            };
            tokio::select! {
                confinement = is_begun => confinement.ok_or_else(failed),
                _ = ended.wait_for(Option::is_some) => Err(failed()),
                () = tokio::time::sleep(BEGIN) => Err(failed()),
            }
        }
    }

    /// Returns when it is gone; since when.
    pub(super) fn ended(&self) -> impl Future<Output = Instant> + Send + use<> {
        let mut ended = self.ended.clone();
        async move {
            let at = ended.wait_for(Option::is_some).await;
            // An error means that whoever attends it is gone, and so is the process.
            at.ok().and_then(|at| *at).unwrap_or_else(Instant::now)
        }
    }

    /// Lets it end, or kills it after `grace`; its last lines are written then.
    pub(super) fn end(&mut self, grace: Duration) -> impl Future<Output = ()> + Send + use<> {
        if let Some(farewell) = self.farewell.take() {
            // It may have ended by itself.
            let _ = farewell.send(grace);
        }
        self.orders = None;
        self.current.lock().take();
        let (ended, scribe) = (self.ended(), self.scribe.take());
        async move {
            ended.await;
            if let Some(scribe) = scribe {
                let _written = tokio::task::spawn_blocking(move || scribe.join()).await;
            }
        }
    }
}

impl Questions {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(HashMap::new()))))
    }

    fn add(&self, question: u64) -> Option<oneshot::Receiver<Answer>> {
        let (tell, told) = oneshot::channel();
        self.lock().as_mut()?.insert(question, tell);
        Some(told)
    }

    fn answer(&self, question: u64, answer: Answer) {
        let asked = self.lock().as_mut().and_then(|all| all.remove(&question));
        if let Some(tell) = asked {
            // Whoever asked may have given up.
            let _ = tell.send(answer);
        }
    }

    fn close(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what is said, in order, until nobody can say anything any more.
async fn speak(socket: Arc<Socket>, mut outgoing: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some((order, files)) = outgoing.recv().await {
        if let Err(error) = socket.send(&order, &files).await {
            tracing::debug!(%error, "the front is not told any more");
            return;
        }
    }
    // Now its end of the socket is at its end, and it leaves.
    socket.hang_up();
}

/// Hears what the front says until it is gone, or says what nobody understands.
async fn hear(
    socket: Arc<Socket>,
    begun: watch::Sender<Option<Confinement>>,
    questions: Questions,
    link: Link,
) {
    loop {
        match socket.receive::<Said>().await {
            Ok(Some((Said::Begun(confinement), _))) => {
                begun.send_replace(Some(confinement));
            }
            Ok(Some((Said::Answer { question, answer }, _))) => questions.answer(question, answer),
            Ok(Some((Said::Lanes { generation, news }, _))) => link.hear(generation, news),
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "the front says what cannot be understood");
                return;
            }
        }
    }
}

/// Sees the process to its end.
async fn attend(
    mut process: Process,
    hearing: impl Future<Output = ()>,
    mut farewell: oneshot::Receiver<Duration>,
) {
    tokio::pin!(hearing);
    let told = tokio::select! {
        grace = &mut farewell => Some(grace.unwrap_or_default()),
        _ = process.wait() => None,
        // It closes the socket a moment before it is dead, or says what nobody understands.
        () = &mut hearing => None,
    };
    // It is told before it can know: one that goes at once may be gone before the word is looked at.
    let told = told.or_else(|| match farewell.try_recv() {
        Err(TryRecvError::Empty) => None,
        grace => Some(grace.unwrap_or_default()),
    });
    if let Some(grace) = told {
        if let Err(error) = process.wait_or_kill(grace).await {
            tracing::warn!(%error, "the front's end is unknown");
        }
        return;
    }
    match process.wait_or_kill(Duration::from_secs(1)).await {
        Ok(Ending::Graceful(status)) => {
            tracing::error!("the front's process has ended ({status})");
        }
        Ok(Ending::Killed) => tracing::error!("the front's process was ended"),
        Err(error) => tracing::error!(%error, "the front's end is unknown"),
    }
}

/// Tells the certificates that there are, and again whenever they change.
async fn tell_keys(keyring: Arc<Keyring>, orders: mpsc::WeakUnboundedSender<Outgoing>) {
    let mut changes = keyring.changes();
    loop {
        changes.borrow_and_update();
        let keys = Box::new(keyring.pack());
        let Some(orders) = orders.upgrade() else {
            return;
        };
        if orders.send((Order::Keys(keys), Vec::new())).is_err() {
            return;
        }
        drop(orders);
        if changes.changed().await.is_err() {
            return;
        }
    }
}
