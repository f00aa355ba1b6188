//! What a table cannot say: readers that go on over many lines, hostile ones among them.

use jiff::tz::TimeZone;

use super::*;

fn lines(dialect: Dialect) -> Lines {
    let clock = Clock {
        // 2024-11-20T12:00:00Z
        now_ms: 1_732_104_000_000,
        zone: TimeZone::UTC,
    };
    Lines::new(dialect, &clock)
}

fn names(reader: &mut Lines, text: &str) -> Vec<String> {
    let entries = text.lines().filter_map(|line| match reader.read(line) {
        Line::Entry(entry) => Some(entry.name),
        Line::Nothing => None,
        Line::Unreadable => Some(format!("? {line}")),
    });
    entries.collect()
}

#[test]
fn styles_may_mix() {
    let mut reader = lines(Dialect::Long);
    assert_eq!(reader.style(), None);
    let found = names(
        &mut reader,
        "total 12\n-rw-r--r-- 1 u g 1 Nov  5  2018 unix\n\n04-08-14  03:09PM  403 windows\n\
         -rw-r--r-- 1 u g 1 Nov  5  2018 unix too\n+r,s3,\teplf\nwhat is this\nVMS.TXT;1 1 2-JUN-1998 [X]\n",
    );
    assert_eq!(
        found,
        ["unix", "windows", "unix too", "eplf", "? what is this", "VMS.TXT"]
    );
    assert_eq!(reader.style(), Some(Style::Vms));
    assert_eq!(reader.end(), Line::Nothing);
}

#[test]
fn a_vms_listing() {
    let mut reader = lines(Dialect::Long);
    let found = names(
        &mut reader,
        "\nDirectory USER1:[TEMP]\n\n\
         UNZIP_AND_ATTACH_FILES.COM;12\n                        14/15         24-JUL-2002 14:35:40  [X]  (RWE,,,)\n\
         A.TXT;3   9/9   2-JUN-1998 07:32:04  [G,O]    (RWED,RWED,RWED,RE)\n\
         A.TXT;2   9/9   1-JUN-1998 07:32:04  [G,O]    (RWED,RWED,RWED,RE)\n\
         THREE_LINES.TXT;1\n      1/3\n      2-JUN-1998 07:32:04\n      [G,O]   (RWED,RWED,RWED,RE)\n\
         LOST.TXT;1\n\
         B.DIR;1   1/9   2-JUN-1998 07:32:04  [G,O]    (RWED,RWED,RWED,RE)\n\
         LAST.TXT;1\n\
         \nTotal of 6 files, 50/60 blocks\n",
    );
    assert_eq!(
        found,
        ["UNZIP_AND_ATTACH_FILES.COM", "A.TXT", "THREE_LINES.TXT", "B"]
    );
    assert_eq!(reader.style(), Some(Style::Vms));
    assert_eq!(reader.end(), Line::Unreadable);
    assert_eq!(reader.end(), Line::Nothing);
}

#[test]
fn hostile_names_are_left_out() {
    for line in [
        "type=file;size=1; ../../etc/passwd",
        "type=file;size=1; a/b",
        "type=file;size=1; a\rDELE b",
        "type=file;size=1; a\0b",
        "type=file;size=1; ",
    ] {
        assert_eq!(lines(Dialect::Machine).read(line), Line::Unreadable, "{line:?}");
    }
    for name in [
        "../x",
        "/etc/passwd",
        "a/b",
        "./../x",
        "././x",
        "a\rDELE b",
        "a\0b",
        "a\nb",
        "",
    ] {
        for line in [
            format!("-rw-r--r-- 1 u g 1 Nov  5  2018 {name}"),
            format!("drw-r--r-- 1 u g 1 Nov  5  2018 {name}/"),
            format!("lrw-r--r-- 1 u g 1 Nov  5  2018 {name} -> x"),
            format!("04-08-14  03:09PM  403 {name}"),
            format!("- [RWCEAFMS] u 1 Nov  5  2018 {name}"),
            format!("+r,s3,\t{name}"),
            format!("1123      A    07-14-99   12:37  {name}"),
        ] {
            let read = lines(Dialect::Long).read(&line);
            assert_eq!(read, Line::Unreadable, "{line:?}");
        }
    }
    // Where the last segment is the name, what is before it does not matter.
    for (line, outcome) in [("../../x", Some("x")), ("a/..", None), ("C:\\a\\..", None)] {
        match (lines(Dialect::Names).read(line), outcome) {
            (Line::Entry(entry), Some(name)) => assert_eq!(entry.name, name),
            (Line::Nothing, None) => {}
            (other, _) => panic!("{line}: {other:?}"),
        }
    }
    assert_eq!(lines(Dialect::Names).read("/"), Line::Unreadable);
}

#[test]
fn a_hostile_name_is_not_read_in_another_style() {
    let line = "-rw-r--r-- 1 u g 1 Nov  5  2018 a/X.TXT;1 1 2-JUN-1998";
    assert_eq!(lines(Dialect::Long).read(line), Line::Unreadable);
}

/// Not random, so that what fails once fails again (Knuth's MMIX generator).
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Parts that lead deep into the readers, between `#`, and characters that do not belong there.
const PARTS: &str = "-rw-r--r--#drwxr-xr-x+#lrwxrwxrwx# #  #\t#1#12#4096#99999999999999999999999#33.5k#Nov#Feb#5#29#30.#\
    2018#12:30#24:00#99:99#12:30:45.5#+0100#-9999#2005-06-07#04-23-103#31-12-99#99-99-9999#1/2/3#8月#17日#2003年#\
    月#\u{efed}#<DIR>#<JUNCTION>#PM#[RWCEAFMS]#[#]#- [#*FILE#*MEM#*#a.txt#A.TXT;1#;1#DIR.DIR;1#é.DIR;1#0/3#9/9#\
    [G,O]#(RWED)#+r,s3,#+,,é,m99999999999999999999,/#->#/#..#./#type=file;#size=1#modify=19124#; #=slink:#\
    Volume#Unit#Name#VV.MM#PO#PS#Migrated#**NONE**#C:\\#\\#\0#\r#\u{10ffff}#total#-#.#,#:#";

#[test]
fn whatever_comes_is_read_without_panic() {
    let parts: Vec<&str> = PARTS.split('#').collect();
    let mut noise = Noise(7);
    for dialect in [Dialect::Machine, Dialect::Long, Dialect::Names] {
        let mut reader = lines(dialect);
        for _ in 0..60_000 {
            let mut line = String::new();
            for _ in 0..noise.below(12) {
                line.push_str(parts[noise.below(parts.len())]);
                if noise.below(2) == 0 {
                    line.push(' ');
                }
            }
            match noise.below(8) {
                0 => line.push(char::from_u32(u32::try_from(noise.below(0x3000)).unwrap()).unwrap_or('x')),
                1 => {
                    let bytes: Vec<u8> = (0..noise.below(60))
                        .map(|_| u8::try_from(noise.below(256)).unwrap())
                        .collect();
                    line = String::from_utf8_lossy(&bytes).into_owned();
                }
                _ => {}
            }
            if let Line::Entry(entry) = reader.read(&line) {
                assert!(is_name(&entry.name), "{line:?}");
            }
            timestamp(&line);
        }
        reader.end();
    }
}
