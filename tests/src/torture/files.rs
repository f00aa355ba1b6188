//! The files that a flow moves, and what has to have become of them.

use std::collections::BTreeMap;

use fastrand::Rng;

/// Files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What bodies are sorted by: those up to here are kept in one way, larger ones in another.
const SMALL: usize = 64 * 1024;

/// Files of mixed sizes: empty, small, around the border between small and large, and a few of some MiB.
pub fn mixed(rng: &mut Rng, count: usize) -> Files {
    let sizes = |rng: &mut Rng| match rng.u8(..100) {
        0..10 => 0,
        10..60 => rng.usize(1..4096),
        60..75 => SMALL - 1 + rng.usize(..3),
        75..97 => rng.usize(4096..40_000),
        _ => rng.usize((1 << 20)..(3 << 20)),
    };
    made(count, |_| {
        let mut content = vec![0; sizes(rng)];
        rng.fill(&mut content);
        content
    })
}

/// Files of a few lines that no other file has, all of the same length: what is appended twice shows.
pub fn lines(rng: &mut Rng, count: usize) -> Files {
    made(count, |number| {
        let lines = (0..3).map(|line| format!("order {number:05} line {line} {:032x}\n", rng.u128(..)));
        lines.collect::<String>().into_bytes()
    })
}

fn made(count: usize, mut content: impl FnMut(usize) -> Vec<u8>) -> Files {
    (0..count)
        .map(|number| (format!("order-{number:05}.dat"), content(number)))
        .collect()
}

/// The bytes of all of them.
#[must_use]
pub fn bytes(files: &Files) -> u64 {
    files.values().map(|content| content.len() as u64).sum()
}

/// The same files in another folder.
#[must_use]
pub fn in_folder(folder: &str, files: &Files) -> Files {
    files
        .iter()
        .map(|(name, content)| (format!("{folder}/{name}"), content.clone()))
        .collect()
}

/// In which ways what is there is not what should be there. `place` is what the reader is told.
#[must_use]
pub fn differences(place: &str, is: &Files, should: &Files) -> Vec<String> {
    let mut found = Vec::new();
    for (name, content) in should {
        match is.get(name) {
            None => found.push(format!("{place}: {name} is missing")),
            Some(other) if other != content => found.push(format!(
                "{place}: {name} has other bytes: {} and not {}",
                other.len(),
                content.len()
            )),
            Some(_) => {}
        }
    }
    let more = is.keys().filter(|name| !should.contains_key(*name));
    found.extend(more.map(|name| format!("{place}: {name} should not be there")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told() {
        let files = |list: &[(&str, &str)]| -> Files {
            list.iter()
                .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
                .collect()
        };
        let should = files(&[("a", "1"), ("b", "2"), ("c", "3")]);
        assert_eq!(differences("here", &should, &should), [""; 0]);
        let is = files(&[("a", "1"), ("b", "22"), ("d", "4")]);
        assert_eq!(
            differences("here", &is, &should),
            [
                "here: b has other bytes: 2 and not 1",
                "here: c is missing",
                "here: d should not be there"
            ]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_files() {
        let files = |seed| mixed(&mut Rng::with_seed(seed), 200);
        assert!(files(1) == files(1) && files(1) != files(2));
        let sizes: Vec<usize> = files(1).values().map(Vec::len).collect();
        assert!(sizes.contains(&0) && sizes.contains(&SMALL) && sizes.iter().any(|size| *size > 1 << 20));
    }
}
