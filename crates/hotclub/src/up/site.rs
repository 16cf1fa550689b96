//! The site as the front sees it: its folders, its limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_app::Buffers;
use hotclub_config::Site;
use hotclub_django::collect::Static;
use hotclub_front::files::{
    FileMount, HashedNames, MountKind, MountOptions, PageRules, Pages, Symlinks,
};
use hotclub_front::{AccessLog, Limits, Mount, Options, TrustedProxies};
use serde::{Deserialize, Serialize};

use super::release::{Statics, carry};
use crate::console::Failure;
use crate::project::Project;

/// The account of bodies; files go to the state folder, which is on a disk.
pub(crate) fn buffers(
    limits: &hotclub_config::Limits,
    state: &Path,
) -> Result<Arc<Buffers>, Failure> {
    let spool = state.join("spool");
    std::fs::create_dir_all(&spool)?;
    Ok(crate::limits::buffers(limits, spool))
}

pub(crate) fn front_options(
    site: &Site,
    log: Option<AccessLog>,
    buffers: Arc<Buffers>,
) -> Result<Options, Failure> {
    Ok(Options {
        threads: crate::front_threads(site.app.threads as usize),
        limits: Limits::from(&site.limits),
        trusted: trusted(&site.server)?,
        h2c: site.server.h2c,
        proxy_protocol: site.server.proxy_protocol,
        log,
        buffers,
    })
}

/// Whose word about the client is taken.
pub(crate) fn trusted(server: &hotclub_config::Server) -> Result<TrustedProxies, Failure> {
    let proxies: Vec<String> = server
        .trusted_proxies
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok(TrustedProxies::parse(proxies.iter().map(String::as_str))?)
}

/// One folder at a URL, before it is opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Folder {
    url: String,
    path: PathBuf,
    options: MountOptions,
    /// Folders in it show what they hold.
    listing: bool,
}

impl Folder {
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    fn is_internal(&self) -> bool {
        self.options.kind == MountKind::Internal
    }

    /// Opens it for the front.
    pub(crate) fn open(&self) -> Result<Mount, Failure> {
        let Self { url, path, .. } = self;
        let files = FileMount::open(path, self.options.clone())
            .map_err(|error| Failure::new(format!("{url}: {error}")))?;
        Ok(match (self.is_internal(), self.listing) {
            (true, _) => Mount::internal(url, files),
            (false, false) => Mount::new(url, files),
            (false, true) => {
                let rules = PageRules {
                    listing: true,
                    ..PageRules::default()
                };
                Mount::pages(url, Pages::new(files, rules))
            }
        })
    }

    /// For comparing: links resolved, as far as the folder is there.
    fn real(&self) -> PathBuf {
        self.path.canonicalize().unwrap_or(self.path.clone())
    }
}

/// The folders that the settings name.
pub(crate) fn detected(project: &Project, statics: &Statics) -> Result<Vec<Folder>, Failure> {
    let detected = [static_folder(project, statics)?, media_folder(project)];
    Ok(detected.into_iter().flatten().collect())
}

/// Those of hotclub.toml, and of the `detected` ones what these do not replace.
pub(crate) fn folders(site: &Site, detected: Vec<Folder>) -> Result<Vec<Folder>, Failure> {
    let mut folders: Vec<Folder> = site.files.iter().map(written).collect();
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
    let proxied = |url: &str| site.proxies.iter().any(|proxy| proxy.url.as_str() == url);
    for folder in detected {
        let is_replaced =
            folders.iter().any(|other| other.url == folder.url) || proxied(&folder.url);
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
    options.cache_control.clone_from(&files.cache);
    Folder {
        url: files.url.to_string(),
        path: files.path.clone(),
        options,
        listing: files.index,
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
    options.hashed = hashed_names(files)?;
    Ok(Some(Folder {
        url,
        path: files.dir.clone(),
        options,
        listing: false,
    }))
}

/// Those of the files themselves, and of earlier releases' that lie among them.
fn hashed_names(files: &Static) -> Result<HashedNames, Failure> {
    let carried = carry::listing(files);
    if !carried.exists() {
        return Ok(HashedNames::load(&files.hashed)?);
    }
    let mut names: Vec<String> = serde_json::from_slice(&std::fs::read(&files.hashed)?)?;
    names.extend(serde_json::from_slice::<Vec<String>>(&std::fs::read(
        carried,
    )?)?);
    Ok(names.into_iter().collect())
}

fn media_folder(project: &Project) -> Option<Folder> {
    let (url, path) = media(project)?;
    Some(Folder {
        url,
        path,
        options: MountOptions::new(MountKind::Media),
        listing: false,
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
