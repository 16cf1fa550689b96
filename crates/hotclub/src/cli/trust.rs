//! `hotclub trust`.

#[derive(Debug, clap::Args)]
pub(crate) struct TrustArgs {
    /// Take the local authority out of all stores again, and delete it
    #[arg(long)]
    pub(crate) uninstall: bool,

    /// Only this store: the system's (curl, Python, most programs; needs root), or those of browsers (repeatable)
    #[arg(long = "store", value_name = "STORE", value_enum)]
    pub(crate) stores: Vec<Store>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Store {
    System,
    Browsers,
}

impl TrustArgs {
    pub(crate) fn wants(&self, store: Store) -> bool {
        self.stores.is_empty() || self.stores.contains(&store)
    }
}
