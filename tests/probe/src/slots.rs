//! What steps keep for later ones. It lasts as long as the instance, so a later call finds it too.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::TcpStream;

use crate::bindings::flow::connector::exchange::{Reader, Writer};
use crate::bindings::flow::connector::tls;
use crate::bindings::wasi::io::streams::{InputStream, OutputStream};

/// Things of one kind, by their names.
pub type Named<T> = BTreeMap<String, T>;

/// Things by their names. What is dropped first stands first: streams before what gave them.
#[derive(Default)]
pub struct Slots {
    /// Streams of writers, with how much was written to each.
    pub sinks: Named<(OutputStream, u64)>,
    /// Streams of readers.
    pub sources: Named<InputStream>,
    /// Payloads that are being made.
    pub writers: Named<Writer>,
    /// Payloads that were handed in.
    pub readers: Named<Reader>,
    /// Connections.
    pub lines: Named<TcpStream>,
    /// TLS sessions.
    pub sessions: Named<tls::Session>,
    /// TLS contexts.
    pub contexts: Named<tls::Context>,
}

thread_local! {
    static SLOTS: RefCell<Slots> = RefCell::default();
}

/// Works with them.
pub fn with<T>(work: impl FnOnce(&mut Slots) -> T) -> T {
    SLOTS.with_borrow_mut(work)
}

/// The thing of this name.
///
/// # Errors
/// When there is none.
pub fn get<'a, T>(things: &'a mut Named<T>, name: &str) -> Result<&'a mut T, String> {
    things.get_mut(name).ok_or_else(|| none(name))
}

/// Takes the thing of this name out.
///
/// # Errors
/// When there is none.
pub fn take<T>(things: &mut Named<T>, name: &str) -> Result<T, String> {
    things.remove(name).ok_or_else(|| none(name))
}

fn none(name: &str) -> String {
    format!("the script has nothing called {name:?} here")
}
