//! A step that writes payloads to local files.

use super::path::{PathError, check_name, local_error, refused, rendered};
use super::{Memory, Tried, Work, template_error};
use crate::contract::{Error, ErrorKind};
use crate::flow::file::IfExists;
use crate::payload::Payload;
use crate::state::spool::Body;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

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

    pub(super) async fn attempt(&self, work: &Work<'_>, memory: &mut Memory, inbox: Vec<Payload>) -> Tried {
        let mut tried = Tried::default();
        let mut inbox = VecDeque::from(inbox);
        while let Some(payload) = inbox.pop_front() {
            let answer = work.within(self.write(work, memory, &payload)).await;
            if let Some((payload, written)) = tried.sort(payload, answer, &mut inbox) {
                match written {
                    Written::Stored(bytes) => tried.bytes += bytes,
                    Written::Skipped => tried.skipped += 1,
                }
                tried.passed.push(payload);
            }
        }
        tried
    }

    async fn write(&self, work: &Work<'_>, memory: &mut Memory, payload: &Payload) -> Result<Written, Error> {
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
        if memory
            .written
            .get(&path)
            .is_some_and(|other| *other != payload.metadata.id)
        {
            let message = format!(
                "step `{}`: another payload of this run was written to {} before; give each its own `name`",
                work.step,
                path.display()
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let if_exists = self.if_exists;
        let last = work.flow.steps.last().is_some_and(|step| step.id == work.step);
        let stored = tokio::task::spawn_blocking(move || store(&body, last, &folder, &name, if_exists)).await;
        let written =
            stored.unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, error.to_string())))?;
        if let Written::Stored(_) = written {
            memory.written.insert(path, payload.metadata.id.clone());
        }
        Ok(written)
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

/// Writes a whole file or none: under a temporary name, to the disk, and then to its name at once. `last`: nobody reads
/// the body after this.
fn store(body: &Body, last: bool, folder: &Path, name: &str, if_exists: IfExists) -> Result<Written, Error> {
    let path = folder.join(name);
    fs::create_dir_all(folder).map_err(|error| local_error("make the folder", folder, &error))?;
    if if_exists == IfExists::Skip && path.symlink_metadata().is_ok() {
        return Ok(Written::Skipped);
    }
    let failed = |error: &io::Error| local_error("write", &path, error);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".flowhost-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As any program would make a file: the umask decides.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder).map_err(|error| failed(&error))?;
    let file = fill(file, body, last).map_err(|error| failed(&error))?;
    let renamed = match if_exists {
        IfExists::Replace => file.persist(&path),
        IfExists::Skip | IfExists::Fail => file.persist_noclobber(&path),
    };
    match renamed {
        Ok(()) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists && if_exists == IfExists::Skip => {
            return Ok(Written::Skipped);
        }
        Err(error) => return Err(failed(&error.error)),
    }
    // The rename itself has to reach the disk before the original may go. Elsewhere folders cannot be opened.
    #[cfg(unix)]
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(&error))?;
    Ok(Written::Stored(body.len()))
}

/// Gives a file with the bytes of a body, on the disk: the spool's own where nobody needs it there any more and both are
/// on one file system, else a copy.
fn fill(mut file: NamedTempFile, body: &Body, last: bool) -> io::Result<TempPath> {
    let name = file.path().with_extension("whole.part");
    if last && body.hand_over(&name) {
        let own = TempPath::try_from_path(name)?;
        // Bodies in the spool are for nobody else to read.
        fs::set_permissions(&own, file.as_file().metadata()?.permissions())?;
        fs::File::open(&own)?.sync_all()?;
        return Ok(own);
    }
    copy(body, file.as_file_mut())?;
    file.as_file().sync_all()?;
    Ok(file.into_temp_path())
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
}
