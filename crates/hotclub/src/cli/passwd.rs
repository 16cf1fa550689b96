//! `hotclub passwd`.

#[derive(Debug, clap::Args)]
pub(crate) struct PasswdArgs {
    /// The user's name; the password is read from standard input, one line
    pub(crate) name: String,
}
