//! `hotclub passwd NAME`: a line for a file of users, by argon2 with the library's own cost.

use std::io::{IsTerminal, Write};

use crate::cli::PasswdArgs;
use crate::console::Failure;

pub(crate) fn run(args: &PasswdArgs) -> Result<(), Failure> {
    if args.name.is_empty() || args.name.contains([':', '\n', '\r']) || args.name.starts_with('#') {
        return Err(
            Failure::new("this cannot be a user's name").hint("no colon, and no `#` at its start")
        );
    }
    if std::io::stdin().is_terminal() {
        write!(std::io::stderr(), "password (it is shown): ")?;
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::new("there is no password")
            .hint("give it on standard input: one line, without a name"));
    }
    let hash = hotclub_front::password_hash(password.as_bytes())?;
    writeln!(std::io::stdout(), "{}:{hash}", args.name)?;
    Ok(())
}
