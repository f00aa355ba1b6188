//! A step that makes payloads of local files.

use super::Work;
use super::path::{local_error, rendered};
use crate::contract::{Error, ErrorKind, Metadata};
use crate::event::Event;
use crate::failure::Failure;
use crate::imports::exchange::counterpart::{Reception, Target};
use crate::payload::Payload;
use crate::state::spool::BodyWriter;
use globset::{GlobBuilder, GlobMatcher};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Enough that a read costs more than its call.
const CHUNK: usize = 256 * 1024;

/// Makes payloads of local files.
#[derive(Debug)]
pub struct ReadStep {
    /// Relative paths are relative to it.
    pub base: PathBuf,
    /// A file, a folder or a glob; may be a template.
    pub path: String,
}

/// A file to read, and its path below the folder where the search began.
type Found = (PathBuf, String);

impl ReadStep {
    /// Checks a path that is not a template.
    ///
    /// # Errors
    /// When it is not a valid glob.
    pub fn check(path: &str) -> Result<(), String> {
        Pattern::parse(path).map(drop).map_err(|error| error.message)
    }

    pub(super) async fn attempt(&self, work: &Work<'_>) -> Result<(), Failure> {
        while let Some(item) = work.next()? {
            match self.search(work, &item.payload).await {
                Ok(files) => {
                    // Consumed when it has made what it makes; what comes in between is made up for by the next try.
                    work.within(read_all(work, files)).await?;
                    work.book.consume(&item);
                }
                Err(error) => work.book.fail(&item, error),
            }
        }
        Ok(())
    }

    async fn search(&self, work: &Work<'_>, payload: &Payload) -> Result<Vec<Found>, Error> {
        let scope = work.scope.with(payload);
        let path = rendered(work.step, "folder.read", &self.path, |source| {
            scope.render(source)
        })?;
        let base = self.base.clone();
        blocking(move || find(&base, &path)).await
    }
}

async fn read_all(work: &Work<'_>, files: Vec<Found>) {
    for (path, below) in files {
        let metadata = metadata(&path, below);
        if let Err(error) = read_one(work, &path, &metadata).await {
            work.book.lost(&metadata, error);
        }
        if work.book.broken().is_some() {
            return; // All others would fail for the same reason.
        }
    }
}

async fn read_one(work: &Work<'_>, path: &Path, metadata: &Metadata) -> Result<(), Error> {
    let writer = match work.book.offered(metadata).await? {
        Reception::Accept(Target::Spool(writer)) => writer,
        Reception::Accept(Target::Pipe(_)) | Reception::Accepted | Reception::Stop => return Ok(()),
        Reception::Skip => {
            work.book.count(1, 0);
            return Ok(());
        }
    };
    let (file, begun) = (path.to_path_buf(), metadata.clone());
    let (metadata, writer) = blocking(move || read(&file, begun, *writer)).await?;
    let payload = Payload {
        metadata: metadata.clone(),
        body: None,
    };
    let bytes = metadata.size.unwrap_or_default();
    if work.book.accept(metadata, writer).await? {
        work.book.count(0, bytes);
        work.events.send(&Event::PayloadDone {
            step: work.step.to_owned(),
            payload: payload.label().to_owned(),
            bytes,
            attributes: payload.metadata.attributes.clone(),
        });
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, error.to_string())))
}

/// A path split where its first wildcard is.
struct Pattern {
    folder: PathBuf,
    /// None for a path without wildcards.
    glob: Option<GlobMatcher>,
    hidden: bool,
    deepest: usize,
}

impl Pattern {
    fn parse(path: &str) -> Result<Self, Error> {
        let is_wild = |part: &&str| part.contains(['*', '?', '[', '{']);
        let parts: Vec<&str> = path.split('/').collect();
        let Some(first) = parts.iter().position(is_wild) else {
            return Ok(Self {
                folder: PathBuf::from(path),
                glob: None,
                hidden: false,
                deepest: 1,
            });
        };
        let folder = parts[..first].join("/");
        // `/*` is below the root, and joining nothing would lose that.
        let folder = if first == 1 && parts[0].is_empty() {
            "/".to_owned()
        } else {
            folder
        };
        let pattern = parts[first..].join("/");
        let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| {
            Error::new(
                ErrorKind::InvalidSettings,
                format!("`{path}` is not a glob: {}", error.kind()),
            )
        })?;
        Ok(Self {
            folder: PathBuf::from(folder),
            glob: Some(glob.compile_matcher()),
            hidden: parts.last().is_some_and(|last| last.starts_with('.')),
            deepest: if pattern.contains("**") {
                usize::MAX
            } else {
                parts.len() - first
            },
        })
    }
}

/// The files that a path means, in the order of their names.
fn find(base: &Path, path: &str) -> Result<Vec<Found>, Error> {
    let pattern = Pattern::parse(path)?;
    let start = base.join(&pattern.folder);
    let start = start
        .canonicalize()
        .map_err(|error| local_error("read", &start, &error))?;
    if start.is_file() && pattern.glob.is_none() {
        let name = start
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        return Ok(vec![(start, name)]);
    }
    let mut found = Vec::new();
    walk(&start, "", 1, &pattern, &mut found)?;
    found.sort_by(|left, right| left.1.cmp(&right.1));
    Ok(found)
}

fn walk(
    folder: &Path,
    below: &str,
    depth: usize,
    pattern: &Pattern,
    found: &mut Vec<Found>,
) -> Result<(), Error> {
    let failed = |error: &std::io::Error| local_error("list", folder, error);
    for entry in fs::read_dir(folder).map_err(|error| failed(&error))? {
        let entry = entry.map_err(|error| failed(&error))?;
        // A name that is not text could not be told to any later step.
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = if below.is_empty() {
            name.clone()
        } else {
            format!("{below}/{name}")
        };
        let kind = entry.file_type().map_err(|error| failed(&error))?;
        // Links to folders are not followed: they may lead in circles.
        if kind.is_dir() {
            if depth < pattern.deepest {
                walk(&entry.path(), &path, depth + 1, pattern, found)?;
            }
            continue;
        }
        let is_meant = pattern.glob.as_ref().is_none_or(|glob| glob.is_match(&path));
        let is_hidden = name.starts_with('.') && !pattern.hidden;
        if is_meant && !is_hidden && entry.path().is_file() {
            found.push((entry.path(), path));
        }
    }
    Ok(())
}

fn metadata(path: &Path, below: String) -> Metadata {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let on_disk = fs::metadata(path).ok();
    let modified = on_disk.as_ref().and_then(|file| file.modified().ok());
    let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_ms = modified.and_then(|since| u64::try_from(since.as_millis()).ok());
    let size = on_disk.map(|file| file.len());
    Metadata {
        id: path.display().to_string(),
        version: Some(format!(
            "{}-{}",
            size.unwrap_or_default(),
            modified_ms.unwrap_or_default()
        )),
        name: Some(name.clone()),
        content_type: None,
        size,
        modified_ms,
        attributes: vec![
            ("original_filename".to_owned(), name),
            ("original_path".to_owned(), below),
        ],
    }
}

fn read(
    path: &Path,
    mut metadata: Metadata,
    mut writer: BodyWriter,
) -> Result<(Metadata, BodyWriter), Error> {
    let failed = |error: &std::io::Error| local_error("read", path, error);
    let mut file = File::open(path).map_err(|error| failed(&error))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = file.read(&mut chunk).map_err(|error| failed(&error))?;
        if length == 0 {
            break;
        }
        writer
            .write(&chunk[..length])
            .map_err(|error| Error::from(&error))?;
    }
    // It may have grown since it was found.
    metadata.size = Some(writer.len());
    Ok((metadata, writer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::spool::Spool;

    fn names(base: &Path, path: &str) -> Vec<String> {
        find(base, path)
            .expect(path)
            .into_iter()
            .map(|(_, below)| below)
            .collect()
    }

    #[test]
    fn files_folders_and_globs_are_found() {
        let base = tempfile::tempdir().expect("a folder");
        for path in [
            "in/b.csv",
            "in/a.csv",
            "in/c.txt",
            "in/.d.csv",
            "in/x/e.csv",
            "in/x/y/f.csv",
        ] {
            let path = base.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "x").expect("written");
        }
        let base = base.path();
        assert_eq!(names(base, "in"), ["a.csv", "b.csv", "c.txt"]);
        assert_eq!(names(base, "in/"), ["a.csv", "b.csv", "c.txt"]);
        assert_eq!(names(base, "in/a.csv"), ["a.csv"]);
        assert_eq!(names(base, "in/*.csv"), ["a.csv", "b.csv"]);
        assert_eq!(names(base, "in/.*.csv"), [".d.csv"]);
        assert_eq!(names(base, "in/{a,c}.*"), ["a.csv", "c.txt"]);
        assert_eq!(names(base, "in/*/*.csv"), ["x/e.csv"]);
        assert_eq!(
            names(base, "in/**/*.csv"),
            ["a.csv", "b.csv", "x/e.csv", "x/y/f.csv"]
        );
        assert_eq!(names(base, "in/*.pdf"), [""; 0]);
        let absolute = base.join("in/?.txt");
        assert_eq!(
            names(Path::new("/nowhere"), &absolute.display().to_string()),
            ["c.txt"]
        );
        assert_eq!(
            find(base, "none/*").expect_err("missing").kind,
            ErrorKind::NotFound
        );
        assert_eq!(
            find(base, "in/none.csv").expect_err("missing").kind,
            ErrorKind::NotFound
        );
        assert!(ReadStep::check("in/{a").is_err_and(|message| message.contains("is not a glob")));
    }

    #[test]
    fn a_file_becomes_a_payload_with_its_facts() {
        let base = tempfile::tempdir().expect("a folder");
        let spool = Spool::create(base.path(), None).expect("a spool");
        let path = base.path().join("big");
        fs::write(&path, vec![7; CHUNK + 3]).expect("written");
        let found = metadata(&path, "x/big".to_owned());
        let (metadata, writer) = read(&path, found, spool.writer()).expect("read");
        assert_eq!(metadata.size, Some(CHUNK as u64 + 3));
        assert_eq!(metadata.attribute("original_path"), Some("x/big"));
        assert_eq!(metadata.attribute("original_filename"), Some("big"));
        assert!(metadata.modified_ms.is_some());
        assert_eq!(writer.len(), CHUNK as u64 + 3);
    }
}
