//! The unit that starts `hotclub up` with the machine. docs/operating.md explains each of its lines.

use hotclub_config::{Listen, Site};

use super::File;
use crate::console::Failure;

pub(super) fn files(site: &Site, user: Option<&str>) -> Result<Vec<File>, Failure> {
    let program = std::env::current_exe()?;
    let dir = site.dir.display().to_string();
    let user = user.unwrap_or(&site.name);
    if [dir.as_str(), user]
        .iter()
        .any(|text| text.contains(['\n', '%', '"']))
    {
        return Err(
            Failure::new("the folder's or the user's name cannot stand in a unit").hint(
                "names with a line break, a quote or % have a meaning of their own for systemd",
            ),
        );
    }
    let low =
        site.server.listen.iter().any(
            |listen| matches!(listen, Listen::Tcp(at) | Listen::Https(at) if at.port() < 1024),
        );
    let capability = match low {
        true => "AmbientCapabilities=CAP_NET_BIND_SERVICE\n",
        false => "",
    };
    let text = format!(
        "[Unit]\nDescription={name}\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nType=notify\nNotifyAccess=all\nWatchdogSec=30\nTimeoutStartSec=600\nUser={user}\n\
         WorkingDirectory={dir}\nExecStart=\"{program}\" up \"{dir}\"\nExecReload=/bin/kill -HUP $MAINPID\n\
         KillMode=mixed\nTimeoutStopSec=90\nRestart=always\nLimitNOFILE=65536\n{capability}NoNewPrivileges=true\n\
         ProtectSystem=full\n\n[Install]\nWantedBy=multi-user.target\n",
        name = site.name,
        program = program.display(),
    );
    Ok(vec![File::new("hotclub.service", text)])
}
