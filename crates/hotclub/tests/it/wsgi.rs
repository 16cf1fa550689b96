//! WSGI apps through the front, over the wire: one small app per behaviour, in `tests/wsgi_apps`.

mod answers;
mod bodies;
mod connections;
mod files;
mod headers;
mod streams;
