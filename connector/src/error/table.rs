//! The one table from reply code and operation to the kind of a failure.

use super::{Kind, Op, Retry};

/// Which operations a row of the table is about.
#[derive(Clone, Copy)]
enum On {
    /// Any operation.
    Any,
    /// Operations that need something to be there.
    Existing,
    /// Operations that put something there.
    Writing,
    /// One operation.
    Only(Op),
}

impl On {
    fn covers(self, op: Op) -> bool {
        match self {
            Self::Any => true,
            Self::Existing => matches!(
                op,
                Op::EnterFolder
                    | Op::List
                    | Op::Stat
                    | Op::Read
                    | Op::RenameFrom
                    | Op::Delete
                    | Op::RemoveFolder
            ),
            Self::Writing => {
                matches!(
                    op,
                    Op::Store | Op::Append | Op::RenameTo | Op::MakeFolder | Op::Chmod
                )
            }
            Self::Only(only) => only == op,
        }
    }
}

/// Reply code and operation to kind and retry; the first row that fits counts. Codes decide, never text.
const TABLE: &[(u16, On, Kind, Retry)] = {
    use Kind::{
        Authentication, Busy, Conflict, Data, InvalidSettings, NotFound, Permission, Protocol, Tls,
        Unreachable, Unsupported,
    };
    use On::{Any, Existing, Only, Writing};
    use Retry::{Backoff, Never};
    &[
        (202, Any, Unsupported, Never),
        (332, Any, Authentication, Never),
        (421, Any, Busy, Backoff),
        (425, Any, Unreachable, Backoff),
        (426, Any, Unreachable, Backoff),
        (430, Any, Authentication, Never),
        // RFC 2228: what TLS needs is not there.
        (431, Any, Tls, Never),
        (434, Any, Unreachable, Backoff),
        // On a read, 450 is how several servers say "no such file"; on a write the file is in use.
        (450, Existing, NotFound, Never),
        (450, Any, Busy, Backoff),
        (451, Any, Busy, Backoff),
        (452, Any, Data, Never),
        (500, Any, Protocol, Never),
        (501, Any, InvalidSettings, Never),
        (502, Any, Unsupported, Never),
        (503, Any, Protocol, Never),
        (504, Any, Unsupported, Never),
        (521, Only(Op::MakeFolder), Conflict, Never),
        // RFC 4217: no data connection with this PROT.
        (521, Any, Tls, Never),
        // RFC 2428 means the address family of EPSV and EPRT by it, RFC 4217 a data connection without TLS.
        (522, Only(Op::SetUp), Unsupported, Never),
        (522, Any, Tls, Never),
        (530, Any, Authentication, Never),
        // "Need account for storing files": the session is fine, the right to write is missing.
        (532, Writing, Permission, Never),
        (532, Any, Authentication, Never),
        (533, Any, Tls, Never),
        (534, Any, Tls, Never),
        (535, Any, Tls, Never),
        (550, Only(Op::RenameTo), Conflict, Never),
        (550, Only(Op::MakeFolder), Conflict, Never),
        (550, Only(Op::RemoveFolder), Conflict, Never),
        (550, Existing, NotFound, Never),
        (550, Any, Permission, Never),
        // "Page type unknown" for RFC 959; for the servers of today, their disk failed in the middle.
        (551, Any, Data, Never),
        (552, Any, Data, Never),
        // vsftpd, pure-ftpd and proftpd all say 553 when the folder is not writable.
        (553, Only(Op::RenameTo), Conflict, Never),
        (553, Writing, Permission, Never),
        (553, Any, InvalidSettings, Never),
    ]
};

/// Kind and retry for a reply. A code that the table does not know is judged by its first digit
/// (RFC 959 section 4.2.1: 4 is transient, 5 is permanent), and anything else is out of protocol.
pub fn classify(op: Op, code: u16) -> (Kind, Retry) {
    TABLE
        .iter()
        .find(|(row, on, _, _)| *row == code && on.covers(op))
        .map_or_else(
            || match code {
                400..=499 => (Kind::Busy, Retry::Backoff),
                _ => (Kind::Protocol, Retry::Never),
            },
            |(_, _, kind, retry)| (*kind, *retry),
        )
}

/// What would be right, where the table's answer alone does not say.
pub fn hint(op: Op, kind: Kind) -> Option<&'static str> {
    match (op, kind) {
        (Op::SignIn, Kind::Authentication) => Some("Check the setting `auth`."),
        (Op::Connect | Op::SignIn, Kind::Busy) => {
            Some("It may have a limit on connections: run less at the same time, or come again later.")
        }
        (Op::RenameTo, Kind::Conflict) => Some(
            "The name is taken, or the folder cannot be written; end the target with `/` to name a folder.",
        ),
        (Op::RemoveFolder, Kind::Conflict) => Some("Only an empty folder can be removed."),
        (_, Kind::Permission) => Some("The account needs the right to do this."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_decides_by_code_and_operation() {
        use Kind as K;
        let rows = [
            (Op::Read, 550, K::NotFound, Retry::Never),
            (Op::Read, 450, K::NotFound, Retry::Never),
            (Op::Store, 450, K::Busy, Retry::Backoff),
            (Op::Store, 550, K::Permission, Retry::Never),
            (Op::Store, 553, K::Permission, Retry::Never),
            (Op::Store, 532, K::Permission, Retry::Never),
            (Op::Read, 532, K::Authentication, Retry::Never),
            (Op::Read, 553, K::InvalidSettings, Retry::Never),
            (Op::MakeFolder, 550, K::Conflict, Retry::Never),
            (Op::MakeFolder, 521, K::Conflict, Retry::Never),
            (Op::RemoveFolder, 550, K::Conflict, Retry::Never),
            (Op::RenameFrom, 550, K::NotFound, Retry::Never),
            (Op::RenameTo, 550, K::Conflict, Retry::Never),
            (Op::Delete, 550, K::NotFound, Retry::Never),
            (Op::EnterFolder, 550, K::NotFound, Retry::Never),
            (Op::SignIn, 530, K::Authentication, Retry::Never),
            (Op::SignIn, 332, K::Authentication, Retry::Never),
            (Op::Connect, 421, K::Busy, Retry::Backoff),
            (Op::Read, 425, K::Unreachable, Retry::Backoff),
            (Op::Read, 426, K::Unreachable, Retry::Backoff),
            (Op::Store, 451, K::Busy, Retry::Backoff),
            (Op::Store, 452, K::Data, Retry::Never),
            (Op::Store, 551, K::Data, Retry::Never),
            (Op::Store, 552, K::Data, Retry::Never),
            (Op::SetUp, 500, K::Protocol, Retry::Never),
            (Op::SetUp, 501, K::InvalidSettings, Retry::Never),
            (Op::SetUp, 502, K::Unsupported, Retry::Never),
            (Op::SetUp, 503, K::Protocol, Retry::Never),
            (Op::SetUp, 504, K::Unsupported, Retry::Never),
            (Op::SetUp, 202, K::Unsupported, Retry::Never),
            (Op::Read, 521, K::Tls, Retry::Never),
            (Op::Read, 522, K::Tls, Retry::Never),
            (Op::SetUp, 522, K::Unsupported, Retry::Never),
            (Op::SetUp, 431, K::Tls, Retry::Never),
            (Op::Store, 533, K::Tls, Retry::Never),
            (Op::SetUp, 534, K::Tls, Retry::Never),
            (Op::SetUp, 535, K::Tls, Retry::Never),
            // Not in the table: the first digit decides.
            (Op::Read, 499, K::Busy, Retry::Backoff),
            (Op::Read, 599, K::Protocol, Retry::Never),
            (Op::Read, 226, K::Protocol, Retry::Never),
        ];
        for (op, code, kind, retry) in rows {
            assert_eq!(classify(op, code), (kind, retry), "{op:?} {code}");
        }
    }
}
