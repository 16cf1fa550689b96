//! An inspection as a table for the terminal: what was found, and from where.

use std::fmt::Write;
use std::path::Path;

use crate::app::Vars;
use crate::inspection::{Database, EnvRead, Inspection, Pending, SettingsFrom};

/// Wide enough for the longest label.
const LABEL: usize = 22;

struct Table(String);

impl Table {
    fn row(&mut self, label: &str, value: &str) {
        let _ = writeln!(self.0, "{label:<LABEL$}{value}");
    }

    /// The label stands before the first line only.
    fn rows(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let mut label = label;
        let mut any = false;
        for value in values {
            self.row(label, &value);
            (label, any) = ("", true);
        }
        if !any {
            self.row(label, "none");
        }
    }
}

impl Inspection {
    /// `injected` are the variables that Hotclub itself set (see `learn`); paths are shown relative
    /// to `root`.
    pub fn human(&self, injected: &Vars, root: &Path) -> String {
        let mut table = Table(String::new());
        self.application(&mut table);
        self.security(&mut table);
        self.files(&mut table, root);
        self.data(&mut table, root);
        table.rows(
            "environment read",
            self.env.iter().map(|read| env_line(read, injected)),
        );
        if !self.missing.is_empty() {
            let line = |missing: &crate::inspection::Missing| {
                format!("{} (install {})", missing.needed_by, missing.package)
            };
            table.rows("missing", self.missing.iter().map(line));
        }
        table.0
    }

    fn application(&self, table: &mut Table) {
        let from = match self.settings_from {
            SettingsFrom::Option => "hotclub.toml",
            SettingsFrom::Environment => "DJANGO_SETTINGS_MODULE",
            SettingsFrom::ManagePy => "manage.py",
        };
        table.row("settings", &format!("{} (from {from})", self.settings));
        if let Some(other) = &self.wsgi_settings {
            table.row("", &format!("wsgi.py would choose {other}"));
        }
        let named = |found: &Option<String>, from_settings: bool, setting: &str| match found {
            Some(name) if from_settings => format!("{name} (from {setting})"),
            Some(name) => format!("{name} (found beside the settings)"),
            None => "none".to_owned(),
        };
        table.row(
            "wsgi",
            &named(&self.wsgi, self.wsgi_from_settings, "WSGI_APPLICATION"),
        );
        table.row(
            "asgi",
            &named(&self.asgi, self.asgi_from_settings, "ASGI_APPLICATION"),
        );
        table.row("django", &self.django);
        table.row(
            "python",
            &format!("{} ({})", self.python, self.executable.display()),
        );
    }

    fn security(&self, table: &mut Table) {
        table.row("DEBUG", if self.debug { "on" } else { "off" });
        table.row(
            "SECRET_KEY",
            if self.secret_key_insecure {
                "insecure"
            } else {
                "good"
            },
        );
        table.row("ALLOWED_HOSTS", &listed(&self.allowed_hosts));
        table.row("CSRF_TRUSTED_ORIGINS", &listed(&self.csrf_trusted_origins));
        let header = self.secure_proxy_ssl_header.as_ref();
        let header = header.map_or("none".into(), |(name, value)| format!("{name} = {value}"));
        table.row("proxy's https header", &header);
        table.row(
            "SECURE_SSL_REDIRECT",
            if self.secure_ssl_redirect {
                "on"
            } else {
                "off"
            },
        );
    }

    fn files(&self, table: &mut Table, root: &Path) {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        table.row("STATIC_URL", &text(&self.static_url));
        let path = |found: &Path| shown(found, root);
        table.row(
            "STATIC_ROOT",
            &self.static_root.as_deref().map_or("none".into(), path),
        );
        table.rows(
            "STATICFILES_DIRS",
            self.static_dirs.iter().map(|dir| shown(dir, root)),
        );
        table.row("static storage", &text(&self.static_storage));
        table.row("MEDIA_URL", &text(&self.media_url));
        table.row(
            "MEDIA_ROOT",
            &self.media_root.as_deref().map_or("none".into(), path),
        );
    }

    fn data(&self, table: &mut Table, root: &Path) {
        let line = |(alias, found): &(String, Database)| format!("{alias}: {}", of(found, root));
        table.rows("databases", self.databases.iter().map(line));
        match &self.pending {
            None => {}
            Some(Pending::Migrations(names)) => {
                table.rows("pending migrations", names.iter().cloned());
            }
            Some(Pending::Unknown { message, .. }) => {
                let first = message.lines().next().unwrap_or_default();
                table.row("pending migrations", &format!("unknown: {first}"));
            }
        }
    }
}

fn of(found: &Database, root: &Path) -> String {
    let engine = found
        .engine
        .strip_prefix("django.db.backends.")
        .unwrap_or(&found.engine);
    if found.is_sqlite() {
        return format!("{engine} {}", shown(Path::new(&found.name), root));
    }
    let port = if found.port.is_empty() {
        String::new()
    } else {
        format!(":{}", found.port)
    };
    let at = if found.user.is_empty() {
        String::new()
    } else {
        format!("{}@", found.user)
    };
    let host = if found.host.is_empty() {
        "(local socket)"
    } else {
        &found.host
    };
    format!("{engine} {} at {at}{host}{port}", found.name)
}

fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn listed(values: &[String]) -> String {
    if values.is_empty() {
        "none".into()
    } else {
        values.join(", ")
    }
}

fn env_line(read: &EnvRead, injected: &Vars) -> String {
    let state = if injected.contains_key(&read.name) {
        "set by Hotclub"
    } else if read.set && read.empty {
        "set, empty"
    } else if read.set {
        "set"
    } else {
        "not set"
    };
    format!("{} — {state} ({})", read.name, read.at)
}
