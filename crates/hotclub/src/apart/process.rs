//! The front's process: gives up its rights, then does what the supervisor says until that is gone.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use hotclub_app::{Buffers, Guests, LaneNews};
use hotclub_front::{AccessLog, Format, Front, Limits, Listener, Options, Sink, Site as FrontSite};
use tokio::sync::mpsc;

use super::confine::Bonds;
use super::link::Socket;
use super::message::{Answer, Order, Playbill, Said, Setting, Shown};
use crate::cli::FrontArgs;
use crate::console::Failure;
use crate::host::stage::{Billing, Observed, Wings};
use crate::up::site;

/// Runs until the supervisor is gone. To be called while there is but one thread.
pub(crate) fn main(args: &FrontArgs) -> Result<(), Failure> {
    let socket = crate::sys::adopt(0)
        .ok_or_else(|| Failure::new("`hotclub front` is started by `hotclub host` alone"))?;
    // Whatever opens descriptors from here on finds 0 taken.
    let socket = rustix::io::fcntl_dupfd_cloexec(&socket, 3)?;
    // Only a name.
    let _ = rustix::thread::set_name(c"hotclub-front");
    // Each connection is a descriptor; nobody is started here who would get as many.
    let _before = crate::descriptors::raise();
    let bonds = Bonds {
        root: args.root.clone(),
        reads: vec!["/".into()],
        spool: Some(args.spool.clone()),
        user: args.user,
    };
    let confinement = bonds
        .put_on()
        .map_err(|error| Failure::new(format!("the front cannot be confined: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let socket = Arc::new(Socket::of(socket)?);
        serve(&socket, Said::Begun(confinement)).await
    });
    outcome.map_err(|error| Failure::new(format!("the front ends: {error}")))
}

async fn serve(socket: &Arc<Socket>, begun: Said) -> io::Result<()> {
    let (say, mut said) = mpsc::unbounded_channel::<Said>();
    let speaker = Arc::clone(socket);
    let speaking = async move {
        while let Some(message) = said.recv().await {
            speaker.send(&message, &[]).await?;
        }
        Ok::<_, io::Error>(())
    };
    let obeying = async {
        let Some((Order::Begin(setting), log)) = socket.receive().await? else {
            return Ok(());
        };
        let mut stage = Company::begin(*setting, log, say.clone())?;
        // Nobody listens when we are about to end.
        let _ = say.send(begun);
        while let Some((order, files)) = socket.receive().await? {
            stage.obey(order, files)?;
        }
        stage.end();
        Ok::<_, io::Error>(())
    };
    tokio::select! {
        outcome = speaking => outcome,
        outcome = obeying => outcome,
    }
}

/// A site that can be shown.
struct Guest {
    site: Arc<FrontSite>,
    /// Its own, and the number by which that goes.
    log: Option<(u64, AccessLog)>,
}

/// The front, and what it was told.
struct Company {
    front: Arc<Front>,
    guests: Guests,
    wings: Wings,
    ready: HashMap<u64, Guest>,
    buffers: Arc<Buffers>,
    say: mpsc::UnboundedSender<Said>,
}

impl Company {
    fn begin(
        setting: Setting,
        log: Vec<OwnedFd>,
        say: mpsc::UnboundedSender<Said>,
    ) -> io::Result<Self> {
        let buffers = Buffers::new(setting.spool, setting.bounds);
        let lines = log.into_iter().next().zip(setting.log);
        let log = lines
            .map(|(pipe, format)| AccessLog::open(Sink::Pipe(pipe.into()), format))
            .transpose()?
            .map(AccessLog::labelled);
        let front = Front::start(Options {
            threads: setting.threads,
            limits: Limits::from(&setting.limits),
            trusted: site::trusted(&setting.server).map_err(|f| io::Error::other(f.message))?,
            h2c: setting.server.h2c,
            proxy_protocol: setting.server.proxy_protocol,
            log,
            buffers: Arc::clone(&buffers),
        })?;
        let (news, heard) = mpsc::unbounded_channel();
        tokio::spawn(pass_on(heard, say.clone()));
        Ok(Self {
            guests: Guests::new(front.runtimes().to_vec(), Arc::clone(&buffers), news),
            front: Arc::new(front),
            wings: Wings::default(),
            ready: HashMap::new(),
            buffers,
            say,
        })
    }

    fn obey(&mut self, order: Order, files: Vec<OwnedFd>) -> io::Result<()> {
        match order {
            Order::Begin(_) => return Err(io::Error::other("it has begun")),
            Order::Accept { https } => self.accept(https, files)?,
            Order::StopAccepting => self.front.stop_accepting(),
            Order::Lanes { generation, order } => {
                if let Err(error) = self.guests.obey(generation, &order, files) {
                    tracing::error!(%error, "an app's streams cannot be read");
                }
            }
            Order::Probe {
                question,
                generation,
                probe,
            } => self.probe(question, generation, probe),
            Order::Ready {
                question,
                number,
                face,
                generation,
                log,
            } => {
                let log = self.log(log, files);
                let answer = match log.and_then(|log| self.open((&face, generation), log)) {
                    Ok(guest) => {
                        self.ready.insert(number, guest);
                        Answer::Done
                    }
                    Err(failure) => Answer::Failed(failure.message),
                };
                answer_to(&self.say, question, answer);
            }
            Order::Forget { number } => drop(self.ready.remove(&number)),
            Order::Show(bill) => self.show(&bill),
            Order::Keys(keys) => {
                if let Err(error) = self.front.keyring().unpack(&keys) {
                    tracing::error!(%error, "certificates cannot be used");
                }
            }
            Order::Drain { question, within } => {
                let (front, say) = (Arc::clone(&self.front), self.say.clone());
                tokio::spawn(async move {
                    front.drain(Instant::now() + within).await;
                    answer_to(&say, question, Answer::Done);
                });
            }
            Order::Purge {
                question,
                site,
                meant,
            } => {
                let gone = self.front.observer().purge(&site, &meant);
                answer_to(&self.say, question, Answer::Purged(gone));
            }
            Order::CatchUp { question } => answer_to(&self.say, question, Answer::Done),
            Order::Observe { question } => {
                let observer = self.front.observer();
                let (buffers, say) = (Arc::clone(&self.buffers), self.say.clone());
                tokio::spawn(async move {
                    let observed = Observed::of(&observer, &buffers).await;
                    answer_to(&say, question, Answer::Observed(Box::new(observed)));
                });
            }
        }
        Ok(())
    }

    fn accept(&self, https: bool, files: Vec<OwnedFd>) -> io::Result<()> {
        for file in files {
            let listener = Listener::from_fd(file)?;
            let listener = if https { listener.https() } else { listener };
            self.front.accept(&Arc::new(listener));
        }
        Ok(())
    }

    fn probe(&self, question: u64, generation: u64, probe: crate::probe::Probe) {
        let lanes = self.guests.lanes(generation);
        let (say, lane) = (
            self.say.clone(),
            lanes.and_then(|lanes| lanes.into_iter().next()),
        );
        tokio::spawn(async move {
            let answer = match lane {
                None => Answer::Failed("the front has no way to the app".to_owned()),
                Some(lane) => match probe.ask(&lane).await {
                    Ok(_status) => Answer::Done,
                    Err(error) => Answer::Failed(error.to_string()),
                },
            };
            answer_to(&say, question, answer);
        });
    }

    fn open(
        &self,
        (face, generation): (&crate::face::Face, Option<u64>),
        log: Option<(u64, AccessLog)>,
    ) -> Result<Guest, Failure> {
        let lanes = match generation {
            None => None,
            Some(generation) => {
                let lanes = self.guests.lanes(generation);
                Some(lanes.ok_or_else(|| Failure::new("the front has no way to the app"))?)
            }
        };
        let site = face.open(lanes, &self.wings.known(face.name()))?;
        let site = site.logged(log.as_ref().map(|(_, log)| log.clone()));
        let site = Arc::new(site);
        Ok(Guest { site, log })
    }

    /// A site's own log: the one that its state before writes to, if it is the same.
    fn log(
        &self,
        wanted: Option<(u64, Format)>,
        files: Vec<OwnedFd>,
    ) -> Result<Option<(u64, AccessLog)>, Failure> {
        let Some((number, format)) = wanted else {
            return Ok(None);
        };
        let mut known = self.ready.values().filter_map(|guest| guest.log.as_ref());
        if let Some((_, log)) = known.find(|(known, _)| *known == number) {
            return Ok(Some((number, log.clone())));
        }
        let pipe = files.into_iter().next();
        let pipe = pipe.ok_or_else(|| Failure::new("there is no pipe for a site's log"))?;
        let log = AccessLog::open(Sink::Pipe(pipe.into()), format)?;
        Ok(Some((number, log.labelled())))
    }

    fn show(&self, bill: &Playbill) {
        let site = |shown: &Shown| match shown {
            Shown::Site(number) => self.ready.get(number).map(|guest| Arc::clone(&guest.site)),
            Shown::Closed { name, hosts } => {
                Some(Arc::new(FrontSite::closed(&**name, hosts.clone())))
            }
        };
        let billing = Billing {
            sites: bill.sites.iter().filter_map(site).collect(),
            default: bill.default.as_deref(),
            is_alone: bill.is_alone,
        };
        self.wings.show(&self.front, billing);
    }

    fn end(self) {
        drop(self.front);
    }
}

fn answer_to(say: &mpsc::UnboundedSender<Said>, question: u64, answer: Answer) {
    // Nobody listens when we are about to end.
    let _ = say.send(Said::Answer { question, answer });
}

async fn pass_on(
    mut heard: mpsc::UnboundedReceiver<(u64, LaneNews)>,
    say: mpsc::UnboundedSender<Said>,
) {
    while let Some((generation, news)) = heard.recv().await {
        // Nobody listens when we are about to end.
        let _ = say.send(Said::Lanes { generation, news });
    }
}
