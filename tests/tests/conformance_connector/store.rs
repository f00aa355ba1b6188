//! The store that the connector `sloppy` speaks to: `tests/guests/src/sloppy/store.rs` has the other side.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// With a character that URLs write differently.
pub const PASSWORD: &str = "pass/word1";

type Things = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A store with two things in it. It ends when it is dropped.
pub struct Store {
    port: u16,
    task: JoinHandle<()>,
}

impl Store {
    pub async fn start() -> Self {
        let things: Things = Arc::default();
        {
            let mut things = things.lock().expect("new");
            things.insert("a.txt".to_owned(), b"hello".to_vec());
            things.insert("b.bin".to_owned(), vec![7; 100_000]);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let things = Arc::clone(&things);
                // Who breaks off a connection has no more to say.
                tokio::spawn(async move { serve(stream, &things).await.ok() });
            }
        });
        Self { port, task }
    }

    /// Settings for the connector with this connection's sin and these calls.
    pub fn settings(&self, sin: &str, calls: &Value) -> Value {
        json!({
            "connection": { "host": "127.0.0.1", "port": self.port, "password": PASSWORD, "sin": sin },
            "calls": calls,
            "remains": { "endpoint": "misbehave" },
            "silent": { "host": "/host", "port": "/port" },
            "timeout": "20s",
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, things: &Things) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut added = Vec::new();
        if let ["ADD", _, length] = words.as_slice() {
            added = vec![0; length.parse().map_err(io::Error::other)?];
            stream.read_exact(&mut added).await?;
        }
        let answer = answer(&words, added, things);
        stream.write_all(&answer).await?;
    }
}

fn answer(words: &[&str], added: Vec<u8>, things: &Things) -> Vec<u8> {
    let mut things = things.lock().unwrap_or_else(PoisonError::into_inner);
    match words {
        ["HELLO", password] if *password == PASSWORD => b"OK\n".to_vec(),
        ["LIST"] => {
            let lines = things
                .iter()
                .map(|(name, bytes)| format!("{name} {}\n", bytes.len()));
            let lines: String = lines.collect();
            format!("{}\n{lines}", things.len()).into_bytes()
        }
        ["GET", name] => match things.get(*name) {
            Some(bytes) => [format!("{}\n", bytes.len()).as_bytes(), bytes].concat(),
            None => b"NO\n".to_vec(),
        },
        ["ADD", name, _] => {
            things.entry((*name).to_owned()).or_default().extend(added);
            b"OK\n".to_vec()
        }
        ["RENAME", from, to] => match things.remove(*from) {
            Some(bytes) => {
                things.insert((*to).to_owned(), bytes);
                b"OK\n".to_vec()
            }
            None => b"NO\n".to_vec(),
        },
        ["DELETE", name] => {
            things.remove(*name);
            b"OK\n".to_vec()
        }
        _ => b"NO\n".to_vec(),
    }
}
