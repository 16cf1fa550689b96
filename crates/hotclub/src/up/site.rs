//! The site as the front sees it: its mounts, its limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_app::{Buffers, Lane};
use hotclub_front::files::{FileMount, HashedNames, MountKind, MountOptions, Symlinks};
use hotclub_front::{
    AccessLog, AppRoute, Limits, Mount, NamedFiles, Options, Site, Table, TrustedProxies,
};

use super::release::Statics;
use crate::console::Failure;
use crate::project::{Project, State};

/// The account of bodies; files go to the state folder, which is on a disk.
pub(crate) fn buffers(project: &Project, state: &State) -> Result<Arc<Buffers>, Failure> {
    let spool = state.dir.join("spool");
    std::fs::create_dir_all(&spool)?;
    Ok(crate::limits::buffers(&project.site.limits, spool))
}

pub(crate) fn front_options(
    project: &Project,
    log: Option<AccessLog>,
    buffers: Arc<Buffers>,
) -> Result<Options, Failure> {
    let proxies: Vec<String> = project
        .site
        .server
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(Options {
        threads: crate::front_threads(project.site.app.threads as usize),
        limits: Limits::from(&project.site.limits),
        trusted: TrustedProxies::parse(proxies.iter().map(String::as_str))?,
        h2c: project.site.server.h2c,
        log,
        buffers,
    })
}

/// One folder at a URL, before it is opened.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    url: String,
    path: PathBuf,
    options: MountOptions,
}

impl Folder {
    fn is_internal(&self) -> bool {
        self.options.kind == MountKind::Internal
    }

    /// For comparing: links resolved, as far as the folder is there.
    fn real(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or(self.path.clone())
    }
}

/// Those of hotclub.toml, and of the settings what these do not replace.
pub(crate) fn folders(project: &Project, statics: &Statics) -> Result<Vec<Folder>, Failure> {
    let mut folders: Vec<Folder> = project.site.files.iter().map(written).collect();
    let internal: Vec<PathBuf> = internal_folders(&folders);
    for folder in &folders {
        if !folder.is_internal() && internal.contains(&folder.real()) {
            let path = folder.path.display();
            return Err(Failure::new(format!(
                "{path} is internal and at {} for everybody, too",
                folder.url
            ))
            .hint("keep one of the two [[files]]"));
        }
    }
    let detected = [static_folder(project, statics)?, media_folder(project)];
    for folder in detected.into_iter().flatten() {
        let is_replaced = folders.iter().any(|other| other.url == folder.url);
        // What the file calls internal is not public because a setting names it.
        let is_withheld = internal.iter().any(|path| folder.real().starts_with(path));
        if !is_replaced && !is_withheld {
            folders.push(folder);
        }
    }
    folders
        .iter_mut()
        .for_each(|folder| hide(folder, &internal));
    Ok(folders)
}

fn written(files: &hotclub_config::Files) -> Folder {
    let kind = if files.internal {
        MountKind::Internal
    } else {
        MountKind::Media
    };
    let mut options = MountOptions::new(kind);
    options.max_age = files.max_age;
    Folder {
        url: files.url.to_string(),
        path: files.path.clone(),
        options,
    }
}

fn internal_folders(folders: &[Folder]) -> Vec<PathBuf> {
    let internal = folders.iter().filter(|folder| folder.is_internal());
    internal.map(Folder::real).collect()
}

/// An internal folder that lies in a public one is no part of that, by whatever way.
fn hide(folder: &mut Folder, internal: &[PathBuf]) {
    if folder.is_internal() {
        return;
    }
    let root = folder.real();
    let inside = internal
        .iter()
        .filter_map(|path| path.strip_prefix(&root).ok());
    folder.options.hidden = inside.map(Path::to_owned).collect();
    if !folder.options.hidden.is_empty() {
        folder.options.symlinks = Symlinks::Never;
    }
}

fn static_folder(project: &Project, statics: &Statics) -> Result<Option<Folder>, Failure> {
    let (Some(files), Some(url)) = (&statics.collected, &project.inspection.static_url) else {
        return Ok(None);
    };
    let Some(url) = path_of(url) else {
        return Ok(None);
    };
    let mut options = MountOptions::new(MountKind::Static);
    options.hashed = HashedNames::load(&files.hashed)?;
    Ok(Some(Folder {
        url,
        path: files.dir.clone(),
        options,
    }))
}

fn media_folder(project: &Project) -> Option<Folder> {
    let (url, path) = media(project)?;
    Some(Folder {
        url,
        path,
        options: MountOptions::new(MountKind::Media),
    })
}

/// MEDIA_URL and MEDIA_ROOT, when the settings have both and they name no more than uploads.
pub(crate) fn media(project: &Project) -> Option<(String, PathBuf)> {
    let root = project
        .inspection
        .media_root
        .clone()
        .filter(|root| root.parent().is_some())?;
    // MEDIA_ROOT that holds the code would publish it.
    let holds_code = project.found.manage_dir.starts_with(&root);
    let url = path_of(project.inspection.media_url.as_deref()?)?;
    (!holds_code && !root.as_os_str().is_empty()).then_some((url, root))
}

/// The path of a URL setting; `None` when it is another host's, or the whole site.
fn path_of(url: &str) -> Option<String> {
    let is_path = url.starts_with('/') && !url.starts_with("//");
    (is_path && !url.trim_matches('/').is_empty()).then(|| url.to_owned())
}

pub(crate) fn described(url: &str, folder: &Path, project: &Project) -> String {
    format!("{url} ({})", project.shown(folder).display())
}

/// The table of one site that answers every host: which hosts are right is Django's business
/// (ALLOWED_HOSTS).
pub(crate) fn table(
    name: &str,
    folders: &[Folder],
    lanes: Vec<Lane>,
    retry: bool,
) -> Result<Table, Failure> {
    let mut mounts = Vec::with_capacity(folders.len());
    for folder in folders {
        let Folder { url, path, options } = folder;
        let files = FileMount::open(path, options.clone())
            .map_err(|error| Failure::new(format!("{url}: {error}")))?;
        mounts.push(match folder.is_internal() {
            true => Mount::internal(url, files),
            false => Mount::new(url, files),
        });
    }
    let app = AppRoute {
        lanes,
        retry,
        named_files: NamedFiles::Serve,
    };
    let site = Site::new(name, Vec::new(), mounts, Some(app));
    Ok(Table::new([], Some(site.into())))
}
