//! The host as systemd sees it: it gets its listening sockets from there, so that it needs no right to open them, and
//! visitors who come while it starts anew wait a moment and are not refused.

/// File names and texts.
pub(super) fn files(user: &str) -> [(&'static str, String); 2] {
    [
        ("hotclub.socket", SOCKET.to_owned()),
        ("hotclub.service", service(user)),
    ]
}

const SOCKET: &str = "\
[Unit]
Description=Hotclub's listening sockets

[Socket]
ListenStream=0.0.0.0:80
ListenStream=[::]:80
BindIPv6Only=ipv6-only
Backlog=4096
NoDelay=true

[Install]
WantedBy=sockets.target
";

fn service(user: &str) -> String {
    format!(
        "\
[Unit]
Description=Hotclub, all sites of this server
Wants=network-online.target
After=network-online.target
Requires=hotclub.socket
After=hotclub.socket
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={user}
Group={user}
ExecStart=/usr/local/bin/hotclub host --control-group {user}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
# The first start of a site installs what it depends on.
TimeoutStartSec=30min
# Databases write what they have in memory.
TimeoutStopSec=3min
KillMode=mixed
LimitNOFILE=524288
RuntimeDirectory=hotclub
RuntimeDirectoryPreserve=yes
StateDirectory=hotclub
Environment=HOME=/var/lib/hotclub

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=full
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0022

[Install]
WantedBy=multi-user.target
"
    )
}
