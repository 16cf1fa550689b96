//! `hotclub env`.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::{ask, said};
use crate::cli::{EnvArgs, EnvCommand};
use crate::console::{Console, Failure};
use crate::control::{Answered, Request, print};

pub(crate) async fn run(args: &EnvArgs, console: &Console) -> Result<(), Failure> {
    let site = args.site.clone();
    match &args.command {
        EnvCommand::Set { variables } => change(args, assigned(variables)?, &[], console).await,
        EnvCommand::Unset { names } => change(args, BTreeMap::new(), names, console).await,
        EnvCommand::List { show } => {
            let request = Request::EnvList { site, show: *show };
            let answered = ask(&args.at, request, console).await?;
            match args.at.json {
                true => print(&answered),
                false => list(&answered),
            }
        }
        EnvCommand::Explain { name, show } => {
            let (name, show) = (name.clone(), *show);
            let request = Request::EnvExplain { site, name, show };
            let answered = ask(&args.at, request, console).await?;
            match args.at.json {
                true => print(&answered),
                false => explain(&answered),
            }
        }
    }
}

async fn change(
    args: &EnvArgs,
    set: BTreeMap<String, String>,
    unset: &[String],
    console: &Console,
) -> Result<(), Failure> {
    let request = Request::Env {
        site: args.site.clone(),
        set,
        unset: unset.to_vec(),
    };
    let answered = ask(&args.at, request, console).await?;
    said(&args.at, &answered, console, || {
        format!("{} serves with it", args.site)
    })
}

fn assigned(variables: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut set = BTreeMap::new();
    for variable in variables {
        let (name, value) = match variable.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => (variable.as_str(), from_stdin()?),
        };
        set.insert(name.to_owned(), value);
    }
    Ok(set)
}

fn from_stdin() -> Result<String, Failure> {
    let mut value = String::new();
    std::io::stdin().read_to_string(&mut value)?;
    Ok(value.trim_end_matches(['\n', '\r']).to_owned())
}

fn list(answered: &Answered) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    for variable in answered["variables"].as_array().into_iter().flatten() {
        writeln!(stdout, "{}", line(variable))?;
    }
    Ok(())
}

fn line(variable: &Answered) -> String {
    let text = |key: &str| variable[key].as_str().unwrap_or_default();
    format!("{}={}  ({})", text("name"), text("value"), text("from"))
}

fn explain(answered: &Answered) -> Result<(), Failure> {
    let name = answered["name"].as_str().unwrap_or_default();
    let mut stdout = std::io::stdout().lock();
    match &answered["set"] {
        Answered::Null => writeln!(stdout, "{name} is not set")?,
        set => writeln!(stdout, "{}", line(set))?,
    }
    let read = match (
        answered["read_at"].as_str(),
        answered["has_default"].as_bool(),
    ) {
        (Some(at), Some(true)) => format!("the settings read it at {at}, and have a default"),
        (Some(at), _) => format!("the settings read it at {at}"),
        (None, _) => "the settings were not seen to read it".to_owned(),
    };
    writeln!(stdout, "{read}")?;
    Ok(())
}
