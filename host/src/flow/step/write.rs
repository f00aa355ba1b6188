//! A step that writes payloads to local files.

use super::path::{PathError, check_name, local_error, refused, rendered};
use super::{Item, Work, template_error};
use crate::contract::{Error, ErrorKind};
use crate::failure::Failure;
use crate::flow::file::IfExists;
use crate::payload::Payload;
use crate::state::body::Body;
use crate::state::spool::sync_folder;
use serde_json::json;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// Writes payloads to local files.
#[derive(Debug)]
pub struct WriteStep {
    /// Relative paths are relative to it.
    pub base: PathBuf,
    /// The folder that takes the files; may be a template.
    pub folder: String,
    /// The file's name; may be a template. The payload's own when not given.
    pub name: Option<String>,
    /// What happens to a file that is already there.
    pub if_exists: IfExists,
}

impl WriteStep {
    /// Checks a name that is not a template.
    ///
    /// # Errors
    /// When it is not the name of one file.
    pub fn check_name(name: &str) -> Result<(), String> {
        check_name(name).map_err(|error| error.to_string())
    }

    pub(super) async fn attempt(&self, work: &Work<'_>) -> Result<(), Failure> {
        while let Some(item) = work.next()? {
            match work.within(self.write(work, &item)).await {
                Ok(Ok((path, written))) => {
                    let bytes = match written {
                        Written::Stored(bytes) => bytes,
                        Written::Skipped => {
                            work.book.count(1, 0);
                            0
                        }
                    };
                    let facts = match written {
                        Written::Stored(bytes) => json!({"path": path.display().to_string(), "size": bytes}),
                        Written::Skipped => json!({"there": path.display().to_string()}),
                    };
                    work.book
                        .pass(&item, item.payload.metadata.clone(), &facts, bytes);
                }
                Ok(Err(error)) => work.book.fail(&item, error),
                Err(failure) => {
                    work.book.lose(&item);
                    return Err(failure);
                }
            }
        }
        Ok(())
    }

    async fn write(&self, work: &Work<'_>, item: &Item) -> Result<(PathBuf, Written), Error> {
        let payload = &item.payload;
        let Some(body) = payload.body.clone() else {
            let message = format!(
                "step `{}`: the payload `{}` has no body to write",
                work.step,
                payload.label()
            );
            return Err(Error::new(ErrorKind::Data, message));
        };
        let scope = work.scope.with(payload);
        let folder = rendered(work.step, "folder.write", &self.folder, |source| {
            scope.render(source)
        })?;
        let name = self.name(work.step, payload, |source| scope.render(source))?;
        let folder = self.base.join(folder);
        let path = folder.join(&name);
        // Two payloads under one name would leave one of them, and both would count as delivered.
        if work.book.is_taken(&path.display().to_string(), item.seq).await? {
            let message = format!(
                "step `{}`: another payload of this run was written to {} before; give each its own `name`",
                work.step,
                path.display()
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let job = Store {
            body,
            last: work.flow.steps.last().is_some_and(|step| step.id == work.step),
            again: item.earlier.is_some(),
            temporary: folder.join(format!(".flowhost-{}-{}.part", work.run_id, item.seq)),
            folder,
            name,
            if_exists: self.if_exists,
        };
        let stored = tokio::task::spawn_blocking(move || job.run()).await;
        let written =
            stored.unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, error.to_string())))?;
        Ok((path, written))
    }

    fn name(
        &self,
        step: &str,
        payload: &Payload,
        fill: impl FnOnce(&str) -> Result<String, super::super::template::TemplateError>,
    ) -> Result<String, Error> {
        let (field, name) = if let Some(source) = &self.name {
            (
                "folder.name",
                fill(source).map_err(|error| template_error(step, "folder.name", &error))?,
            )
        } else {
            let own = payload
                .metadata
                .attribute("original_filename")
                .or(payload.metadata.name.as_deref());
            let message = format!(
                "step `{step}`: the payload `{}` has no name; give it a `name`",
                payload.label()
            );
            let own = own.ok_or_else(|| Error::new(ErrorKind::InvalidSettings, message))?;
            ("the payload's name", own.to_owned())
        };
        check_name(&name).map_err(|error: PathError| refused(step, field, &error))?;
        Ok(name)
    }
}

/// What became of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    Stored(u64),
    Skipped,
}

/// Writes a whole file or none: under a temporary name, to the disk, and then to its name at once.
struct Store {
    body: Body,
    /// Nobody reads the body after this.
    last: bool,
    /// An earlier try may have written it.
    again: bool,
    folder: PathBuf,
    name: String,
    /// The same in each try, so that a later one takes the place of what a killed one has left.
    temporary: PathBuf,
    if_exists: IfExists,
}

impl Store {
    fn run(&self) -> Result<Written, Error> {
        let path = self.folder.join(&self.name);
        fs::create_dir_all(&self.folder)
            .map_err(|error| local_error("make the folder", &self.folder, &error))?;
        let failed = |error: &io::Error| local_error("write", &path, error);
        if self.again && holds(&path, &self.body) {
            let _ = fs::remove_file(&self.temporary); // The earlier try may have left it.
            sync_folder(&self.folder).map_err(|error| failed(&error))?;
            return Ok(Written::Stored(self.body.len()));
        }
        if self.if_exists == IfExists::Skip && path.symlink_metadata().is_ok() {
            let _ = fs::remove_file(&self.temporary);
            return Ok(Written::Skipped);
        }
        let file = self.fill().map_err(|error| failed(&error))?;
        let renamed = match self.if_exists {
            IfExists::Replace => file.persist(&path),
            IfExists::Skip | IfExists::Fail => file.persist_noclobber(&path),
        };
        match renamed {
            Ok(()) => {}
            Err(error)
                if error.error.kind() == io::ErrorKind::AlreadyExists && self.if_exists == IfExists::Skip =>
            {
                return Ok(Written::Skipped);
            }
            Err(error) => return Err(failed(&error.error)),
        }
        // The rename itself has to reach the disk before the original may go.
        sync_folder(&self.folder).map_err(|error| failed(&error))?;
        Ok(Written::Stored(self.body.len()))
    }

    /// Gives a file with the bytes of the body, on the disk: the spool's own where nobody needs it there any more and both
    /// are on one file system, else a copy.
    fn fill(&self) -> io::Result<TempPath> {
        if let Err(error) = fs::remove_file(&self.temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        // As any program would make a file: the umask decides who may read it.
        let mut file = fs::File::create_new(&self.temporary)?;
        let own = TempPath::try_from_path(self.temporary.clone())?;
        let name = self.temporary.with_extension("whole.part");
        if self.last && self.body.hand_over(&name) {
            // Bodies in the spool are for nobody else to read.
            let given = TempPath::try_from_path(name)?;
            fs::set_permissions(&given, file.metadata()?.permissions())?;
            fs::File::open(&given)?.sync_all()?;
            given.persist(&self.temporary).map_err(|error| error.error)?;
            return Ok(own);
        }
        copy(&self.body, &mut file)?;
        file.sync_all()?;
        Ok(own)
    }
}

/// Whether a file holds the bytes of a body.
fn holds(path: &Path, body: &Body) -> bool {
    let same = || -> io::Result<bool> {
        if fs::symlink_metadata(path)?.len() != body.len() {
            return Ok(false);
        }
        let (mut there, mut wanted) = (
            BufReader::new(fs::File::open(path)?),
            BufReader::new(body.open()?),
        );
        loop {
            let (left, right) = (there.fill_buf()?, wanted.fill_buf()?);
            let length = left.len().min(right.len());
            if length == 0 {
                return Ok(left.len() == right.len());
            }
            if left[..length] != right[..length] {
                return Ok(false);
            }
            there.consume(length);
            wanted.consume(length);
        }
    };
    same().unwrap_or(false)
}

/// Copies a body. From file to file that is the system's work where it can do it, without a detour through here.
fn copy(body: &Body, to: &mut fs::File) -> io::Result<()> {
    if let Some(path) = body.path() {
        io::copy(&mut fs::File::open(path)?, to)?;
        return Ok(());
    }
    io::copy(&mut body.open()?, to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::spool::Spool;

    fn store(
        body: &Body,
        last: bool,
        folder: &Path,
        name: &str,
        if_exists: IfExists,
    ) -> Result<Written, Error> {
        let job = Store {
            body: body.clone(),
            last,
            again: false,
            folder: folder.to_path_buf(),
            name: name.to_owned(),
            temporary: folder.join(".flowhost-run-1.part"),
            if_exists,
        };
        job.run()
    }

    fn entries(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder)
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_under_its_name_and_the_old_one_is_treated_as_asked() {
        let base = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(&base.path().join("spool"), None).expect("a spool");
        let (old, new) = (
            spool.store(b"old").expect("stored"),
            spool.store(b"new!").expect("stored"),
        );
        let folder = base.path().join("a/b");
        let content = || fs::read_to_string(folder.join("f")).expect("there");
        let stored = |body, if_exists| store(body, false, &folder, "f", if_exists).expect("no error");
        assert_eq!(stored(&old, IfExists::Fail), Written::Stored(3));
        assert_eq!(stored(&new, IfExists::Skip), Written::Skipped);
        let refused = store(&new, false, &folder, "f", IfExists::Fail).expect_err("it is there");
        assert_eq!(refused.kind, ErrorKind::Conflict);
        assert_eq!(content(), "old");
        assert_eq!(stored(&new, IfExists::Replace), Written::Stored(4));
        assert_eq!(content(), "new!");
        // Nothing temporary stays.
        assert_eq!(entries(&folder), ["f"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_file_has_the_permissions_of_any_other() {
        use std::os::unix::fs::PermissionsExt as _;
        let base = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(base.path(), None).expect("a spool");
        fs::write(base.path().join("plain"), "x").expect("written");
        let (small, large) = (spool.store(b"x"), spool.store(&vec![7; 1 << 20]));
        let mode = |name: &str| {
            fs::metadata(base.path().join(name))
                .expect("there")
                .permissions()
                .mode()
        };
        for body in [small.expect("stored"), large.expect("stored")] {
            for last in [false, true] {
                store(&body, last, base.path(), "ours", IfExists::Replace).expect("stored");
                assert_eq!(mode("ours"), mode("plain"));
            }
        }
    }

    /// The last step saves the copy, but never gives the same file out twice, nor while others may read it.
    #[test]
    #[cfg(unix)]
    fn the_last_step_takes_the_file_over() {
        use std::os::unix::fs::MetadataExt as _;
        let base = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(&base.path().join("spool"), None).expect("a spool");
        let content = vec![7; 1 << 20];
        let body = spool.store(&content).expect("stored");
        let in_spool = fs::metadata(body.path().expect("a file")).expect("there").ino();
        let out = base.path().join("out");
        for (name, last, same) in [("a", false, false), ("b", true, true), ("c", true, false)] {
            store(&body, last, &out, name, IfExists::Fail).expect("stored");
            let file = fs::metadata(out.join(name)).expect("there");
            assert_eq!(file.ino() == in_spool, same, "{name}");
        }
        drop(body);
        for name in ["a", "b", "c"] {
            assert!(fs::read(out.join(name)).expect("there") == content, "{name}");
        }
        assert_eq!(entries(&out), ["a", "b", "c"]);
    }

    #[test]
    fn a_folder_in_the_way_is_a_conflict_and_leaves_nothing() {
        let base = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(&base.path().join("spool"), None).expect("a spool");
        let folder = base.path().join("out");
        fs::create_dir_all(folder.join("f/x")).expect("made");
        let body = spool.store(b"x").expect("stored");
        let error = store(&body, true, &folder, "f", IfExists::Replace).expect_err("a folder is there");
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert_eq!(entries(&folder), ["f"]);
    }

    #[test]
    fn what_an_earlier_try_has_written_is_recognized_and_what_it_left_is_overwritten() {
        let base = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(&base.path().join("spool"), None).expect("a spool");
        let body = spool.store(b"mine").expect("stored");
        let out = base.path().join("out");
        let again = |if_exists| {
            let job = Store {
                body: body.clone(),
                last: false,
                again: true,
                folder: out.clone(),
                name: "f".to_owned(),
                temporary: out.join(".flowhost-run-1.part"),
                if_exists,
            };
            fs::create_dir_all(&out).expect("made");
            fs::write(&job.temporary, "cut off in the mid").expect("written");
            job.run()
        };
        // Killed before the rename: it is written now.
        assert_eq!(again(IfExists::Fail).expect("written"), Written::Stored(4));
        assert_eq!(entries(&out), ["f"]);
        // Killed after it.
        for if_exists in [IfExists::Fail, IfExists::Skip, IfExists::Replace] {
            assert_eq!(again(if_exists).expect("there"), Written::Stored(4));
            assert_eq!(entries(&out), ["f"]);
        }
        fs::write(out.join("f"), "yours").expect("written");
        assert_eq!(
            again(IfExists::Fail).expect_err("another's").kind,
            ErrorKind::Conflict
        );
        fs::write(out.join("f"), "your").expect("written");
        assert_eq!(again(IfExists::Skip).expect("another's stays"), Written::Skipped);
        assert_eq!(entries(&out), ["f"]);
    }
}
