//! Listings, as servers send them: MLSD, LIST and NLST.

use ftp_connector::fuzzing;

use crate::assert_segment;

/// Reads a listing, in every dialect.
///
/// # Panics
/// Unless each entry has a name that can be put into a path and asked for again, and there are no more than lines.
pub fn listing(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').count();
    // In every dialect: a server may answer one command in the form of another.
    for dialect in 0..3 {
        let found = fuzzing::listing(dialect, data);
        assert!(found.len() <= lines, "{} entries in {lines} lines", found.len());
        for entry in &found {
            assert_segment(&entry.name);
            assert!(
                contains(data, &fuzzing::bytes(&entry.name)),
                "{:?} is not a name that was sent",
                entry.name
            );
            assert!(
                entry.file || entry.size.is_none(),
                "a size without a file: {entry:?}"
            );
        }
    }
}

fn contains(data: &[u8], part: &[u8]) -> bool {
    data.windows(part.len()).any(|window| window == part)
}
