//! Why a database did not answer: one name for each thing that a person would do something else about.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

/// The cause of a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("nothing listens there")]
    NothingListens,
    #[error("there is no socket")]
    NoSocket,
    #[error("this user may not open the socket")]
    SocketForbidden,
    #[error("the host name is not known")]
    HostUnknown,
    #[error("the host does not answer")]
    Silent,
    #[error("wrong password, or no such user")]
    WrongPassword,
    #[error("the password is missing")]
    PasswordMissing,
    #[error("the user does not exist")]
    RoleMissing,
    #[error("the database does not exist")]
    DatabaseMissing,
    #[error("the server's rules do not let this user in ({0})")]
    Forbidden(String),
    #[error("it wants TLS")]
    WantsTls,
    #[error("TLS is required, but the server does not offer it")]
    NoTls,
    #[error("it is still starting up")]
    StartingUp,
    #[error("it is shutting down")]
    ShuttingDown,
    #[error("it has no connection left")]
    TooManyConnections,
    #[error("what answers there is not PostgreSQL")]
    NotPostgres,
    #[error("{0}")]
    Other(String),
}

impl Cause {
    /// How long this may last before it is believed; `None`: until the deadline, for waiting may heal it.
    pub(super) fn grace(&self) -> Option<Duration> {
        match self {
            Cause::WrongPassword
            | Cause::PasswordMissing
            | Cause::RoleMissing
            | Cause::DatabaseMissing
            | Cause::Forbidden(_)
            | Cause::SocketForbidden
            | Cause::NoTls => Some(Duration::from_secs(3)),
            // Names of containers appear when the container does.
            Cause::HostUnknown => Some(Duration::from_secs(10)),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Cause::NothingListens => "is the database running, and are host and port right?",
            Cause::NoSocket => "is the database running, and is this the folder of its socket?",
            Cause::SocketForbidden => {
                "the folder of the socket must be open to the user that the app runs as"
            }
            Cause::HostUnknown => {
                "check the host's spelling; names of Compose services are known inside containers only"
            }
            Cause::Silent => "a firewall may drop the packets, or the server hangs",
            Cause::WrongPassword => {
                "check user and password; a PostgreSQL container keeps the password of its first start, whatever the env file says now"
            }
            Cause::PasswordMissing => {
                "the server asks for a password: put it into the URL or the env file"
            }
            Cause::RoleMissing => "create it (createuser), or correct the user's name",
            Cause::DatabaseMissing => "create it (createdb), or correct the database's name",
            Cause::Forbidden(_) => "the server's pg_hba.conf decides who may log in from where",
            Cause::WantsTls => "add sslmode=require to the URL",
            Cause::NoTls => "remove sslmode from the URL, or switch TLS on at the server",
            Cause::StartingUp => {
                "it may be recovering from a crash: give it more time with wait = \"5m\" in [database]"
            }
            Cause::ShuttingDown => "start it again",
            Cause::TooManyConnections => {
                "end other clients, or raise max_connections; workers × threads must fit into it"
            }
            Cause::NotPostgres => "check host and port: another program listens there",
            Cause::Other(_) => "the database's log may say more",
        }
    }

    pub(crate) fn of(error: &tokio_postgres::Error) -> Cause {
        if let Some(error) = error.as_db_error() {
            return of_answer(error.code(), error.message());
        }
        let cause = error.source();
        if let Some(io) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
            return of_io(io);
        }
        let text = cause.map_or_else(|| error.to_string(), ToString::to_string);
        match text.as_str() {
            "password missing" => Cause::PasswordMissing,
            // The driver gives up on bytes that are no message of the protocol.
            _ if error.to_string().starts_with("unexpected message") => Cause::NotPostgres,
            _ if error.is_closed() => Cause::Other("it closed the connection".to_owned()),
            _ => Cause::Other(text),
        }
    }
}

fn of_answer(code: &SqlState, message: &str) -> Cause {
    let said = |words: &str| message.contains(words);
    match *code {
        SqlState::INVALID_PASSWORD => Cause::WrongPassword,
        SqlState::INVALID_CATALOG_NAME => Cause::DatabaseMissing,
        SqlState::TOO_MANY_CONNECTIONS => Cause::TooManyConnections,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => Cause::ShuttingDown,
        SqlState::CANNOT_CONNECT_NOW if said("shutting down") => Cause::ShuttingDown,
        SqlState::CANNOT_CONNECT_NOW => Cause::StartingUp,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION if said("does not exist") => {
            Cause::RoleMissing
        }
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            if said("no encryption") || said("SSL off") =>
        {
            Cause::WantsTls
        }
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => Cause::Forbidden(message.to_owned()),
        _ => Cause::Other(format!("{message} ({})", code.code())),
    }
}

pub(super) fn of_io(error: &io::Error) -> Cause {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Cause::NothingListens,
        io::ErrorKind::NotFound => Cause::NoSocket,
        io::ErrorKind::PermissionDenied => Cause::SocketForbidden,
        io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => Cause::Silent,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Cause::NotPostgres,
        // The C library's resolver has no kind of its own.
        _ if error.to_string().contains("failed to lookup address") => Cause::HostUnknown,
        _ => Cause::Other(error.to_string()),
    }
}
