//! What can be seen of the component before any of its functions is called. It is what the host's loader looks at.

use super::{Check, CheckId, Needs};
use crate::component::LoadError;
use crate::conformance::failed_by;
use crate::conformance::report::{Book, Verdict};

/// It is a component.
pub const VALID: Check = Check {
    id: "component.valid",
    interface: "world",
    sentence: "What any connector imports and exports.",
    does: "Compiles the file: it has to be one WebAssembly component.",
    needs: Needs::Nothing,
};
/// It imports what hosts have.
pub const IMPORTS: Check = Check {
    id: "component.imports",
    interface: "world",
    sentence: "sockets and clocks come from WASI 0.2.",
    does: "Looks at the imports: nothing but the contract and WASI 0.2.",
    needs: Needs::Nothing,
};
/// It exports the contract's interface.
pub const CONTRACT: Check = Check {
    id: "component.contract",
    interface: "connector",
    sentence: "What every connector exports beside its endpoints.",
    does: "Looks at the exports: `flow:connector/connector`, with the contract's types.",
    needs: Needs::Nothing,
};
/// Its endpoints are those that it describes.
pub const ENDPOINTS: Check = Check {
    id: "component.endpoints",
    interface: "connector",
    sentence: "The function's name is the endpoint's name, and `describe` MUST have an entry for each endpoint, and for nothing else.",
    does: "Compares the exported functions of the endpoint type with the endpoints of `describe`.",
    needs: Needs::Nothing,
};

pub(super) const CHECKS: &[CheckId] = &[&VALID, &IMPORTS, &CONTRACT, &ENDPOINTS];

/// The loader looks at these one after the other, `describe` before the endpoints.
const ORDER: [CheckId; 5] = [&VALID, &IMPORTS, &CONTRACT, &super::describe::PURE, &ENDPOINTS];

/// The loader has found something.
pub(in crate::conformance) fn refused(book: &mut Book, error: &LoadError) {
    let failed = failed_by(error);
    for check in ORDER {
        if check == failed {
            book.put(check, "", Verdict::Failed(error.to_string()));
            return;
        }
        book.put(check, "", Verdict::Passed);
    }
}

/// The loader has found nothing.
pub(in crate::conformance) fn loaded(book: &mut Book) {
    for check in CHECKS {
        book.put(check, "", Verdict::Passed);
    }
}
