//! Which server blocks make the site, and what they say as a whole.

use super::block::Block;
use super::plain::Scope;
use super::{Site, access, listen, location, pass, plain, redirect};
use crate::placeholder;
use crate::{Reading, draft::Toml};

/// What a server's locations need to know of it.
pub(super) struct Around<'b> {
    pub(super) site: &'b Site<'b>,
    /// `root` of the server.
    pub(super) root: Option<&'b str>,
    pub(super) names: Vec<String>,
}

pub(super) fn all(site: &Site<'_>, reading: &mut Reading<'_>) {
    let mine = chosen(site, reading);
    for server in &site.servers {
        if !mine.iter().any(|other| std::ptr::eq(*other, *server)) {
            reading.ledger.unsupported(
                server.id,
                "this is another site's server",
                "import it into a folder of its own, and let `hotclub host` run both",
            );
        }
    }
    plain::take(&site.shared, Scope::Http, reading);
    for server in &mine {
        names(server, reading);
    }
    for server in &mine {
        one(server, site, reading);
    }
    loose(site, reading);
    pass::upstreams(site, reading);
    access::zones(site, reading);
    body_limit(site, &mine, reading);
}

/// The server that leads to the app, or the first that serves anything, with those that share a name with it or only
/// lead to it.
fn chosen<'b>(site: &Site<'b>, reading: &Reading<'_>) -> Vec<&'b Block> {
    let serves = |server: &&&Block| !redirect::is_only_redirect(server);
    let to_app = |server: &&&Block| pass::leads_to_app(server, site, reading);
    let main = site
        .servers
        .iter()
        .find(to_app)
        .or_else(|| site.servers.iter().find(serves))
        .or(site.servers.first());
    let Some(main) = main else {
        return Vec::new();
    };
    let wanted = server_names(main);
    let shares = |server: &&Block| {
        let names = server_names(server);
        let www = |name: &String| {
            name.strip_prefix("www.")
                .map_or_else(|| format!("www.{name}"), str::to_owned)
        };
        std::ptr::eq(*server, *main)
            || names
                .iter()
                .any(|name| wanted.contains(name) || wanted.contains(&www(name)))
            || (redirect::is_only_redirect(server)
                && (names.is_empty() || redirect::leads_to(server, &wanted)))
            || names.is_empty()
    };
    site.servers.iter().copied().filter(shares).collect()
}

/// Names that are names: `_` and the like mean every name.
pub(super) fn server_names(server: &Block) -> Vec<String> {
    let args = server.all("server_name").flat_map(|block| &block.args);
    let real = args.filter(|name| !matches!(name.as_str(), "_" | "" | "localhost"));
    real.map(|name| name.to_ascii_lowercase()).collect()
}

fn names(server: &Block, reading: &mut Reading<'_>) {
    for block in server.all("server_name") {
        for name in &block.args {
            one_name(name, server, block, reading);
        }
    }
}

fn one_name(name: &str, server: &Block, block: &Block, reading: &mut Reading<'_>) {
    if let Some(placeholder) = placeholder::find(name) {
        let given = reading.options.hosts.clone();
        return match given.is_empty() {
            false => {
                reading.ledger.mended(block.id, format!("`{placeholder}` stands for {}: hosts", given.join(", ")));
                given.into_iter().for_each(|host| reading.draft.top.add("hosts", host));
            }
            true => reading.ledger.open(
                block.id,
                format!("`{placeholder}` is a placeholder"),
                "say the site's name: hotclub import … --host example.com, or hosts = [\"example.com\"] in hotclub.toml; \
                 until then Django's ALLOWED_HOSTS decides",
            ),
        };
    }
    match name {
        "_" | "" => reading
            .ledger
            .taken(block.id, "every host: Django's ALLOWED_HOSTS decides"),
        "localhost" | "127.0.0.1" => reading
            .ledger
            .taken(block.id, "this machine is answered always"),
        name if name.starts_with('~') => {
            reading.ledger.unsupported(
                block.id,
                "hosts are not matched by regular expressions",
                "write each, or *.example.com, in hosts",
            );
        }
        name => {
            let plain = name.strip_prefix('.').unwrap_or(name);
            let mut hosts = vec![plain.to_owned()];
            if plain != name {
                hosts.push(format!("*.{plain}"));
            }
            for host in hosts {
                add_host(&host, server, block, reading);
            }
        }
    }
}

fn add_host(host: &str, server: &Block, block: &Block, reading: &mut Reading<'_>) {
    if !is_host(host) {
        return reading.ledger.open(
            block.id,
            format!("`{host}` is no host that Hotclub takes"),
            "write the site's names in hosts",
        );
    }
    // A server that only leads elsewhere gives its names to `www` or `canonical`.
    let leads = redirect::is_only_redirect(server) && redirect::other_host(server).is_some();
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if leads {
        return redirect::moved(&host, server, block, reading);
    }
    reading.draft.top.add("hosts", host);
    reading.ledger.taken(block.id, "hosts");
}

fn is_host(host: &str) -> bool {
    let text = format!("hosts = [\"{}\"]", host.replace(['"', '\\'], " "));
    hotclub_config::parse(&text, std::path::Path::new("/hotclub.toml")).is_ok()
}

fn one(server: &Block, site: &Site<'_>, reading: &mut Reading<'_>) {
    listen::read(server, reading);
    let around = Around {
        site,
        root: server.find("root").map(|block| block.arg(0)),
        names: server_names(server),
    };
    redirect::of_server(server, &around, reading);
    let rest: Vec<&Block> = server.inside.iter().collect();
    plain::take(&rest, Scope::Server(&around), reading);
    access::read(&rest, "/", reading);
    for block in server.all("location") {
        location::read(block, &around, reading);
    }
    location::whole_root(server, &around, reading);
}

/// A file of locations without the server around them.
fn loose(site: &Site<'_>, reading: &mut Reading<'_>) {
    let around = Around {
        site,
        root: None,
        names: Vec::new(),
    };
    for block in &site.loose {
        match block.name.as_str() {
            "location" => location::read(block, &around, reading),
            _ => reading.ledger.open(
                block.id,
                "this belongs into a server block",
                "name the file that holds the server",
            ),
        }
    }
}

/// NGINX's own limit is 1 MB, and pictures are larger.
fn body_limit(site: &Site<'_>, mine: &[&Block], reading: &mut Reading<'_>) {
    let has = |blocks: &[&Block]| {
        blocks
            .iter()
            .any(|block| block.name == "client_max_body_size")
    };
    let in_server = mine
        .iter()
        .any(|server| server.find("client_max_body_size").is_some());
    if mine.is_empty() || in_server || has(&site.shared) {
        return;
    }
    let set = matches!(
        reading.draft.table("limits").get("max_body"),
        Some(Toml::Text(_))
    );
    if !set {
        let said =
            "no client_max_body_size: NGINX refused uploads above 1 MB (413). Hotclub takes 100 MB";
        let hint = "another limit: [limits] max_body = \"20MB\"";
        reading.ledger.note(
            crate::Fate::Mended,
            "client_max_body_size",
            said,
            Some(hint.to_owned()),
        );
    }
}
