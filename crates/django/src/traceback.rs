//! Shortens a Python traceback to the frames in the user's own files.

use std::path::{Path, PathBuf};

const HEAD: &str = "Traceback (most recent call last):";

/// One `File "…", line …` entry with the lines under it.
struct Frame<'a> {
    path: &'a str,
    lines: Vec<&'a str>,
}

/// The user's frames of the last exception in `text`, then the exception itself. `None` when `text`
/// has no traceback. With no frame of the user's the last two are kept.
pub(crate) fn shorten(text: &str, root: &Path, without: &[PathBuf]) -> Option<String> {
    let (_, last) = text.rsplit_once(HEAD)?;
    let (frames, exception) = parse(last);
    let own: Vec<&Frame<'_>> = frames
        .iter()
        .filter(|f| is_own(f.path, root, without))
        .collect();
    let kept = if own.is_empty() {
        frames.iter().rev().take(2).rev().collect()
    } else {
        own
    };
    let prefix = format!("{}/", root.display());
    let mut lines: Vec<String> = Vec::new();
    for frame in kept {
        lines.extend(frame.lines.iter().map(|line| line.replacen(&prefix, "", 1)));
    }
    lines.extend(exception.iter().map(|line| (*line).to_owned()));
    Some(lines.join("\n"))
}

fn parse(text: &str) -> (Vec<Frame<'_>>, Vec<&str>) {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    let mut lines = text.lines().skip_while(|line| line.is_empty()).peekable();
    while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
        if let Some(path) = line
            .strip_prefix("  File \"")
            .and_then(|rest| rest.split('"').next())
        {
            frames.push(Frame {
                path,
                lines: vec![line],
            });
        } else if let Some(frame) = frames.last_mut() {
            frame.lines.push(line);
        }
    }
    let exception = lines.take_while(|line| !line.is_empty()).collect();
    (frames, exception)
}

fn is_own(path: &str, root: &Path, without: &[PathBuf]) -> bool {
    let path = Path::new(path);
    path.starts_with(root)
        && !without.iter().any(|dir| path.starts_with(dir))
        && !path
            .components()
            .any(|part| part.as_os_str() == "site-packages")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "noise\nTraceback (most recent call last):\n  File \"/x/a.py\", line 1, in f\n    f()\nKeyError: 'A'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"/usr/lib/django/conf.py\", line 3, in load\n    load()\n    ^^^^^^\n  File \"/site/mysite/settings.py\", line 9, in <module>\n    A = env('A')\n  File \"/site/venv/site-packages/environ.py\", line 2, in g\n    raise X\nImproperlyConfigured: Set the A variable\n";

    #[test]
    fn only_the_users_frames_of_the_last_exception_stay() {
        let short = shorten(TEXT, Path::new("/site"), &[]).unwrap();
        assert_eq!(
            short,
            "  File \"mysite/settings.py\", line 9, in <module>\n    A = env('A')\nImproperlyConfigured: Set the A variable"
        );
    }

    #[test]
    fn without_a_frame_of_the_users_the_last_two_stay() {
        let short = shorten(TEXT, Path::new("/elsewhere"), &[]).unwrap();
        assert!(
            short.starts_with("  File \"/site/mysite/settings.py\""),
            "{short}"
        );
        assert!(shorten("no traceback", Path::new("/"), &[]).is_none());
    }
}
