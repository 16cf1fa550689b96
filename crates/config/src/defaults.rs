//! Every default of `hotclub.toml`, each with its reason. Nowhere else does a number of these stand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::model::Compress;

/// One thread a worker: Django's database connections and most apps' globals are at their safest so,
/// and processes, not threads, use more cores.
pub const THREADS: u32 = 1;

/// Importing the app once and forking saves most of its memory in every further worker.
pub const PRELOAD: bool = true;

/// Per request, wall clock. Long enough for an upload that is turned into thumbnails, short enough that
/// a hung worker is noticed; Gunicorn's number too, so that moving changes nothing.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// How long a stopping generation may finish its requests: a whole `timeout`, so that no request which
/// was in time dies of a reload.
pub const GRACEFUL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request may wait for a worker. After ten seconds the visitor has reloaded the page, and
/// working on the old request only makes the next one later.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many requests may wait. At 100 requests/s (a slow site) that is ten seconds, the queue's timeout.
pub const MAX_QUEUE: u32 = 1_000;

/// Workers are not recycled by count: it hides leaks and costs memory sharing. `max_memory` is the better cure.
pub const MAX_REQUESTS: u32 = 0;

/// No jitter where there is no recycling.
pub const MAX_REQUESTS_JITTER: u32 = 0;

/// Nor by age, for the same reason.
pub const MAX_LIFETIME: Option<Duration> = None;

/// Watching files is for development.
pub const RELOAD: bool = false;

/// A request that no worker has begun may always run again; one that began only when its method is safe.
pub const RETRY: bool = true;

/// Settings that forget CONN_MAX_AGE or the cached template loader cost more than any server can win back; what
/// is tuned is only what is known to be safe, and said at each start.
pub const TUNE: bool = true;

/// A database in a container that recovers after a crash needs tens of seconds; a minute is the patience
/// of whoever watches the start.
pub const DATABASE_WAIT: Duration = Duration::from_secs(60);

/// Two weeks of daily backups: a mistake is found after the weekend, or after a holiday.
pub const BACKUPS_KEPT: u32 = 14;

/// Nobody makes backups who has to remember them.
pub const BACKUP_DAILY: bool = true;

/// A migration is the likeliest way to lose data that the code's author did not think of.
pub const BACKUP_BEFORE_MIGRATIONS: bool = true;

/// Rows that name pictures are worth little without the pictures.
pub const BACKUP_MEDIA: bool = true;

/// NGINX's 1 MB turns uploads of pictures into 413; 100 MB holds a photographer's raw file and still
/// cannot fill a disk at once.
pub const MAX_BODY: u64 = 100_000_000;

/// All header bytes of a request together. Cookies and long tokens fit; NGINX allows 32 KiB by default.
pub const MAX_HEADER: u64 = 32 * 1024;

/// Browsers send about 20 header fields, proxies add about 10.
pub const MAX_HEADERS: u32 = 100;

/// From the first byte of a request to the end of its head: a head is one packet or two.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Without a byte from a peer whose turn it is: between two requests, in a body, while it should read an
/// answer. Longer than the 60 s that load balancers keep their connections, so that it is they who
/// close and no request meets a closing socket.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// Bytes a second that a sender or reader must manage on average while we wait for it. The slowest
/// phone is faster; who is slower means to be, or will not wait for the end of anything.
pub const MIN_RATE: u64 = 240;

/// Before the rate counts: a slow start (a lost packet or three) is not slowness.
pub const RATE_GRACE: Duration = Duration::from_secs(10);

/// Open connections altogether. An idle one costs about a kilobyte here and a descriptor; machines of
/// today allow a process some hundred thousand of those.
pub const MAX_CONNECTIONS: u32 = 20_000;

/// Open connections of one address (of IPv6: of one /64, which is what one customer is given). An office
/// behind one address stays far below; a flood does not.
pub const MAX_CONNECTIONS_PER_ADDRESS: u32 = 500;

/// Requests at once on one connection of HTTP/2. Browsers use as many when they may; RFC 9113 recommends no less.
pub const MAX_STREAMS: u32 = 100;

/// Memory that one answer may take while its client reads. Nearly all pages fit whole.
pub const MAX_BUFFERED_PER_CONNECTION: u64 = 256 * 1024;

/// Memory that all bodies of requests and answers may take together. A small server can spare it; a
/// thousand slow clients with a page each fit in.
pub const MAX_BUFFERED: u64 = 64 * 1024 * 1024;

/// Disk that all bodies may take together: a hundred of the largest uploads at once.
pub const MAX_SPOOLED: u64 = 10 * 1024 * 1024 * 1024;

/// Only this machine: what listens to the world was written down by someone. 8000 is what Django's own server uses.
pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

/// Who opened an https listener wants visitors to use it. HTTP goes on where there is no certificate yet.
pub const HTTPS_REDIRECT: bool = true;

/// Free, without an account made elsewhere, and believed by every browser.
pub const ACME_DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// The same authority for trying things out: nobody believes its certificates, and its limits are wide.
pub const ACME_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Where a server's sites are looked for: everywhere, on HTTP's port.
pub const HOST_LISTEN: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 80),
];

/// HTTP/2 without TLS is for proxies that ask for it: browsers do not speak it.
pub const H2C: bool = false;

/// Where it is on, nobody but such a proxy is served.
pub const PROXY_PROTOCOL: bool = false;

/// The name of a site whose folder has none that could be used.
pub const NAME: &str = "site";

/// Pages become a fifth of their size; those that another site has asked for with a visitor's cookies are
/// left as they are, for their length could be used to guess what is in them (BREACH).
pub const COMPRESS: Compress = Compress::Safe;

/// The page of a static site for what is missing, when the folder has it: the name that site generators give it.
pub const NOT_FOUND: &str = "404.html";

/// For good: what search engines and old links need when a page has moved.
pub const REDIRECT_STATUS: u16 = 301;

/// A server that does not take a connection within five seconds is down, or too far away to proxy to.
pub const PROXY_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that takes no byte of a request for a minute will not take the next one either.
pub const PROXY_SEND_TIMEOUT: Duration = Duration::from_secs(60);

/// From the request's last byte to the answer's first: NGINX's number, so that moving changes nothing.
pub const PROXY_RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Between two pieces of an answer. Streams of events are quiet for long, and a client that left ends
/// the exchange anyway; so this is more generous than NGINX's minute.
pub const PROXY_IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Chats and terminals are left open over lunch; their own pings, where they have them, keep them longer.
pub const PROXY_TUNNEL_TIMEOUT: Duration = Duration::from_secs(3600);

/// One more try, and only where the first is known to have had no effect. More would multiply the load
/// just when there is too much of it.
pub const PROXY_RETRIES: u32 = 1;

/// One lost connection is an accident, three in a row are an outage.
pub const PROXY_MAX_FAILS: u32 = 3;

/// The first pause of an upstream that failed. It doubles, up to a minute.
pub const PROXY_FAIL_PAUSE: Duration = Duration::from_secs(2);

/// Often enough that an outage is noticed before people write about it.
pub const PROXY_HEALTH_INTERVAL: Duration = Duration::from_secs(5);

/// A health page does next to nothing.
pub const PROXY_HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// `[headers] preset = "secure"`: what browsers should be told by every site, and breaks none. Where an answer has
/// a field of that name, Django's or the app's own, that one stays.
pub const SECURE_HEADERS: [(&str, &str); 4] = [
    // No upload becomes a script because a browser guesses its type.
    ("X-Content-Type-Options", "nosniff"),
    // Other sites learn the host a visitor came from, and not the page.
    ("Referrer-Policy", "strict-origin-when-cross-origin"),
    // Nobody else's page shows this one in a frame and has it clicked.
    ("X-Frame-Options", "SAMEORIGIN"),
    // What hardly any page asks for, an injected one should not, either.
    (
        "Permissions-Policy",
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// During maintenance a browser, and a crawler, may come back after five minutes.
pub const MAINTENANCE_RETRY: Duration = Duration::from_secs(300);

/// Log files that are kept when `rotate` says when one is full: with 100 MB each, weeks of a small site.
pub const LOGS_KEPT: u32 = 5;

/// Pages of 20 kB with what is known of them: two thousand of them, compressed and plain.
pub const CACHE_MEMORY: u64 = 64_000_000;

/// Answers above 256 KiB are rare and cheap to read from the page cache.
pub const CACHE_DISK: u64 = 256_000_000;

/// What is longer is a download, which no second visitor asks for soon.
pub const CACHE_OBJECT: u64 = 8_000_000;

/// A page that takes longer is better asked for by each than waited for by all.
pub const CACHE_WAIT: Duration = Duration::from_secs(5);

/// Time to be woken up and to mend the app, without showing last week's prices.
pub const CACHE_STALE_IF_ERROR: Duration = Duration::from_secs(300);
