//! Whoever asks an authority is a process of its own, without rights: it is sent with one errand and ends with it.
//!
//! It reads what comes from the network, so it may not read the state folder, where accounts and keys lie, and may not
//! write, run or signal anything. What it is to know it is told; what it brings is looked at (`hotclub_acme::Office`).

use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hotclub_acme::{Clerk, Errand, Hear, Office, Outcome, Trouble, Word};
use hotclub_supervise::{Process, RunAs};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::sync::{Mutex, mpsc};

use crate::apart::{Bonds, Socket, first};
use crate::cli::AcmeArgs;
use crate::console::Failure;

/// What it reads once it is confined: where names lead.
const READS: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
];
/// Answers of authorities have no end that we know of; the memory for them has.
const MEMORY: u64 = 256 << 20;
/// It has nothing left to do once it has said its last word.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where clerks are sent from that run as `user`; `None`: as we do.
pub(crate) fn office(user: Option<RunAs>) -> Office {
    Office::new(Arc::new(move |errand, hear| {
        Box::pin(async move {
            let sent = send(&errand, hear, user).await;
            sent.unwrap_or_else(|error| Err(Trouble::Clerk(error.to_string())))
        })
    }))
}

async fn send(
    errand: &Errand,
    mut hear: Hear,
    user: Option<RunAs>,
) -> io::Result<Result<Outcome, Trouble>> {
    let (socket, theirs) = Socket::pair()?;
    // It is killed when this is dropped.
    let mut process = Process::spawn(command(theirs.into(), user), None)?;
    socket.send(errand, &[]).await?;
    while let Some(word) = socket.receive_short().await? {
        match word {
            Word::Done(outcome) => {
                process.wait_or_kill(FAREWELL).await?;
                return Ok(Ok(outcome));
            }
            word => {
                if let Err(trouble) = hear(word) {
                    return Ok(Err(trouble));
                }
                socket.send(&(), &[]).await?;
            }
        }
    }
    process.wait_or_kill(FAREWELL).await?;
    Err(io::Error::other("it ended before its last word"))
}

fn command(socket: Stdio, user: Option<RunAs>) -> Command {
    // What runs now, also when another program lies in its place meanwhile.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("hotclub").arg("acme");
    if let Some(RunAs { uid, gid }) = user {
        command.arg("--user").arg(format!("{uid}:{gid}"));
    }
    command.env_clear();
    for name in [
        "HOTCLUB_LOG",
        "RUST_BACKTRACE",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .stdin(socket)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

/// Runs until the errand is done, or nobody waits for it any more. To be called while there is but one thread.
pub(crate) fn main(args: &AcmeArgs) -> Result<(), Failure> {
    let socket = crate::sys::adopt(0).ok_or_else(|| {
        Failure::new("`hotclub acme` is started by `hotclub host` and `hotclub up` alone")
    })?;
    // Whatever opens descriptors from here on finds 0 taken.
    let socket = rustix::io::fcntl_dupfd_cloexec(&socket, 3)?;
    // Only a name.
    let _ = rustix::thread::set_name(c"hotclub-acme");
    let clerk = Clerk::new(first(&socket)?);
    confine(args.user).map_err(|error| {
        Failure::new(format!(
            "the process that asks authorities cannot be confined: {error}"
        ))
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(async { run(clerk, &Socket::of(socket)?).await })?)
}

fn confine(user: Option<RunAs>) -> io::Result<()> {
    let most = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    setrlimit(Resource::Data, most)?;
    let bonds = Bonds {
        root: None,
        reads: READS.iter().map(PathBuf::from).collect(),
        spool: None,
        user,
    };
    bonds.put_on().map(drop)
}

async fn run(clerk: Clerk, socket: &Socket) -> io::Result<()> {
    let (heard, hearing) = mpsc::channel::<()>(1);
    let hearing = Mutex::new(hearing);
    let say = async |word: Word| {
        socket.send(&word, &[]).await?;
        if matches!(word, Word::Done(_)) {
            return Ok(());
        }
        let answer = hearing.lock().await.recv().await;
        answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    };
    // Ends with whoever sent us, whatever we wait for.
    let listening = async {
        while let Some(((), _)) = socket.receive().await? {
            // Room for it there is: only one word is said at a time.
            let _ = heard.try_send(());
        }
        Ok(())
    };
    tokio::select! {
        outcome = clerk.run(say) => outcome,
        outcome = listening => outcome,
    }
}
