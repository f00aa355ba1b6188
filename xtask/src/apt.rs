//! Debian's packages, fetched and unpacked without installing any.
//!
//! apt runs on a state of its own below target/apt: copies of the machine's sources, its own lists and its own
//! downloads. So it needs no root, changes nothing on the machine, checks signatures as always, and takes the
//! address of the mirror from the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Lists older than this are fetched again: a mirror drops superseded packages after a while.
const FRESH: Duration = Duration::from_hours(24);

pub struct Apt {
    folder: PathBuf,
}

impl Apt {
    /// A private apt with current package lists.
    pub fn open(workspace: &Workspace) -> Result<Self> {
        let apt = Self {
            folder: workspace.own("apt"),
        };
        if process::output(Command::new("apt-get").arg("--version")).is_err()
            || process::output(Command::new("dpkg-deb").arg("--version")).is_err()
        {
            bail!("this machine has no apt-get and dpkg-deb (it is not Debian or a relative of it)");
        }
        apt.copy_sources()?;
        if !apt.is_fresh() {
            apt.update()?;
        }
        Ok(apt)
    }

    /// The version that apt would install, or `None` when there is no such package.
    pub fn candidate(&self, package: &str) -> Option<String> {
        let show = process::output(self.cache().args(["show", "--no-all-versions", package])).ok()?;
        show.lines()
            .find_map(|line| line.strip_prefix("Version: "))
            .map(str::to_owned)
    }

    /// Every version on offer, newest first.
    pub fn versions(&self, package: &str) -> Vec<String> {
        let text = process::output(self.cache().args(["madison", package])).unwrap_or_default();
        text.lines()
            .filter_map(|line| Some(line.split('|').nth(1)?.trim().to_owned()))
            .collect()
    }

    /// The packages that `package` depends on directly.
    pub fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let only = [
            "--no-recommends",
            "--no-suggests",
            "--no-conflicts",
            "--no-breaks",
            "--no-replaces",
        ];
        let text = process::output(
            self.cache()
                .arg("depends")
                .args(only)
                .arg("--no-enhances")
                .arg(package),
        )?;
        Ok(text
            .lines()
            .filter_map(|line| Some(line.split_once("Depends:")?.1.trim().to_owned()))
            .collect())
    }

    /// Adds `<release>-backports` of Debian's own archive; true when that brought new lists.
    pub fn add_backports(&self) -> Result<bool> {
        let place = self.backports();
        let format = "$(REPO_URI)|$(CODENAME)|$(ORIGIN)";
        let text =
            process::output(
                self.get()
                    .args(["indextargets", "--format", format, "Created-By: Packages"]),
            )?;
        let Some((archive, backports)) = backports_of(&text) else {
            return Ok(false);
        };
        let key = Path::new("/usr/share/keyrings/debian-archive-keyring.gpg");
        let signed = if key.exists() {
            format!("[signed-by={}] ", key.display())
        } else {
            String::new()
        };
        write(&place, &format!("deb {signed}{archive} {backports} main\n"))?;
        if let Err(error) = self.update() {
            // Not every mirror carries it; what is there must stay usable.
            fs::remove_file(&place).with_context(|| format!("cannot remove {}", place.display()))?;
            return Err(error);
        }
        Ok(true)
    }

    /// Unpacks `packages` (a name, or `name=version`) below `root`, with everything they need that this
    /// machine has not got.
    pub fn unpack(&self, packages: &[String], root: &Path) -> Result<Vec<Package>> {
        let files = self.download(packages).or_else(|_| {
            // The usual reason is a list that names a version which the mirror has replaced since.
            self.update()?;
            self.download(packages)
        })?;
        fs::create_dir_all(root).with_context(|| format!("cannot make the folder {}", root.display()))?;
        let mut unpacked = Vec::new();
        for file in files {
            let text = process::output(
                Command::new("dpkg-deb")
                    .args(["--show", "--showformat"])
                    .args(["${Package} ${Version}".as_ref(), file.as_os_str()]),
            )?;
            let (name, version) = text
                .split_once(' ')
                .with_context(|| format!("{} has no name", file.display()))?;
            // Another libc than the machine's own loader expects breaks every program that it is shown to.
            if name != "libc6" {
                process::output(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(root))?;
                unpacked.push(Package {
                    name: name.to_owned(),
                    version: version.to_owned(),
                });
            }
        }
        Ok(unpacked)
    }

    fn download(&self, packages: &[String]) -> Result<Vec<PathBuf>> {
        let archives = self.folder.join("cache/archives");
        remove(&archives)?;
        make(&archives.join("partial"))?;
        // `--reinstall`: a package that the machine has is wanted here as well, for its files.
        let mut get = self.get();
        get.args([
            "install",
            "--download-only",
            "--reinstall",
            "--no-install-recommends",
            "--yes",
            "-qq",
        ]);
        process::output(get.args(packages)).with_context(|| format!("cannot get {}", packages.join(" ")))?;
        let mut files = Vec::new();
        for entry in fs::read_dir(&archives)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    fn copy_sources(&self) -> Result<()> {
        for folder in ["state", "lists/partial", "cache/archives/partial", "sources"] {
            make(&self.folder.join(folder))?;
        }
        // Nothing that the machine has dropped since stays; our own file does.
        for entry in fs::read_dir(self.folder.join("sources"))?.flatten() {
            if entry.path() != self.backports() {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        // Always there, since apt complains about a file that it was pointed to and that is missing.
        let list = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
        write(&self.folder.join("sources.list"), &list)?;
        let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") else {
            return Ok(());
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "list" || extension == "sources")
            {
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                write(&self.folder.join("sources").join(entry.file_name()), &text)?;
            }
        }
        Ok(())
    }

    fn is_fresh(&self) -> bool {
        let age = fs::metadata(self.stamp())
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| SystemTime::now().duration_since(time).ok());
        age.is_some_and(|age| age < FRESH)
    }

    fn update(&self) -> Result<()> {
        process::say("package lists");
        // One unreachable third-party source must not stop the rest: apt then fails, though Debian's own lists
        // are there. So the question is whether there are packages, not whether apt is content.
        let updated = process::output(self.get().args(["update", "-qq"]));
        let targets = process::output(self.get().args([
            "indextargets",
            "--format",
            "$(FILENAME)",
            "Created-By: Packages",
        ]))?;
        match updated {
            Err(error) if targets.trim().is_empty() || self.backports().exists() => {
                Err(error.context("apt cannot fetch the package lists"))
            }
            _ => write(&self.stamp(), ""),
        }
    }

    fn backports(&self) -> PathBuf {
        // Not a name that the machine's own files have.
        self.folder.join("sources/xtask-backports.list")
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("lists.stamp")
    }

    fn get(&self) -> Command {
        self.private("apt-get")
    }

    fn cache(&self) -> Command {
        self.private("apt-cache")
    }

    fn private(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // The names that are read below are not translated.
        command
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        let places = [
            ("Dir::State", "state"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::Etc::sourceparts", "sources"),
        ];
        for (name, place) in places {
            command
                .arg("-o")
                .arg(format!("{name}={}", self.folder.join(place).display()));
        }
        let settings = [
            // Root would give downloads to a user who may not write here.
            "APT::Sandbox::User=root",
            // The locks that remain are those of the machine's dpkg, which is only read.
            "Debug::NoLocking=1",
            "Acquire::Languages=none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "Acquire::Retries=2",
            "Acquire::http::Timeout=30",
            "Acquire::https::Timeout=30",
        ];
        for setting in settings {
            command.args(["-o", setting]);
        }
        command
    }
}

/// A package that was unpacked.
pub struct Package {
    pub name: String,
    pub version: String,
}

/// From lines of `URI|codename|origin`: the archive of the release itself and the name of its backports,
/// unless the machine has them already.
fn backports_of(targets: &str) -> Option<(String, String)> {
    let debian: Vec<(&str, &str)> = targets
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('|');
            let (uri, codename) = (fields.next()?, fields.next()?);
            (fields.next()? == "Debian").then_some((uri, codename))
        })
        .collect();
    // The release is the one that has no suffix, such as `-updates`.
    let (archive, release) = debian.iter().find(|(_, codename)| !codename.contains('-'))?;
    let backports = format!("{release}-backports");
    let known = debian.iter().any(|(_, codename)| *codename == backports);
    (!known).then(|| ((*archive).to_owned(), backports))
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("cannot remove the folder {}", folder.display()))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::backports_of;

    const STABLE: &str = "http://a.example/debian/|bookworm|Debian\n\
        http://a.example/debian/|bookworm-updates|Debian\nhttp://b.example/|nodistro|Other\n";

    #[test]
    fn backports_come_from_the_archive_of_the_release() {
        let found = backports_of(STABLE);
        assert_eq!(
            found,
            Some((
                "http://a.example/debian/".to_owned(),
                "bookworm-backports".to_owned()
            ))
        );
    }

    #[test]
    fn backports_are_not_added_twice() {
        let both = format!("{STABLE}http://c.example/debian/|bookworm-backports|Debian\n");
        assert_eq!(backports_of(&both), None);
    }

    #[test]
    fn another_distribution_has_no_debian_backports() {
        assert_eq!(backports_of("http://a.example/ubuntu/|noble|Ubuntu\n"), None);
        assert_eq!(backports_of(""), None);
    }
}
