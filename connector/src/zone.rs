//! The time zone of LIST, which the server does not tell: set, or found out by comparing with MDTM, which is in
//! UTC (RFC 3659 section 3).

use jiff::tz::{Offset, TimeZone};

use crate::error::Error;
use crate::listing::{Clock, Dialect, Entry, EntryKind, Line, Lines, Modified, Precision};
use crate::path::RemotePath;
use crate::session::Session;
use crate::settings::Connection;
use crate::transport::Level;

/// How many files are asked about: one may have been written to in between.
const SAMPLES: usize = 3;
/// How many bytes of a listing are kept while the zone is not known, so that it need not be asked for twice. Some
/// thousand files.
const MOST_KEPT: usize = 256 * 1024;
/// Zones lie at quarters of an hour.
const QUARTER_MS: i64 = 15 * 60 * 1000;
/// The furthest from UTC that there is.
const FURTHEST_MS: i64 = 14 * 60 * 60 * 1000;
/// A listing tells the minute, and some round it up.
const TOLERANCE_MS: i64 = 60 * 1000;

/// What is known of the zone of LIST.
#[derive(Debug, Clone)]
pub enum Zone {
    /// The settings name it.
    Named(TimeZone),
    /// Found out. It may be another in the other half of the year.
    Found(Offset),
    /// Not known, and taken for UTC.
    Unknown,
}

impl Zone {
    /// As the settings say.
    pub fn new(settings: &Connection) -> Result<Self, Error> {
        Ok(settings.zone()?.map_or(Self::Unknown, Self::Named))
    }

    /// The zone to read times with.
    pub fn time_zone(&self) -> TimeZone {
        match self {
            Self::Named(zone) => zone.clone(),
            Self::Found(offset) => offset.to_time_zone(),
            Self::Unknown => TimeZone::UTC,
        }
    }

    /// Whether the times of LIST are only as good as a comparison. The offset is that of now, and a file from
    /// before the clocks changed is an hour off.
    pub fn is_found(&self) -> bool {
        matches!(self, Self::Found(offset) if *offset != Offset::UTC)
    }
}

/// The lines of a listing, kept while there is room.
#[derive(Default)]
struct Kept {
    lines: Vec<Option<String>>,
    bytes: usize,
}

impl Kept {
    fn push(&mut self, line: Option<&str>) {
        self.bytes += line.map_or(0, str::len) + size_of::<Option<String>>();
        if self.bytes <= MOST_KEPT {
            self.lines.push(line.map(str::to_owned));
        } else {
            self.lines = Vec::new();
        }
    }

    fn all(self) -> Option<Vec<Option<String>>> {
        (self.bytes <= MOST_KEPT).then_some(self.lines)
    }
}

/// The files whose times are told to the minute, the latest few.
#[derive(Default)]
struct Samples(Vec<(u64, String)>);

impl Samples {
    fn add(&mut self, entry: Entry) {
        if let (
            EntryKind::File,
            Some(Modified {
                ms,
                precision: Precision::Minute,
            }),
        ) = (entry.kind, entry.modified)
            && (self.0.len() < SAMPLES || self.0.iter().any(|(known, _)| *known < ms))
        {
            self.0.push((ms, entry.name));
            self.0.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
            self.0.truncate(SAMPLES);
        }
    }
}

impl Session {
    /// Whether the zone is to be found out before a listing is handed out.
    pub(crate) fn seeks_zone(&self) -> bool {
        matches!(self.zone, Zone::Unknown) && self.dialect == Dialect::Long && self.has("MDTM")
    }

    /// Lists a folder, which we are in, to find out the zone. The lines come back unless they are too many; then
    /// the folder is to be listed again.
    pub(crate) fn seek_zone(&mut self, folder: &RemotePath) -> Result<Option<Vec<Option<String>>>, Error> {
        let mut kept = Kept::default();
        let mut samples = Samples::default();
        let mut lines = Lines::new(Dialect::Long, &self.clock());
        self.lines(&folder.to_string(), "LIST", |line| {
            kept.push(line);
            if let Some(Line::Entry(entry)) = line.map(|line| lines.read(line)) {
                samples.add(entry);
            }
        })?;
        for (listed, name) in samples.0 {
            let path = folder.child(&name);
            // Where paths are relative, they are so to the folder that we are in.
            let remote = if self.base.is_some() {
                self.remote(&path)
            } else {
                name
            };
            let exact = self.modified_at(&path, &remote)?;
            if let Some(offset) = exact.and_then(|exact| offset(listed, exact.ms)) {
                let message = format!("LIST has times at {offset} from UTC, by those of `{path}`.");
                (self.host.log)(Level::Debug, &message);
                self.zone = Zone::Found(offset);
                break;
            }
        }
        Ok(kept.all())
    }

    /// What the times of a listing are read with.
    pub(crate) fn clock(&self) -> Clock {
        Clock {
            now_ms: crate::files::now_ms(),
            zone: self.zone.time_zone(),
        }
    }
}

/// How far a listing is from UTC that shows `exact` as `listed`, both in milliseconds. None when that is no zone's
/// distance, and so the file has changed in between.
fn offset(listed: u64, exact: u64) -> Option<Offset> {
    let minute = |ms: u64| i64::try_from(ms - ms % 60_000).ok();
    let difference = minute(listed)? - minute(exact)?;
    let rounded = (difference + QUARTER_MS / 2).div_euclid(QUARTER_MS) * QUARTER_MS;
    if (difference - rounded).abs() > TOLERANCE_MS || rounded.abs() > FURTHEST_MS {
        return None;
    }
    Offset::from_seconds(i32::try_from(rounded / 1000).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_700_000_000_000 / 86_400_000 * 86_400_000 + 43_200_000;
    const MINUTE: u64 = 60_000;

    #[test]
    fn offsets_are_whole_quarters_of_an_hour() {
        for (listed, exact, hours) in [
            (NOON, NOON + 59_999, Some(0.0)),
            (NOON + 120 * MINUTE, NOON + 30_000, Some(2.0)),
            (NOON - 300 * MINUTE, NOON, Some(-5.0)),
            (NOON + 345 * MINUTE, NOON, Some(5.75)),
            (NOON + 121 * MINUTE, NOON, Some(2.0)),
            (NOON - 299 * MINUTE, NOON, Some(-5.0)),
            // Written to in between.
            (NOON, NOON + 5 * MINUTE, None),
            (NOON + 15 * 60 * MINUTE, NOON, None),
            (NOON, 0, None),
        ] {
            let found = offset(listed, exact).map(|offset| f64::from(offset.seconds()) / 3600.0);
            assert_eq!(found, hours, "{listed} {exact}");
        }
    }

    #[test]
    fn the_latest_files_are_asked_about() {
        let mut samples = Samples::default();
        for (name, ms, kind, precision) in [
            ("old", NOON, EntryKind::File, Precision::Minute),
            ("day", NOON + 9 * MINUTE, EntryKind::File, Precision::Day),
            ("folder", NOON + 9 * MINUTE, EntryKind::Folder, Precision::Minute),
            ("b", NOON + 2 * MINUTE, EntryKind::File, Precision::Minute),
            ("c", NOON + 3 * MINUTE, EntryKind::File, Precision::Minute),
            ("a", NOON + MINUTE, EntryKind::File, Precision::Minute),
        ] {
            samples.add(Entry {
                name: name.to_owned(),
                kind,
                size: None,
                modified: Some(Modified { ms, precision }),
            });
        }
        let names: Vec<_> = samples.0.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["c", "b", "a"]);
    }

    #[test]
    fn a_short_listing_is_kept_and_a_long_one_is_not() {
        let mut kept = Kept::default();
        kept.push(Some("a"));
        kept.push(None);
        assert_eq!(kept.all(), Some(vec![Some("a".to_owned()), None]));
        let mut kept = Kept::default();
        for _ in 0..MOST_KEPT {
            kept.push(Some("a"));
        }
        assert_eq!(kept.lines.capacity(), 0);
        assert_eq!(kept.all(), None);
    }

    #[test]
    fn zones_of_the_settings() {
        let zone = |json: &str| Zone::new(&Connection::parse(json).unwrap()).unwrap();
        assert!(matches!(zone(r#"{"host":"h"}"#), Zone::Unknown));
        let set = zone(r#"{"host":"h","timezone":"+02:00"}"#);
        assert!(matches!(set, Zone::Named(_)) && !set.is_found());
        assert!(Zone::Found(Offset::constant(2)).is_found() && !Zone::Found(Offset::UTC).is_found());
    }
}
