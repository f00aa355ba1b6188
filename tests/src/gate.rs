//! A web server that keeps requests waiting until a test lets them through.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long something may take that a test waits for.
const WITHIN: Duration = Duration::from_secs(10);

/// A run whose `http` step calls it goes on until it is opened.
pub struct Gate {
    address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Default)]
struct State {
    /// Requests that have come so far.
    came: usize,
    open: bool,
}

impl Gate {
    /// A closed one.
    ///
    /// # Panics
    /// When it cannot listen on loopback.
    #[must_use]
    pub fn closed() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let address = listener.local_addr().expect("it listens");
        let state: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            // Until the program of the tests ends: a thread that only waits costs nothing.
            for connection in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || keep(connection, &state));
            }
        });
        Self { address, state }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Waits until so many requests have come.
    ///
    /// # Panics
    /// When they do not.
    pub fn wait_for(&self, requests: usize) {
        let (state, changed) = &*self.state;
        let (state, _) = changed
            .wait_timeout_while(lock(state), WITHIN, |state| state.came < requests)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            state.came >= requests,
            "{} requests came, not {requests}",
            state.came
        );
    }

    /// How many requests have come.
    #[must_use]
    pub fn came(&self) -> usize {
        lock(&self.state.0).came
    }

    /// Lets all requests through, those that wait and those that come.
    pub fn open(&self) {
        let (state, changed) = &*self.state;
        lock(state).open = true;
        changed.notify_all();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a request with what has come of its body, and answers it when the gate is open.
fn keep(mut connection: TcpStream, state: &(Mutex<State>, Condvar)) {
    let mut request = [0; 16 * 1024];
    if connection.read(&mut request).is_ok_and(|length| length == 0) {
        return;
    }
    let (state, changed) = state;
    let mut state = lock(state);
    state.came += 1;
    changed.notify_all();
    while !state.open {
        state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    drop(state);
    // Who asked may have been killed.
    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
