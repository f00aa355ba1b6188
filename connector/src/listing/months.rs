//! Names of months, as servers write them in the language that they were installed in.

/// How a name begins, to its month. Beginnings, since names are cut at different lengths: `Sep`, `Sept`,
/// `September`. Where two languages disagree, the longer beginning comes first. `jui` is French on VMS, which
/// cuts after three letters; July, as other clients read it.
const BEGINNINGS: &[(&str, u32)] = &[
    // English, and what is written alike in German, French, Spanish, Italian, Dutch, Portuguese, Danish,
    // Norwegian and Swedish.
    ("jan", 1),
    ("feb", 2),
    ("mar", 3),
    ("apr", 4),
    ("may", 5),
    ("jun", 6),
    ("jul", 7),
    ("aug", 8),
    ("sep", 9),
    ("oct", 10),
    ("nov", 11),
    ("dec", 12),
    // German, Danish, Norwegian, Swedish.
    ("jän", 1),
    ("mär", 3),
    ("mrz", 3),
    ("mai", 5),
    ("maj", 5),
    ("okt", 10),
    ("dez", 12),
    ("des", 12),
    // French.
    ("fév", 2),
    ("fev", 2),
    ("avr", 4),
    ("juin", 6),
    ("jui", 7),
    ("aoû", 8),
    ("aou", 8),
    ("déc", 12),
    // Spanish.
    ("ene", 1),
    ("abr", 4),
    ("ago", 8),
    ("dic", 12),
    // Italian.
    ("gen", 1),
    ("mag", 5),
    ("giu", 6),
    ("lug", 7),
    ("set", 9),
    ("ott", 10),
    // Dutch.
    ("mrt", 3),
    ("maa", 3),
    ("mei", 5),
    // Portuguese.
    ("out", 10),
    // Hungarian.
    ("már", 3),
    ("ápr", 4),
    ("máj", 5),
    ("jún", 6),
    ("júl", 7),
    ("szep", 9),
    // Polish.
    ("sty", 1),
    ("lut", 2),
    ("kwi", 4),
    ("cze", 6),
    ("lip", 7),
    ("sie", 8),
    ("wrz", 9),
    ("paź", 10),
    ("lis", 11),
    ("gru", 12),
    // Russian.
    ("янв", 1),
    ("фев", 2),
    ("мар", 3),
    ("апр", 4),
    ("май", 5),
    ("мая", 5),
    ("июн", 6),
    ("июл", 7),
    ("авг", 8),
    ("сен", 9),
    ("окт", 10),
    ("ноя", 11),
    ("дек", 12),
];

/// No name of a month is longer, in letters.
const LONGEST: usize = 12;

/// The month that a word names, 1 to 12. A full stop or a comma may follow.
pub fn month(word: &str) -> Option<u32> {
    let name = word.trim_end_matches(['.', ',']);
    if let [a, b, c] = *name.as_bytes() {
        let letters = [a, b, c].map(|byte| byte.to_ascii_lowercase());
        let english = BEGINNINGS[..12]
            .iter()
            .find(|(begin, _)| begin.as_bytes() == letters);
        if let Some((_, month)) = english {
            return Some(*month);
        }
    }
    let mut letters = String::new();
    for c in name.chars().take(LONGEST + 1) {
        let c = latin(c);
        if !c.is_alphabetic() {
            return None;
        }
        letters.extend(c.to_lowercase());
    }
    if letters.chars().count() > LONGEST {
        return None;
    }
    let known = BEGINNINGS.iter().find(|(begin, _)| letters.starts_with(begin));
    known.map(|(_, month)| *month)
}

/// A byte that is not valid in the connection's encoding arrives as U+EF80 to U+EFFF. In the name of a month
/// it is most likely Latin-1: `Mär` from a server that writes its file names in UTF-8.
fn latin(c: char) -> char {
    match u32::from(c) {
        code @ 0xEF80..=0xEFFF => char::from_u32(code - 0xEF00).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_in_many_languages() {
        for (names, expected) in [
            ("Jan january JANVIER janv. Januar ene gen Jän", 1),
            ("Feb. févr. fév. feb febbraio f\u{efe9}vr", 2),
            ("Mar mars März Mär mrt maart marzo m\u{efe4}r", 3),
            ("Apr avr. avril abr aprile", 4),
            ("May Mai maj mei mag mayo", 5),
            ("Jun Juni juin giu", 6),
            ("Jul Juli juil. JUI lug", 7),
            ("Aug août ao\u{effb}t ago", 8),
            ("Sep Sept szept set settembre", 9),
            ("Oct Okt. ott out octubre", 10),
            ("Nov Nov., novembre", 11),
            ("Dec Dez dic. déc. December", 12),
        ] {
            for name in names.split(' ') {
                assert_eq!(month(name), Some(expected), "{name}");
            }
        }
        for name in [
            "",
            ".",
            "j",
            "ja",
            "Jam",
            "5",
            "11月",
            "march-past",
            "decentralisation",
        ] {
            assert_eq!(month(name), None, "{name}");
        }
    }
}
