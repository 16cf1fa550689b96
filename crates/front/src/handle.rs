//! Answers a request that is complete, whatever version of HTTP it came by.

use std::sync::Arc;

use hotclub_app::{Call, CallBody, CallError, Times};

use crate::answer;
use crate::environ;
use crate::files::{FileMethod, FileMount, FileOutcome, FileRequest, PageOutcome, Pages};
use crate::message::Response;
use crate::mount::Mount;
use crate::named_file;
use crate::own_file;
use crate::proxy;
use crate::redirect;
use crate::request::{Ends, Request, RequestBody};
use crate::respond::{self, Trouble};
use crate::route::{self, Route};
use crate::table::{AppRoute, NamedFiles, Site, Table};
use crate::thread::Thread;

/// How many generations may be replaced under one request before it is given up.
const GENERATIONS: usize = 4;

/// A response and what it cost.
#[derive(Debug)]
pub(crate) struct Handled {
    pub(crate) response: Response,
    pub(crate) times: Times,
}

impl From<Response> for Handled {
    fn from(response: Response) -> Self {
        Self {
            response,
            times: Times::default(),
        }
    }
}

/// The answer of whoever `route` names.
pub(crate) async fn handle(
    thread: &Thread,
    request: &Request,
    ends: &Ends,
    route: Route<'_, '_>,
    body: RequestBody,
) -> Result<Handled, Trouble> {
    match route {
        Route::Files(files, rest) => file(files, rest, request).map(Handled::from),
        Route::Pages(mount, pages, rest) => page(mount, pages, rest, request).map(Handled::from),
        Route::Redirect(redirect, rest) => {
            let location = redirect.location(rest, request.written_query());
            Ok(respond::moved(redirect.status, &location).into())
        }
        Route::Moved(host) => {
            Ok(respond::moved_for_good(request, &route::on_host(request, host)).into())
        }
        Route::Secure(location) => Ok(respond::moved_for_good(request, &location).into()),
        Route::Challenge(text) => Ok(respond::challenge(text).into()),
        Route::Proxy(proxy) => {
            let mut asking = proxy::Asking {
                thread,
                request,
                proxy,
                upload: proxy::Upload::Whole(&body),
            };
            Ok(asking.ask().await?)
        }
        Route::App(site, app) => {
            let asking = Asking {
                thread,
                request,
                ends,
                body: Upload::new(body),
            };
            asking.ask(site, app).await
        }
        Route::Server => Ok(respond::server_options().into()),
    }
}

fn file(files: &FileMount, path: &[u8], request: &Request) -> Result<Response, Trouble> {
    match files.respond(&file_request(path, request)) {
        FileOutcome::Response(response) => Ok(response),
        FileOutcome::NotFound => Err(Trouble::NotFound),
    }
}

fn page(mount: &Mount, pages: &Pages, path: &[u8], request: &Request) -> Result<Response, Trouble> {
    match pages.respond(&mount.url, &file_request(path, request)) {
        PageOutcome::Response(response) => Ok(response),
        PageOutcome::Moved(path) => {
            let location = redirect::to_path(&[&mount.url, &path], request.written_query());
            Ok(respond::moved_for_good(request, &location))
        }
        PageOutcome::NotFound => Err(Trouble::NotFound),
    }
}

fn file_request<'a>(path: &'a [u8], request: &'a Request) -> FileRequest<'a> {
    let method = match &request.method[..] {
        b"GET" => FileMethod::Get,
        b"HEAD" => FileMethod::Head,
        _ => FileMethod::Other,
    };
    FileRequest {
        method,
        path,
        fields: &request.fields,
    }
}

/// A request on its way to an app.
struct Asking<'a> {
    thread: &'a Thread,
    request: &'a Request,
    ends: &'a Ends,
    body: Upload,
}

impl Asking<'_> {
    /// Asks the app; when its generation was replaced in that moment, the next one.
    async fn ask(&self, site: &Site, app: &AppRoute) -> Result<Handled, Trouble> {
        let mut outcome = self.call(site, app).await;
        let mut asked: Option<Arc<Table>> = None;
        for _ in 1..GENERATIONS {
            if !matches!(outcome, Err(Trouble::Call(CallError::Closed))) {
                break;
            }
            let table = self.thread.shared.table.load_full();
            // The same table again has the same closed generation.
            if asked
                .as_ref()
                .is_some_and(|before| Arc::ptr_eq(before, &table))
            {
                break;
            }
            let found = table.find(self.request.host(), self.ends.local_ip());
            let Route::App(site, app) = route::find(found, self.request)? else {
                break;
            };
            outcome = self.call(site, app).await;
            asked = Some(table);
        }
        outcome
    }

    async fn call(&self, site: &Site, app: &AppRoute) -> Result<Handled, Trouble> {
        let request = self.request;
        let lane = app.lanes.get(self.thread.index).ok_or(CallError::Closed)?;
        let environ =
            environ::write(request, self.ends, self.body.len).map_err(|_| Trouble::Environ)?;
        let call = Call {
            environ,
            body: self.body.hand_out().map_err(Trouble::Descriptor)?,
            retry: app.retry && matches!(&request.method[..], b"GET" | b"HEAD" | b"OPTIONS"),
        };
        let answer = lane.call(call).await?;
        let times = answer.times;
        let mut response = answer::response(answer)?;
        if app.named_files == NamedFiles::Serve {
            response = named_file::resolve(request, site, response)?;
        }
        own_file::take_range(request, &mut response);
        Ok(Handled { response, times })
    }
}

/// A body that can be handed out more than once. Counted among the buffers while it lives.
struct Upload {
    len: Option<u64>,
    body: RequestBody,
}

impl Upload {
    fn new(body: RequestBody) -> Self {
        let len = body.len();
        Self { len, body }
    }

    fn hand_out(&self) -> std::io::Result<CallBody> {
        Ok(match &self.body {
            RequestBody::File(file) => CallBody::File {
                file: file.file().try_clone()?.into(),
                len: file.len(),
            },
            RequestBody::Memory { bytes, .. } if !bytes.is_empty() => {
                CallBody::Inline(bytes.clone())
            }
            RequestBody::Memory { .. } | RequestBody::None => CallBody::None,
        })
    }
}
