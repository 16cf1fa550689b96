//! (b) A page of one piece, for somebody who is logged in: session, user and CSRF cookie.

use anyhow::{Context, Result};

use crate::bench::closed::Closed;
use crate::bench::engine::Turn;
use crate::bench::site::Site;
use crate::bench::workload::{Reading, Workload};

pub(super) struct Detail;

/// Prints a session's key and the path of the newest picture.
const LOG_IN: &str = "
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from pieces.models import Piece
user, _ = get_user_model().objects.get_or_create(username='visitor')
store = SessionStore()
store[SESSION_KEY] = str(user.pk)
store[BACKEND_SESSION_KEY] = 'django.contrib.auth.backends.ModelBackend'
store[HASH_SESSION_KEY] = user.get_session_auth_hash()
store.save()
piece = Piece.objects.published().filter(kind=Piece.Kind.ART).first()
print('SEEN', store.session_key, piece.get_absolute_url())
";

impl Workload for Detail {
    fn name(&self) -> &'static str {
        "detail"
    }

    fn title(&self) -> String {
        "A piece's page, logged in".to_owned()
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let seen = turn.once("login", || log_in(turn, &site))?;
        let (session, path) = seen.split_once(' ').context("nobody was logged in")?;
        let csrf = "0123456789abcdef0123456789abcdef";
        let headers = [("Cookie", format!("sessionid={session}; csrftoken={csrf}"))];
        let paths = [path.to_owned()];
        let server = turn.serve(&turn.job(&site), &[])?;
        turn.compare(&server, path, server.get_with(path, &headers)?)?;
        let load = Closed {
            headers: &headers,
            ..Closed::gets(&paths, 0)
        };
        turn.by_connections(&server, &load, &[16, 1, 64, 256], &[16])
    }
}

fn log_in(turn: &Turn<'_>, site: &Site) -> Result<String> {
    let output = site.manage(
        &turn.world.python()?,
        &["shell", "--no-imports", "-c", LOG_IN],
    )?;
    let line = output.lines().find_map(|line| line.strip_prefix("SEEN "));
    Ok(line
        .context("manage.py shell printed something else")?
        .to_owned())
}
