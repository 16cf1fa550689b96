//! One request on its way to one of the upstreams: who is asked, and whether another may be.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use bytes::Bytes;
use hotclub_app::Times;

use super::body::{Source, UpstreamBody};
use super::choice::{Candidate, choose};
use super::connect::Connection;
use super::error::{Cause, Phase, ProxyError};
use super::exchange::{self, Begun, Failure, Patience};
use super::health::Event;
use super::request_head::{self, Changes};
use super::tunnel::Tunnel;
use super::upload::Upload;
use super::upstream::{Lease, Upstream};
use super::{Proxy, response_head};
use crate::flow::Flow;
use crate::handle::Handled;
use crate::message::{Body, Response};
use crate::request::Request;
use crate::thread::Thread;

/// A request that an upstream is to answer.
pub(crate) struct Asking<'a> {
    pub(crate) thread: &'a Thread,
    pub(crate) request: &'a Request,
    pub(crate) proxy: &'a Proxy,
    pub(crate) upload: Upload<'a>,
}

/// One try that failed.
struct Failed {
    error: ProxyError,
    /// It is known to have had no effect.
    harmless: bool,
    /// The connection was an old one: the upstream itself may be well.
    stale: bool,
}

impl Failed {
    /// No upstream's fault.
    fn ours(error: ProxyError) -> Self {
        Self {
            error,
            harmless: false,
            stale: false,
        }
    }
}

impl Asking<'_> {
    /// The answer of an upstream.
    ///
    /// # Errors
    /// When none can be had; see [`ProxyError`].
    pub(crate) async fn ask(&mut self) -> Result<Handled, ProxyError> {
        if request_head::has_passed(self.request, &self.thread.shared.via) {
            return Err(ProxyError::Loop);
        }
        let mut tried = Vec::new();
        let mut again: Option<usize> = None;
        loop {
            let at = match again.take() {
                Some(at) => at,
                None => self.choose(&tried)?,
            };
            let upstream = &self.proxy.upstreams[at];
            let failed = match self.attempt(upstream, !tried.is_empty()).await {
                Ok(handled) => return Ok(handled),
                Err(failed) => failed,
            };
            let alone = self.proxy.upstreams.len() == 1 && !failed.stale;
            if !failed.harmless || alone || tried.len() >= self.proxy.config.retries as usize {
                return Err(failed.error);
            }
            let id = self.request.id.as_str();
            tracing::debug!(id, "{}: trying once more", failed.error);
            if failed.stale {
                again = Some(at);
            }
            tried.push(at);
        }
    }

    fn choose(&self, tried: &[usize]) -> Result<usize, ProxyError> {
        let proxy = self.proxy;
        let candidate = |(at, upstream): (usize, &std::sync::Arc<Upstream>)| Candidate {
            health: upstream.health(),
            active: upstream.active(),
            tried: tried.contains(&at),
        };
        let turn = proxy.turn.fetch_add(1, Relaxed);
        let at = match &proxy.upstreams[..] {
            // Nothing to choose: no list need be made.
            [one] => one.health().may_be_tried().then_some(0),
            all => {
                let candidates: Vec<_> = all.iter().enumerate().map(candidate).collect();
                choose(proxy.config.balance, turn, &candidates, Instant::now())
            }
        };
        at.ok_or_else(|| ProxyError::NoneInService {
            url: proxy.url().to_owned(),
        })
    }

    /// One try. `afresh`: over a new connection.
    async fn attempt(
        &mut self,
        upstream: &std::sync::Arc<Upstream>,
        afresh: bool,
    ) -> Result<Handled, Failed> {
        let policy = self.proxy.policy();
        upstream.note(Event::Asked, policy);
        let began = Instant::now();
        let lease = Lease::new(upstream);
        let pooled = match afresh {
            true => None,
            false => self.thread.pools.take(upstream, self.is_repeatable()),
        };
        let mut connection = match pooled {
            Some(connection) => connection,
            None => self.connect(upstream).await?,
        };
        let connected = began.elapsed();
        let head = self.head(upstream);
        let patience = Patience {
            send: self.proxy.config.send_timeout,
            response: self.proxy.config.response_timeout,
        };
        let to_head = self.request.is_head();
        match exchange::run(&mut connection, &head, &mut self.upload, patience, to_head).await {
            Ok(begun) => {
                upstream.note(Event::Answered, policy);
                let times = Times {
                    queued: connected,
                    app: began.elapsed() - connected,
                };
                let response = self.response(begun, connection, lease)?;
                Ok(Handled { response, times })
            }
            Err(failure) => Err(self.failed(failure, &connection, upstream)),
        }
    }

    async fn connect(&self, upstream: &Upstream) -> Result<Connection, Failed> {
        let patience = self.proxy.config.connect_timeout;
        let cause = match tokio::time::timeout(patience, Connection::open(upstream)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => Cause::Io(error),
            Err(_) => Cause::Timeout(patience),
        };
        upstream.note(Event::Failed, self.proxy.policy());
        Err(Failed {
            error: error(upstream, Phase::Connecting, cause),
            harmless: true,
            stale: false,
        })
    }

    fn head(&self, upstream: &Upstream) -> Vec<u8> {
        let config = &self.proxy.config;
        let strip = match config.strip_prefix {
            true => config.url.as_str().len(),
            false => 0,
        };
        let changes = Changes {
            host: config.host.as_deref(),
            fallback_host: &upstream.authority,
            strip: strip.min(self.request.path.bytes().len()),
            via: &self.thread.shared.via,
        };
        let mut head = Vec::with_capacity(1024);
        request_head::write(&mut head, self.request, self.upload.framing(), &changes);
        head
    }

    /// Whether it may be sent twice: nothing happens that did not happen before (RFC 9110, 9.2.2).
    fn is_repeatable(&self) -> bool {
        self.upload.is_kept()
            && matches!(
                &self.request.method[..],
                b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE"
            )
    }

    fn failed(&self, failure: Failure, connection: &Connection, upstream: &Upstream) -> Failed {
        let (phase, cause, began) = match failure {
            Failure::Upstream {
                phase,
                cause,
                began,
            } => (phase, cause, began),
            Failure::Client(error) => return Failed::ours(error.into()),
            Failure::Spool(error) => return Failed::ours(ProxyError::Spool(error)),
        };
        // An old connection that ends before it says anything was closed while we wrote.
        let stale = connection.idle_since.is_some()
            && !began
            && matches!(cause, Cause::Ended | Cause::Io(_));
        if !stale {
            upstream.note(Event::Failed, self.proxy.policy());
        }
        Failed {
            error: error(upstream, phase, cause),
            harmless: stale && self.is_repeatable(),
            stale,
        }
    }

    fn response(
        &self,
        begun: Begun,
        connection: Connection,
        lease: Lease,
    ) -> Result<Response, Failed> {
        let Begun { head, whole } = begun;
        if head.status == 101 {
            return self.switched(head, connection, lease);
        }
        let source = Source {
            keep: head.keep_alive && whole,
            connection,
            lease,
            pools: std::rc::Rc::clone(&self.thread.pools),
            patience: self.proxy.config.idle_timeout,
            id: self.request.id,
        };
        Ok(Response {
            status: head.status,
            reason: head.reason,
            fields: head.fields,
            body: Body::Flow(Flow::Upstream(UpstreamBody::new(head.framing, source))),
        })
    }

    /// The upstream speaks another protocol from here on: the one that was asked for, or nothing.
    fn switched(
        &self,
        head: response_head::ResponseHead,
        connection: Connection,
        lease: Lease,
    ) -> Result<Response, Failed> {
        let asked = &self.request.upgrade;
        let protocol = head
            .upgrade
            .filter(|to| !asked.is_empty() && to.eq_ignore_ascii_case(asked));
        let Some(protocol) = protocol else {
            let cause = Cause::Malformed("a 101 that nobody asked for");
            return Err(Failed {
                error: error(lease.upstream(), Phase::Reading, cause),
                harmless: false,
                stale: false,
            });
        };
        let tunnel = Tunnel::new(connection, lease, self.proxy.config.tunnel_timeout);
        let mut fields = head.fields;
        fields.remove("content-length");
        fields.push(b"Connection", b"Upgrade");
        fields.push(b"Upgrade", &protocol);
        Ok(Response {
            status: 101,
            reason: Some(Bytes::from_static(b"Switching Protocols")),
            fields,
            body: Body::Tunnel(Box::new(tunnel)),
        })
    }
}

fn error(upstream: &Upstream, phase: Phase, cause: Cause) -> ProxyError {
    ProxyError::Upstream {
        upstream: upstream.name.clone(),
        phase,
        cause,
    }
}
