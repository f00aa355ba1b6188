//! Checks the reading of listings against a table of lines from real servers.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Clock, Dialect, Entry, EntryKind, Line, Lines, Precision};

/// Its head tells the format.
const TABLE: &str = include_str!("../../testdata/listings.txt");

/// What stands above a block of cases, and how its lines are to be read.
struct Block {
    style: &'static str,
    dialect: Dialect,
    clock: Clock,
}

/// Lines, all of them but the last without an outcome of their own, and what is to come of the last.
struct Case {
    number: usize,
    lines: Vec<String>,
    outcome: &'static str,
}

fn ms(at: &str) -> u64 {
    let at: Timestamp = at.parse().unwrap_or_else(|error| panic!("{at}: {error}"));
    u64::try_from(at.as_millisecond()).unwrap()
}

fn block(heading: &'static str) -> Block {
    let parts: Vec<&str> = heading.split(" | ").collect();
    let [style, command, now, zone] = parts[..] else {
        panic!("{heading}");
    };
    Block {
        style,
        dialect: match command {
            "MLSD" => Dialect::Machine,
            "LIST" => Dialect::Long,
            "NLST" => Dialect::Names,
            other => panic!("{other}"),
        },
        clock: Clock {
            now_ms: ms(now),
            zone: TimeZone::get(zone).unwrap(),
        },
    }
}

/// Turns `\s`, `\t`, `\r`, `\0`, `\\` and `\u{…}` into what they stand for.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next() {
                Some('s') => ' ',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('0') => '\0',
                Some('u') => {
                    let code: String = chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                    u32::from_str_radix(&code, 16)
                        .ok()
                        .and_then(char::from_u32)
                        .unwrap()
                }
                Some(c) => c,
                None => panic!("{text}"),
            },
            c => c,
        });
    }
    plain
}

fn table() -> Vec<(Block, Vec<Case>)> {
    let mut blocks: Vec<(Block, Vec<Case>)> = Vec::new();
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(TABLE.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(heading) = line.strip_prefix(": ") {
            blocks.push((block(heading), Vec::new()));
        } else if let Some(outcome) = line.strip_prefix("= ") {
            let case = Case {
                number,
                lines: std::mem::take(&mut lines),
                outcome,
            };
            blocks.last_mut().expect("a heading").1.push(case);
        } else {
            lines.push(plain(line));
        }
    }
    assert!(lines.is_empty(), "no outcome for {lines:?}");
    blocks
}

/// An outcome as the table writes it.
fn shown(line: &Line) -> String {
    match line {
        Line::Nothing => "nothing".to_owned(),
        Line::Unreadable => "unreadable".to_owned(),
        Line::Entry(entry) => shown_entry(entry),
    }
}

fn shown_entry(entry: &Entry) -> String {
    let kind = match entry.kind {
        EntryKind::File => "file",
        EntryKind::Folder => "folder",
        EntryKind::Link => "link",
    };
    let size = entry.size.map_or("-".to_owned(), |size| size.to_string());
    let modified = entry.modified.map_or("-".to_owned(), |modified| {
        let at = Timestamp::from_millisecond(i64::try_from(modified.ms).unwrap()).unwrap();
        let precision = match modified.precision {
            Precision::Day => "day",
            Precision::Minute => "minute",
            Precision::Second => "second",
        };
        format!("{at}/{precision}")
    });
    format!("{kind} {size} {modified} [{}]", entry.name)
}

/// Reads a case, and tells what is wrong with the outcome.
fn wrong(case: &Case, block: &Block, reader: &mut Lines) -> Option<String> {
    let (last, before) = case.lines.split_last()?;
    for line in before {
        let read = shown(&reader.read(line));
        if read != "nothing" {
            return Some(format!("line {}: {line:?} gave {read}", case.number));
        }
    }
    let read = reader.read(last);
    let expected = plain(case.outcome);
    if shown(&read) != expected {
        let number = case.number;
        return Some(format!(
            "line {number}: {last:?}\n  expected {expected}\n  read     {}",
            shown(&read)
        ));
    }
    let style = reader.style().map(super::Style::name);
    (matches!(read, Line::Entry(_)) && style != Some(block.style))
        .then(|| format!("line {}: {last:?} was read as {style:?}", case.number))
}

#[test]
fn lines_of_real_servers() {
    let mut wrongs = Vec::new();
    let mut lines = 0;
    for (block, cases) in table() {
        for case in &cases {
            lines += case.lines.len();
            let mut reader = Lines::new(block.dialect, &block.clock);
            wrongs.extend(wrong(case, &block, &mut reader));
        }
    }
    assert!(
        wrongs.is_empty(),
        "{} wrong:\n{}",
        wrongs.len(),
        wrongs.join("\n")
    );
    assert!(lines >= 150, "{lines}");
}

#[test]
fn a_style_that_is_known_changes_nothing() {
    let mut wrongs = Vec::new();
    for (block, cases) in table() {
        let mut reader = Lines::new(block.dialect, &block.clock);
        wrongs.extend(cases.iter().filter_map(|case| wrong(case, &block, &mut reader)));
    }
    assert!(
        wrongs.is_empty(),
        "{} wrong:\n{}",
        wrongs.len(),
        wrongs.join("\n")
    );
}

#[test]
fn every_style_has_lines() {
    let styles: Vec<&str> = table().iter().map(|(block, _)| block.style).collect();
    for style in super::STYLES
        .into_iter()
        .chain([super::Style::Machine, super::Style::Names])
    {
        assert!(styles.contains(&style.name()), "{}", style.name());
    }
}
