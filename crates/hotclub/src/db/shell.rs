//! `hotclub db shell`: psql with the right socket, role and password, on the terminal that there is.

use hotclub_postgres::backup::Source;

use super::holdings::Data;
use crate::cli::ShellArgs;
use crate::console::{Console, Failure};
use crate::signals::Signals;

pub(super) async fn run(args: &ShellArgs, console: &Console) -> Result<(), Failure> {
    // Ctrl-C is psql's: it ends a query, not the shell.
    let _signals = Signals::listen()?;
    let data = Data::open(&args.dir, console).await?;
    let outcome = psql(&data, args).await;
    data.close().await;
    outcome
}

async fn psql(data: &Data, args: &ShellArgs) -> Result<(), Failure> {
    let Source::Postgres(access) = &data.holdings.database else {
        let hint = format!("hotclub manage {} -- dbshell", args.dir.display());
        return Err(Failure::new("the site's database is SQLite").hint(hint));
    };
    let login = match args.admin {
        true => access.admin(access.database()),
        false => access.app().clone(),
    };
    let mut psql = tokio::process::Command::new(access.programs().path("psql"));
    for (name, value) in login.env() {
        psql.env(name, value.expose());
    }
    let status = psql.args(&args.args).kill_on_drop(true).status().await;
    let status = status.map_err(|error| {
        Failure::new(format!("psql cannot be run: {error}"))
            .hint("apt-get install postgresql-client")
    })?;
    match status.success() {
        true => Ok(()),
        false => {
            Err(Failure::new(format!("psql ended with {status}")).hint("what it said stands above"))
        }
    }
}
