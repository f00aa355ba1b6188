//! What tests of large transfers share: a fast server, and a gibibyte.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::servers::tls::Tls;
use crate::servers::{FtpServer, Kind, Limits};

/// The size of what is moved.
pub const GIB: u64 = 1 << 30;

/// A server to move much through: vsftpd where it is, for it is the fastest, and the embedded one else.
///
/// # Panics
/// When it does not start.
#[must_use]
pub fn server(tls: Option<Tls>) -> FtpServer {
    let limits = Limits {
        tls,
        ..Limits::default()
    };
    let server = FtpServer::start_with(Kind::Vsftpd, limits).expect("it starts");
    server.unwrap_or_else(|| {
        FtpServer::start_with(Kind::Embedded, limits)
            .expect("it starts")
            .expect("it is part of the tests")
    })
}

/// Writes [`GIB`] bytes in which no two blocks are the same.
///
/// # Panics
/// When there is no room.
pub fn write_large(path: &Path) {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).expect("room for 1 GiB"));
    let mut block: Vec<u8> = (0..1_u32 << 16)
        .flat_map(|number| (number.wrapping_mul(2_654_435_761)).to_le_bytes())
        .collect();
    for number in 0..GIB / block.len() as u64 {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).expect("room for 1 GiB");
    }
    file.flush().expect("room for 1 GiB");
}
