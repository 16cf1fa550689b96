//! What services of every part have in common: the keys that Hotclub sees to by itself, and those that it has no equal
//! for.

use std::path::{Path, PathBuf};

use super::tree::{Kind, Leaf};
use crate::ledger::Fate;
use crate::{Reading, shelf, words};

pub(crate) struct Service<'a> {
    pub(crate) name: &'a str,
    pub(crate) leaf: &'a Leaf,
    /// The folder of the Compose file.
    pub(crate) dir: &'a Path,
}

/// What a key is to Hotclub, whatever the service.
const COMMON: [(&str, Fate, &str, &str); 46] = [
    (
        "container_name",
        Fate::Taken,
        "not needed: there is no container to name",
        "",
    ),
    (
        "hostname",
        Fate::Taken,
        "not needed: nothing is found by a container's name",
        "",
    ),
    (
        "expose",
        Fate::Taken,
        "not needed: between front and app there is no port",
        "",
    ),
    (
        "networks",
        Fate::Taken,
        "not needed: app and database meet on private sockets",
        "",
    ),
    (
        "links",
        Fate::Taken,
        "not needed: nothing is found by a container's name",
        "",
    ),
    (
        "labels",
        Fate::Taken,
        "labels are for tools around Docker; Hotclub routes by `hosts`",
        "",
    ),
    (
        "annotations",
        Fate::Taken,
        "not needed without a container",
        "",
    ),
    (
        "init",
        Fate::Taken,
        "not needed: Hotclub reaps what workers leave behind",
        "",
    ),
    (
        "tty",
        Fate::Taken,
        "not needed: nothing reads a terminal",
        "",
    ),
    (
        "stdin_open",
        Fate::Taken,
        "not needed: nothing reads a terminal",
        "",
    ),
    (
        "logging",
        Fate::Taken,
        "Hotclub writes to stdout and stderr, or to files under [log]",
        "",
    ),
    (
        "pull_policy",
        Fate::Taken,
        "not needed: no image is pulled",
        "",
    ),
    (
        "platform",
        Fate::Taken,
        "not needed: no image is pulled",
        "",
    ),
    (
        "shm_size",
        Fate::Taken,
        "not needed: the host's shared memory is used",
        "",
    ),
    (
        "user",
        Fate::Taken,
        "not needed: everything runs as the user that starts Hotclub",
        "",
    ),
    (
        "read_only",
        Fate::Taken,
        "not needed without a container",
        "",
    ),
    ("cap_add", Fate::Taken, "not needed without a container", ""),
    (
        "cap_drop",
        Fate::Taken,
        "not needed without a container",
        "",
    ),
    (
        "security_opt",
        Fate::Taken,
        "not needed without a container",
        "",
    ),
    (
        "stop_signal",
        Fate::Taken,
        "Hotclub ends what it started by SIGTERM and a drain",
        "",
    ),
    (
        "oom_kill_disable",
        Fate::Taken,
        "not needed: [app] max_memory recycles a worker in time",
        "",
    ),
    (
        "oom_score_adj",
        Fate::Taken,
        "not needed: [app] max_memory recycles a worker in time",
        "",
    ),
    (
        "tmpfs",
        Fate::Taken,
        "not needed: temporary files go where TMPDIR says",
        "",
    ),
    (
        "develop",
        Fate::Taken,
        "watching files is `hotclub up --reload`",
        "",
    ),
    ("attach", Fate::Taken, "all of it logs to one place", ""),
    (
        "privileged",
        Fate::Unsupported,
        "no program is given more rights than Hotclub has",
        "look why it was needed",
    ),
    (
        "ulimits",
        Fate::Unsupported,
        "limits of the kernel are not set",
        "set them in the systemd unit: LimitNOFILE=…",
    ),
    (
        "sysctls",
        Fate::Unsupported,
        "the kernel's settings are not touched",
        "set them in /etc/sysctl.d",
    ),
    (
        "extra_hosts",
        Fate::Unsupported,
        "names are not added",
        "put them into /etc/hosts",
    ),
    (
        "dns",
        Fate::Unsupported,
        "the host's resolver is used",
        "set it in /etc/resolv.conf",
    ),
    (
        "dns_search",
        Fate::Unsupported,
        "the host's resolver is used",
        "set it in /etc/resolv.conf",
    ),
    (
        "devices",
        Fate::Unsupported,
        "devices are not handed over",
        "give the user that runs Hotclub access to them",
    ),
    (
        "network_mode",
        Fate::Unsupported,
        "networks are not chosen",
        "with network_mode: host nothing changes; else look what it was for",
    ),
    (
        "pid",
        Fate::Unsupported,
        "namespaces are not chosen",
        "look what it was for",
    ),
    (
        "ipc",
        Fate::Unsupported,
        "namespaces are not chosen",
        "look what it was for",
    ),
    (
        "profiles",
        Fate::Unsupported,
        "profiles are not known: the service is taken as if it were always there",
        "remove from hotclub.toml what should not run",
    ),
    (
        "extends",
        Fate::Unsupported,
        "what a service extends is not followed",
        "import the output of `docker compose config` instead",
    ),
    (
        "scale",
        Fate::Unsupported,
        "a service is not multiplied",
        "[app] workers says how many processes serve",
    ),
    (
        "mem_limit",
        Fate::Unsupported,
        "a container's memory limit has no equal",
        "[app] max_memory = \"512MB\" recycles a worker; MemoryMax= in the systemd unit limits all",
    ),
    (
        "mem_reservation",
        Fate::Unsupported,
        "memory is not reserved",
        "MemoryLow= in the systemd unit",
    ),
    (
        "memswap_limit",
        Fate::Unsupported,
        "swap is not limited",
        "MemorySwapMax= in the systemd unit",
    ),
    (
        "cpus",
        Fate::Unsupported,
        "processor time is not limited",
        "[app] workers, or CPUQuota= in the systemd unit",
    ),
    (
        "secrets",
        Fate::Unsupported,
        "secrets are not mounted",
        "put the values into an env file of mode 0600, or let the settings read the files where they are",
    ),
    (
        "configs",
        Fate::Unsupported,
        "configs are not mounted",
        "let the settings read the files where they are",
    ),
    (
        "volumes_from",
        Fate::Unsupported,
        "volumes of other services are not followed",
        "name the folders under [[files]]",
    ),
    (
        "gpus",
        Fate::Unsupported,
        "devices are not handed over",
        "give the user that runs Hotclub access to them",
    ),
];

impl Service<'_> {
    /// Judges what is the same for every service; `seen` are the keys that the part has dealt with.
    pub(super) fn rest(&self, seen: &[&str], reading: &mut Reading<'_>) {
        for (key, leaf) in self.leaf.entries() {
            if seen.contains(&key.as_str()) {
                continue;
            }
            match key.as_str() {
                "restart" => self.restart(leaf, reading),
                "depends_on" => self.depends_on(leaf, reading),
                "deploy" => deploy(leaf, reading),
                "stop_grace_period" => stop_grace_period(leaf, reading),
                key if key.starts_with("x-") => reading
                    .ledger
                    .taken(leaf.id, "an extension, which sets nothing"),
                key => common(key, leaf, reading),
            }
        }
        if self.leaf.get("restart").is_none() && !seen.contains(&"restart") {
            self.no_restart(reading);
        }
    }

    fn restart(&self, leaf: &Leaf, reading: &mut Reading<'_>) {
        match leaf.text().unwrap_or_default() {
            "no" => self.no_restart(reading),
            _ => reading.ledger.taken(
                leaf.id,
                "Hotclub starts again what dies, and systemd starts Hotclub",
            ),
        }
    }

    fn no_restart(&self, reading: &mut Reading<'_>) {
        if self
            .leaf
            .get("deploy")
            .is_some_and(|deploy| deploy.get("restart_policy").is_some())
        {
            return;
        }
        reading.ledger.mended(
            self.leaf.id,
            "no restart policy: after a crash or a reboot nothing came back. Hotclub starts again what dies; \
             `hotclub export systemd` writes the unit that starts it with the machine",
        );
    }

    fn depends_on(&self, leaf: &Leaf, reading: &mut Reading<'_>) {
        let bare = leaf.entries().iter().any(|(_, leaf)| {
            leaf.text_of("condition")
                .is_none_or(|condition| condition == "service_started")
        });
        let strangers = leaf
            .names()
            .into_iter()
            .filter(|name| reading.stack.strangers.iter().any(|known| known == name));
        let strangers = strangers.map(str::to_owned).collect::<Vec<_>>().join(", ");
        match (strangers.is_empty(), bare) {
            (false, _) => reading.ledger.open(
                leaf.id,
                format!("Hotclub does not start {strangers}"),
                "keep it running by other means, and start it before Hotclub (After= in the systemd unit)",
            ),
            (true, true) => reading.ledger.mended(
                leaf.id,
                "it waited for a start, not for an answer: Hotclub waits until the database answers a query",
            ),
            (true, false) => reading.ledger.taken(leaf.id, "Hotclub waits until the database answers a query"),
        }
    }

    /// A whole service that stays outside.
    pub(super) fn stranger(&self, said: &str, hint: &str, reading: &mut Reading<'_>) {
        reading.stack.strangers.push(self.name.to_owned());
        reading.ledger.unsupported(self.leaf.id, said, hint);
    }

    pub(super) fn unknown(&self, reading: &mut Reading<'_>) {
        let image = self.leaf.text_of("image").unwrap_or("its image");
        let said = format!("Hotclub does not run {image}");
        let name = self.name;
        let hint = format!(
            "install it on the host, or keep it: `docker compose up -d {name}` with its port on 127.0.0.1 only, \
             and put 127.0.0.1 where the settings have `{name}`"
        );
        self.stranger(&said, &hint, reading);
    }
}

fn common(key: &str, leaf: &Leaf, reading: &mut Reading<'_>) {
    match COMMON.iter().find(|(name, ..)| *name == key) {
        Some((_, Fate::Taken, said, _)) => reading.ledger.taken(leaf.id, *said),
        Some((_, _, said, hint)) => reading.ledger.unsupported(leaf.id, *said, *hint),
        // The ledger reports it as unknown, its children one by one.
        None => {}
    }
}

fn deploy(leaf: &Leaf, reading: &mut Reading<'_>) {
    for (key, leaf) in leaf.entries() {
        match key.as_str() {
            "restart_policy" => reading.ledger.taken(leaf.id, "Hotclub starts again what dies"),
            "replicas" | "mode" => reading.ledger.unsupported(leaf.id, "a service is not multiplied", "[app] workers says how many processes serve"),
            "resources" => reading.ledger.unsupported(
                leaf.id,
                "a container's limits have no equal",
                "[app] max_memory recycles a worker; MemoryMax= and CPUQuota= in the systemd unit limit all",
            ),
            "update_config" | "rollback_config" => {
                reading.ledger.taken(leaf.id, "a new generation is started beside the old one, probed, and swapped in");
            }
            "labels" | "endpoint_mode" | "placement" => reading.ledger.taken(leaf.id, "not needed on one machine"),
            _ => {}
        }
    }
}

fn stop_grace_period(leaf: &Leaf, reading: &mut Reading<'_>) {
    let text = leaf.text().unwrap_or_default();
    let seconds = text
        .strip_suffix('s')
        .or(Some(text))
        .and_then(|digits| digits.parse::<u64>().ok());
    match seconds {
        Some(seconds) => {
            reading
                .draft
                .table("app")
                .set("graceful_timeout", format!("{seconds}s"));
            reading.ledger.taken(leaf.id, "[app] graceful_timeout");
        }
        None => reading.ledger.open(
            leaf.id,
            "this duration is not read",
            "write [app] graceful_timeout = \"30s\"",
        ),
    }
}

/// A command in either shape, as one text.
pub(super) fn command_text(leaf: &Leaf) -> Option<String> {
    match &leaf.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::List(list) => {
            let words: Vec<String> = list
                .iter()
                .filter_map(Leaf::text)
                .map(str::to_owned)
                .collect();
            Some(words::joined(&words))
        }
        _ => None,
    }
}

/// The build's context and Dockerfile.
pub(super) fn dockerfile_of(service: &Leaf, dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let build = service.get("build")?;
    let context = build
        .text()
        .or_else(|| build.text_of("context"))
        .unwrap_or(".");
    if context.contains("://") || build.get("dockerfile_inline").is_some() {
        return None;
    }
    let context = shelf::joined(dir, context);
    let file = shelf::joined(
        &context,
        build.text_of("dockerfile").unwrap_or("Dockerfile"),
    );
    Some((context, file))
}
