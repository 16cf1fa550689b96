//! The commands that ask a running host and show what it answers.

pub(crate) mod env;
mod listing;
mod overview;
mod pack;
pub(crate) mod top;

use crate::cli::{
    At, DeployArgs, LogsArgs, ReleasesArgs, ReloadArgs, RemoveArgs, RestartArgs, RollbackArgs,
    StatusArgs,
};
use crate::console::{Console, Failure};
use crate::control::{Answered, Client, Request, print};
use crate::host::Status;

pub(crate) async fn deploy(args: &DeployArgs, console: &Console) -> Result<(), Failure> {
    console.begin("pack");
    let source = pack::Source::find(&args.what).await?;
    let site = match &args.site {
        Some(site) => site.clone(),
        None => source.name()?,
    };
    let request = Request::Deploy {
        site: site.clone(),
        from: source.from().to_owned(),
        bytes: source.size()?,
    };
    let mut client = Client::connect(&args.at.control).await?;
    client.say(&request.asked()).await?;
    client.wanted(console).await?;
    console.begin("pack");
    let parcel = source.pack().await?;
    console.done(&pack::shown(parcel.metadata()?.len()));
    client.send(parcel).await?;
    let answered = client.answer(console).await?;
    said(&args.at, &answered, console, || {
        let seconds = answered["seconds"].as_f64().unwrap_or_default();
        format!(
            "{site} serves release {} after {seconds:.1} s; the old one is gone",
            answered["release"]
        )
    })
}

pub(crate) async fn rollback(args: &RollbackArgs, console: &Console) -> Result<(), Failure> {
    let request = Request::Rollback {
        site: args.site.clone(),
        release: args.release,
        anyway: args.anyway,
    };
    let answered = ask(&args.at, request, console).await?;
    said(&args.at, &answered, console, || {
        let seconds = |key: &str| answered[key].as_f64().unwrap_or_default();
        format!(
            "{} serves release {} again, in place of {}, after {:.1} s; the old one was gone after {:.1} s",
            args.site,
            answered["release"],
            answered["before"],
            seconds("live_after"),
            seconds("seconds"),
        )
    })
}

pub(crate) async fn releases(args: &ReleasesArgs, console: &Console) -> Result<(), Failure> {
    let site = args.site.clone();
    let answered = ask(&args.at, Request::Releases { site }, console).await?;
    match args.at.json {
        true => print(&answered),
        false => listing::print(&answered),
    }
}

pub(crate) async fn reload(args: &ReloadArgs, console: &Console) -> Result<(), Failure> {
    let site = args.site.clone();
    let request = Request::Reload { site: site.clone() };
    let answered = ask(&args.at, request, console).await?;
    said(&args.at, &answered, console, || match &site {
        Some(site) => format!("{site} serves what its files say now"),
        None => "every site is reloaded: `hotclub status` shows what came of it".to_owned(),
    })
}

pub(crate) async fn restart(args: &RestartArgs, console: &Console) -> Result<(), Failure> {
    let site = args.site.clone();
    let answered = ask(&args.at, Request::Restart { site }, console).await?;
    said(&args.at, &answered, console, || {
        format!("{} was started anew", args.site)
    })
}

pub(crate) async fn remove(args: &RemoveArgs, console: &Console) -> Result<(), Failure> {
    let request = Request::Remove {
        site: args.site.clone(),
        data: args.data,
    };
    let answered = ask(&args.at, request, console).await?;
    said(&args.at, &answered, console, || {
        match answered["kept"].as_str() {
            Some(kept) => format!(
                "{} is no longer served; all it kept is in {kept}",
                args.site
            ),
            None => format!("{} is gone, with all it kept", args.site),
        }
    })
}

pub(crate) async fn status(args: &StatusArgs, console: &Console) -> Result<(), Failure> {
    let site = args.site.clone();
    let answered = ask(&args.at, Request::Status { site, brief: false }, console).await?;
    if args.at.json {
        return print(&answered);
    }
    let status: Status = serde_json::from_value(answered)?;
    overview::print(&status)
}

pub(crate) async fn logs(args: &LogsArgs, console: &Console) -> Result<(), Failure> {
    let request = Request::Logs {
        site: args.site.clone(),
        lines: args.lines,
        follow: args.follow,
    };
    ask(&args.at, request, console).await.map(drop)
}

async fn ask(at: &At, request: Request, console: &Console) -> Result<Answered, Failure> {
    Client::ask(&at.control, request, console).await
}

/// An answer for people, or for scripts.
fn said(
    at: &At,
    answered: &Answered,
    console: &Console,
    human: impl FnOnce() -> String,
) -> Result<(), Failure> {
    if at.json {
        return print(answered);
    }
    console.said(&human());
    Ok(())
}
