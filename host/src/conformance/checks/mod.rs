//! The checks: one file a family. Each check has the sentence of the contract that it is about.

pub mod acceptance;
pub mod check;
pub mod component;
pub mod describe;
pub mod errors;
pub mod incoming;
pub mod offers;
pub mod plan;
pub mod schema;
pub mod secrets;
pub mod stopping;
pub mod templates;
mod verdicts;

use super::bench::Bench;

/// What a check is.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name: the family, and what is looked at.
    pub id: &'static str,
    /// The file in `wit/connector/` that has the sentence, without its extension.
    pub interface: &'static str,
    /// The contract's own words.
    pub sentence: &'static str,
    /// What is done, and what is seen where the obligation was not kept.
    pub does: &'static str,
    /// What the settings file has to have for it.
    pub needs: Needs,
}

/// A check, by reference: there is one of each.
pub type CheckId = &'static Check;

/// What a check needs from the settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Not even a settings file.
    Nothing,
    /// The connection.
    Connection,
    /// Calls.
    Calls,
    /// The connection and the settings by which it is led to a server that says nothing.
    Silent,
    /// The call that lists what is on the remote system.
    Remains,
}

impl Needs {
    /// The member of the settings file.
    #[must_use]
    pub fn words(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Connection => Some("`connection`"),
            Self::Calls => Some("`calls`"),
            Self::Silent => Some("`silent`"),
            Self::Remains => Some("`remains`"),
        }
    }
}

/// All checks, in the order in which reports have them.
pub fn all() -> impl Iterator<Item = CheckId> {
    [
        component::CHECKS,
        describe::CHECKS,
        schema::CHECKS,
        plan::CHECKS,
        templates::CHECKS,
        check::CHECKS,
        offers::CHECKS,
        acceptance::CHECKS,
        incoming::CHECKS,
        stopping::CHECKS,
        errors::CHECKS,
        secrets::CHECKS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Makes all checks of a component that could be loaded.
pub(super) async fn run(bench: &mut Bench) {
    describe::run(bench).await;
    schema::run(bench);
    plan::run(bench).await;
    if bench.book.has_failed(&plan::PURE) {
        // Each call begins with a plan: nothing that follows could be told from this.
        return;
    }
    templates::run(bench).await;
    check::run(bench).await;
    for index in 0..bench.calls() {
        offers::run(bench, index).await;
        acceptance::run(bench, index).await;
        incoming::run(bench, index).await;
        stopping::run(bench, index).await;
        offers::run_last(bench, index).await;
        incoming::run_last(bench, index);
    }
    errors::run(bench);
    secrets::run(bench);
}

#[cfg(test)]
mod tests;
