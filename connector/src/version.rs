//! What tells one content of a file from the next: the version of the payload that was made of it.

use crate::filter::Found;
use crate::listing::{Entry, Modified, Precision};

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// Zones differ by quarters of an hour.
const QUARTER: u64 = 15;

/// Changes when the file does, and not when its listing gets coarser: a UNIX listing tells the minute for half
/// a year and the day after that, so a time is only counted as exactly as it was told.
pub fn version(found: &Found) -> Option<String> {
    let time = found.modified.map(|modified| match modified.precision {
        Precision::Second => modified.ms.to_string(),
        Precision::Minute => format!("{}m", modified.ms / MINUTE_MS),
        Precision::Day => format!("{}d", modified.ms / DAY_MS),
    });
    match (found.size, time) {
        (None, None) => None,
        (size, time) => {
            let size = size.map(|size| size.to_string()).unwrap_or_default();
            Some(format!("{size}-{}", time.unwrap_or_default()))
        }
    }
}

/// What a version says of the file that it was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Bytes.
    pub size: Option<u64>,
    modified: Option<Modified>,
}

impl Known {
    /// What is known of a file that was found.
    pub fn of(found: &Found) -> Self {
        Self {
            size: found.size,
            modified: found.modified,
        }
    }

    /// Reads a version. None when it is not one of ours.
    pub fn read(version: &str) -> Option<Self> {
        let (size, time) = version.split_once('-')?;
        let size = match size {
            "" => None,
            digits => Some(digits.parse().ok()?),
        };
        let of = |digits: &str, unit: u64, precision| {
            let ms = digits.parse::<u64>().ok()?.checked_mul(unit)?;
            Some(Modified { ms, precision })
        };
        let modified = match (time, time.strip_suffix('m'), time.strip_suffix('d')) {
            ("", ..) => None,
            (_, Some(minutes), _) => Some(of(minutes, MINUTE_MS, Precision::Minute)?),
            (_, _, Some(days)) => Some(of(days, DAY_MS, Precision::Day)?),
            (ms, ..) => Some(of(ms, 1, Precision::Second)?),
        };
        Some(Self { size, modified })
    }

    /// Whether an entry may be that file, by all that is known of both. Times that a listing told to the minute may
    /// be in another zone than the server's own.
    pub fn may_be(&self, entry: &Entry) -> bool {
        if let (Some(then), Some(now)) = (self.size, entry.size)
            && then != now
        {
            return false;
        }
        let (Some(then), Some(now)) = (self.modified, entry.modified) else {
            return true;
        };
        match then.precision.min(now.precision) {
            Precision::Second => then.ms / 1000 == now.ms / 1000,
            Precision::Minute => (then.ms / MINUTE_MS)
                .abs_diff(now.ms / MINUTE_MS)
                .is_multiple_of(QUARTER),
            Precision::Day => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::EntryKind;
    use crate::path::RemotePath;

    fn entry(size: Option<u64>, modified: Option<(u64, Precision)>) -> Entry {
        Entry {
            name: "a".to_owned(),
            kind: EntryKind::File,
            size,
            modified: modified.map(|(ms, precision)| Modified { ms, precision }),
        }
    }

    fn version_of(entry: &Entry) -> Option<String> {
        version(&Found::new(RemotePath::default(), entry))
    }

    #[test]
    fn a_version_says_what_it_was_made_of() {
        let ms = 1_709_210_096_000;
        for (precision, text) in [
            (Precision::Second, "5-1709210096000"),
            (Precision::Minute, "5-28486834m"),
            (Precision::Day, "5-19782d"),
        ] {
            let entry = entry(Some(5), Some((ms, precision)));
            assert_eq!(version_of(&entry).as_deref(), Some(text));
            let known = Known::read(text).unwrap();
            assert_eq!(known.size, Some(5));
            assert!(known.may_be(&entry), "{text}");
        }
        assert_eq!(version_of(&entry(None, None)), None);
        let size_alone = entry(Some(5), None);
        assert_eq!(version_of(&size_alone).as_deref(), Some("5-"));
        assert!(Known::read("5-").unwrap().may_be(&size_alone));
        for other in ["", "v2", "2024-05-01", "5-1x", "-x", "5"] {
            assert_eq!(Known::read(other), None, "{other}");
        }
    }

    #[test]
    fn another_file_of_the_same_name_is_told() {
        let ms = 1_709_210_096_000;
        let exact = Known::read("5-1709210096000").unwrap();
        let at = |size, ms, precision| entry(Some(size), Some((ms, precision)));
        assert!(exact.may_be(&at(5, ms + 400, Precision::Second)));
        assert!(!exact.may_be(&at(6, ms, Precision::Second)));
        assert!(!exact.may_be(&at(5, ms + 1000, Precision::Second)));
        assert!(exact.may_be(&entry(None, None)));
        // A listing in another zone is no other file; one of a few minutes later is.
        let listed = Known::read("5-28486834m").unwrap();
        assert!(listed.may_be(&at(5, ms + 2 * 3_600_000, Precision::Second)));
        assert!(!listed.may_be(&at(5, ms + 7 * MINUTE_MS, Precision::Second)));
        assert!(
            Known::read("5-19782d")
                .unwrap()
                .may_be(&at(5, 7, Precision::Second))
        );
    }
}
