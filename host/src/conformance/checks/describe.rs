//! What a connector says of itself.

use super::{Check, CheckId, Needs};
use crate::conformance::bench::Bench;
use crate::conformance::report::Verdict;
use crate::contract::Descriptor;
use crate::failure::Failure;
use semver::Version;
use serde_json::Value;

/// It says so without help.
pub const PURE: Check = Check {
    id: "describe.pure",
    interface: "connector",
    sentence: "It MUST call no import, always succeed,",
    does: "Calls `describe` where every import of the contract traps and nothing may be reached, within 5 seconds.",
    needs: Needs::Nothing,
};
/// It says the same again.
pub const SAME: Check = Check {
    id: "describe.same",
    interface: "connector",
    sentence: "and always give the same.",
    does: "Calls `describe` twice in one instance and once more in another, and compares all answers.",
    needs: Needs::Nothing,
};
/// Its id.
pub const ID: Check = Check {
    id: "describe.id",
    interface: "connector",
    sentence: "Stable, lower case, for example `ftp`.",
    does: "Looks at the id: lower-case letters, digits and single hyphens between them, a letter first.",
    needs: Needs::Nothing,
};
/// Its version.
pub const VERSION: Check = Check {
    id: "describe.version",
    interface: "connector",
    sentence: "Semantic version of the connector.",
    does: "Parses the version by the rules of Semantic Versioning 2.0.0.",
    needs: Needs::Nothing,
};
/// Its headings.
pub const WORDS: Check = Check {
    id: "describe.words",
    interface: "connector",
    sentence: "A few words for a heading.",
    does: "Looks at the titles and descriptions of the connector and of each endpoint: none is empty, and a title has \
           one line of at most 80 characters.",
    needs: Needs::Nothing,
};
/// What later versions add.
pub const DETAILS: Check = Check {
    id: "describe.details",
    interface: "connector",
    sentence: "A JSON object, for what later versions add.",
    does: "Parses `details`, where there are any.",
    needs: Needs::Nothing,
};

pub(super) const CHECKS: &[CheckId] = &[&PURE, &SAME, &ID, &VERSION, &WORDS, &DETAILS];

pub(super) async fn run(bench: &mut Bench) {
    let said = bench.connector.descriptor.clone();
    let (pure, same) = match again(bench).await {
        Ok(answers) => {
            let first = format!("{said:?}");
            let other = answers.iter().any(|answer| format!("{answer:?}") != first);
            let complaint = other.then(|| "it answered in different ways".to_owned());
            (Verdict::Passed, Verdict::unless(complaint))
        }
        Err(failure) => {
            let failed = Verdict::Failed(format!("called again, it ended with: {failure}"));
            (failed, Verdict::NotRun("`describe.pure` failed".to_owned()))
        }
    };
    let book = &mut bench.book;
    book.put(&PURE, "", pure);
    book.put(&SAME, "", same);
    book.put(&ID, "", Verdict::unless(id(&said.id)));
    let version = Version::parse(&said.version).err();
    let version = version.map(|error| {
        format!(
            "{:?} is no semantic version such as `1.0.0`: {error}",
            said.version
        )
    });
    book.put(&VERSION, "", Verdict::unless(version));
    book.put(&WORDS, "", Verdict::unless(words(&said)));
    let details = match &said.details {
        None => Verdict::NotApplicable("it gives no `details`".to_owned()),
        Some(text) => Verdict::unless(not_an_object(text)),
    };
    book.put(&DETAILS, "", details);
}

/// Twice in one instance, which is also once more in an instance that is not the loader's.
async fn again(bench: &Bench) -> Result<[Descriptor; 2], Failure> {
    let mut instance = bench.start().await?;
    Ok([instance.describe().await?, instance.describe().await?])
}

fn id(id: &str) -> Option<String> {
    let parts = id.split('-');
    let sound = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    let right = id.starts_with(|first: char| first.is_ascii_lowercase()) && parts.clone().all(sound);
    (!right)
        .then(|| format!("{id:?} has other characters than lower-case letters, digits and single hyphens"))
}

fn words(said: &Descriptor) -> Option<String> {
    /// Of a heading.
    const LONGEST: usize = 80;
    let own = ("the connector", &said.title, &said.description);
    let endpoints = said.endpoints.iter();
    let endpoints =
        endpoints.map(|endpoint| (endpoint.name.as_str(), &endpoint.title, &endpoint.description));
    std::iter::once(own)
        .chain(endpoints)
        .find_map(|(of, title, description)| {
            let title = title.trim();
            if title.is_empty() || description.trim().is_empty() {
                return Some(format!("the title or the description of {of} is empty"));
            }
            (title.lines().count() > 1 || title.chars().count() > LONGEST)
                .then(|| format!("the title of {of} is longer than a heading: {title:?}"))
        })
}

/// What is wrong with a text that has to be a JSON object.
pub(super) fn not_an_object(text: &str) -> Option<String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(_)) => None,
        Ok(_) => Some(format!("it is JSON, but no object: {text}")),
        Err(error) => Some(format!("it is no JSON ({error}): {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_words() {
        for right in ["ftp", "s3", "azure-blob"] {
            assert_eq!(id(right), None);
        }
        for wrong in ["", "FTP", "a b", "a_b", "-a", "a--b", "a-", "1a"] {
            assert!(id(wrong).is_some(), "{wrong}");
        }
    }
}
