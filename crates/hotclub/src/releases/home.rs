//! One deployed site's folder: its releases, the pointer, the lock.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{RELEASES, Record, Release, SOURCE};
use crate::console::Failure;

const SITES: &str = "sites";
const POINTER: &str = "current";

/// A site's folder among the host's state; it need not be there yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    dir: PathBuf,
}

/// Held by whoever changes which release is live.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the kernel lets go when it is closed")] File);

impl Home {
    /// `name` is one that the configuration took for a site's.
    pub(crate) fn of(state: &Path, name: &str) -> Self {
        Self::at(&state.join(SITES).join(name))
    }

    pub(super) fn at(dir: &Path) -> Self {
        let dir = dir.to_owned();
        Self { dir }
    }

    /// Every site that has a live release, in the order of their names.
    pub(crate) fn all(state: &Path) -> io::Result<Vec<Self>> {
        let listed = match fs::read_dir(state.join(SITES)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut homes: Vec<Self> = listed
            .flatten()
            .map(|entry| Self { dir: entry.path() })
            .filter(|home| home.current().is_some())
            .collect();
        homes.sort_by(|one, other| one.dir.cmp(&other.dir));
        Ok(homes)
    }

    pub(crate) fn name(&self) -> String {
        let name = self.dir.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What outlives releases.
    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// What the settings place among the code, and must outlive it.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What `hotclub env` was told.
    pub(crate) fn env_file(&self) -> PathBuf {
        self.dir.join("env")
    }

    fn release(&self, number: u64) -> Release {
        Release {
            number,
            dir: self.dir.join(RELEASES).join(number.to_string()),
        }
    }

    /// All of them, the newest first, fit or not.
    pub(crate) fn releases(&self) -> Vec<Release> {
        let listed = fs::read_dir(self.dir.join(RELEASES)).into_iter().flatten();
        let numbers = listed.flatten().filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some(self.release(number))
        });
        let mut releases: Vec<Release> = numbers.collect();
        releases.sort_by_key(|release| std::cmp::Reverse(release.number));
        releases
    }

    /// The one that is live.
    pub(crate) fn current(&self) -> Option<Release> {
        let to = fs::read_link(self.dir.join(POINTER)).ok()?;
        let number = to.file_name()?.to_str()?.parse().ok()?;
        Some(self.release(number)).filter(|release| release.dir.is_dir())
    }

    /// The code of whichever release is live.
    pub(crate) fn live_source(&self) -> PathBuf {
        self.dir.join(POINTER).join(SOURCE)
    }

    /// Makes a release the live one, for every start from here on: one rename, on the disk after [`Self::settle`].
    pub(crate) fn point_at(&self, release: &Release) -> io::Result<()> {
        let fresh = self.dir.join(".current.new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(Path::new(RELEASES).join(release.number.to_string()), &fresh)?;
        fs::rename(&fresh, self.dir.join(POINTER))
    }

    /// Which release is live is on the disk when this returns.
    pub(crate) fn settle(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    /// No release is live from here on.
    pub(crate) fn point_nowhere(&self) -> io::Result<()> {
        fs::remove_file(self.dir.join(POINTER))?;
        self.settle()
    }

    /// Removes all of it. Cut off in the middle, what is left is no site.
    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.dir)
    }

    /// Makes the site's folder, which only its owner and what runs for it may enter.
    pub(crate) fn make(&self) -> io::Result<()> {
        for dir in [self.dir.clone(), self.dir.join(RELEASES), self.data()] {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(dir)?;
        }
        Ok(())
    }

    /// The next release, empty.
    pub(crate) fn begin(&self, from: &str) -> io::Result<Release> {
        let newest = self.releases().first().map_or(0, |release| release.number);
        let release = self.release(newest + 1);
        fs::create_dir(&release.dir)?;
        release.keep(&Record::new(release.number, &self.name(), from))?;
        fs::create_dir(release.source())?;
        Ok(release)
    }

    /// One at a time changes which release is live.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        let opened = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.dir.join("lock"))?;
        match rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(opened)),
            Err(_) => Err(Failure::new(format!(
                "another deploy or rollback of {} is under way",
                self.name()
            ))
            .hint("wait for its end: `hotclub status` shows it")),
        }
    }

    /// Clears away what a crash left. Only under the lock.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        let current = self.current();
        for release in self.releases() {
            if !release.is_fit() && Some(&release) != current.as_ref() {
                release.remove()?;
            }
        }
        let listed = fs::read_dir(self.dir.join(RELEASES)).into_iter().flatten();
        for entry in listed.flatten() {
            if entry.file_name().to_string_lossy().starts_with(".gone-") {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes the oldest until `keep` are left, the live one and those newer than it among them; their numbers.
    pub(crate) fn prune(&self, keep: usize) -> io::Result<Vec<u64>> {
        let current = self.current().map_or(0, |release| release.number);
        let mut gone = Vec::new();
        for release in self.releases().into_iter().skip(keep) {
            if release.number < current {
                release.remove()?;
                gone.push(release.number);
            }
        }
        Ok(gone)
    }

    /// All that is on the disk reached it: what a release consists of, before it is pointed at.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.dir)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::releases::Fitness;

    fn made(home: &Home, fitness: Fitness) -> Release {
        let release = home.begin("/srv/site").unwrap();
        let mut record = release.record().unwrap();
        record.fitness = fitness;
        release.keep(&record).unwrap();
        release
    }

    fn numbers(home: &Home) -> Vec<u64> {
        let releases = home.releases();
        releases.iter().map(|release| release.number).collect()
    }

    #[test]
    fn what_a_crash_left_is_cleared_away_and_the_rest_stays() {
        let state = tempfile::tempdir().unwrap();
        let home = Home::of(state.path(), "shop");
        home.make().unwrap();
        let one = made(&home, Fitness::Fit);
        home.point_at(&one).unwrap();
        let half = made(&home, Fitness::Unknown);
        fs::create_dir(half.dir.with_file_name(".gone-9")).unwrap();
        home.sweep().unwrap();
        assert_eq!(numbers(&home), [1]);
        assert!(!half.dir.with_file_name(".gone-9").exists());
        assert_eq!(home.current(), Some(one));
        assert_eq!(Home::all(state.path()).unwrap(), [home]);
    }

    #[test]
    fn the_oldest_go_but_never_the_live_one() {
        let state = tempfile::tempdir().unwrap();
        let home = Home::of(state.path(), "shop");
        home.make().unwrap();
        let all: Vec<_> = (0..7).map(|_| made(&home, Fitness::Fit)).collect();
        home.point_at(&all[1]).unwrap();
        assert_eq!(home.prune(5).unwrap(), [1]);
        home.point_at(&all[6]).unwrap();
        assert_eq!(home.prune(5).unwrap(), [2]);
        assert_eq!(numbers(&home), [7, 6, 5, 4, 3]);
    }

    #[test]
    fn a_release_is_known_by_its_folder_also_through_the_pointer() {
        let state = tempfile::tempdir().unwrap();
        let home = Home::of(&state.path().canonicalize().unwrap(), "shop");
        home.make().unwrap();
        let release = made(&home, Fitness::Fit);
        home.point_at(&release).unwrap();
        let through = home.dir().join("current/source");
        assert_eq!(Release::around(&through), Some(release.clone()));
        assert_eq!(release.home(), Some(home));
        assert_eq!(Release::around(state.path()), None);
    }

    #[test]
    fn two_deploys_at_a_time_are_refused() {
        let state = tempfile::tempdir().unwrap();
        let home = Home::of(state.path(), "shop");
        home.make().unwrap();
        let held = home.lock().unwrap();
        assert!(home.lock().is_err());
        drop(held);
        home.lock().unwrap();
    }
}
