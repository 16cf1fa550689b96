//! `hotclub top`: how the sites of a host fare, looked at once a second, as a live view of the terminal or as one JSON
//! object a look.

mod course;
mod view;

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};

use self::course::Course;
use super::ask;
use crate::cli::TopArgs;
use crate::console::{Console, Failure};
use crate::control::{Request, print};
use crate::host::Status;
use crate::signals::Signals;

/// From one look to the next.
const PACE: Duration = Duration::from_secs(1);

pub(crate) async fn run(args: &TopArgs, console: &Console) -> Result<(), Failure> {
    if args.at.json {
        return tell(args, console).await;
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(
            Failure::new("`hotclub top` draws on a terminal, and there is none")
                .hint("for scripts: hotclub top --json, one object a second"),
        );
    }
    // The first answer decides whether there is anything to draw.
    let first = look(args, console).await?;
    let mut signals = Signals::listen()?;
    let mut terminal = ratatui::try_init()?;
    let outcome = tokio::select! {
        outcome = draw(args, first, &mut terminal) => outcome,
        _ = signals.stop() => Ok(()),
    };
    ratatui::restore();
    outcome
}

async fn look(args: &TopArgs, console: &Console) -> Result<Status, Failure> {
    let request = Request::Status {
        site: args.site.clone(),
        brief: true,
    };
    Ok(serde_json::from_value(
        ask(&args.at, request, console).await?,
    )?)
}

/// One object a look.
async fn tell(args: &TopArgs, console: &Console) -> Result<(), Failure> {
    let mut looks = 0;
    while args.count.is_none_or(|count| looks < count) {
        let next = Instant::now() + PACE;
        print(&serde_json::to_value(look(args, console).await?)?)?;
        looks += 1;
        if args.count != Some(looks) {
            tokio::time::sleep_until(next.into()).await;
        }
    }
    Ok(())
}

async fn draw(
    args: &TopArgs,
    first: Status,
    terminal: &mut ratatui::DefaultTerminal,
) -> Result<(), Failure> {
    // What goes wrong is said once the terminal is itself again.
    let quiet = Console::quiet();
    let mut course = Course::default();
    course.take(first);
    let mut looks = 1;
    loop {
        let next = Instant::now() + PACE;
        loop {
            terminal.draw(|frame| view::draw(frame, &course))?;
            if args.count.is_some_and(|count| looks >= count) {
                return Ok(());
            }
            let left = next.saturating_duration_since(Instant::now());
            let Some(key) = key_within(left).await? else {
                break;
            };
            match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    return Ok(());
                }
                KeyCode::Down | KeyCode::Char('j') => course.choose(1),
                KeyCode::Up | KeyCode::Char('k') => course.choose(-1),
                _ => {}
            }
        }
        course.take(look(args, &quiet).await?);
        looks += 1;
    }
}

/// The next key; `None`: the time has passed.
async fn key_within(time: Duration) -> Result<Option<KeyEvent>, Failure> {
    let until = Instant::now() + time;
    let waited = tokio::task::spawn_blocking(move || {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if !event::poll(left)? {
                return Ok::<_, std::io::Error>(None);
            }
            match event::read()? {
                Event::Key(key) if key.is_press() => return Ok(Some(key)),
                // The next drawing has the new size.
                _ => {}
            }
        }
    });
    Ok(waited.await??)
}
