//! A server for one session that follows a script.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::settings::Connection;

use Do::{Epsv, Nowhere, PasvElsewhere, Say, Send};

/// What the server does for a command.
pub enum Do {
    /// Says these lines.
    Say(&'static str),
    /// Listens, and says the answer to EPSV.
    Epsv,
    /// Listens, and says an answer to PASV that names another address.
    PasvElsewhere,
    /// Listens nowhere, and says the answer to EPSV all the same.
    Nowhere,
    /// Says 150 unless that is empty, sends data in pieces, then says the last.
    Send(&'static str, &'static [&'static [u8]], &'static str),
}

/// How long the server waits between two pieces.
const PAUSE: Duration = Duration::from_millis(700);

/// A server for one session.
pub struct Server {
    port: u16,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    /// Answers each command with the first of the script's lines that begins it and was not used, else as a plain
    /// server would.
    pub fn start(greeting: &'static str, script: Vec<(&'static str, Do)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || serve(&listener.accept().unwrap().0, greeting, script));
        Self { port, thread }
    }

    /// Settings that lead here, with more of them.
    pub fn settings(&self, more: &str) -> Connection {
        Connection::parse(&format!(
            r#"{{"host":"127.0.0.1","port":{},"timeout":5{more}}}"#,
            self.port
        ))
        .unwrap()
    }

    /// The commands that came.
    pub fn commands(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

fn serve(control: &TcpStream, greeting: &str, mut script: Vec<(&'static str, Do)>) -> Vec<String> {
    let mut seen = Vec::new();
    let mut data = None;
    let mut writer = control;
    let mut say = |text: &str| {
        if !text.is_empty() {
            let _ = writer.write_all(format!("{text}\r\n").as_bytes());
        }
    };
    say(greeting);
    let mut reader = BufReader::new(control);
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return seen;
        }
        let line: String = line.iter().map(|byte| char::from(*byte)).collect();
        let line = line.trim_end().to_owned();
        let scripted = script.iter().position(|(start, _)| line.starts_with(start));
        let action = match (scripted, line.split(' ').next().unwrap_or_default()) {
            (Some(at), _) => script.remove(at).1,
            (None, "USER") => Say("331 password"),
            (None, "PASS") => Say("230 in"),
            (None, "FEAT") => Say("211 none"),
            (None, "TYPE" | "NOOP") => Say("200 ok"),
            (None, "PWD") => Say("257 \"/\""),
            (None, "CWD") => Say("250 ok"),
            (None, "EPSV") => Epsv,
            (None, _) => Say("502 what?"),
        };
        seen.push(line);
        match action {
            Say(text) => say(text),
            Epsv | PasvElsewhere => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                if matches!(action, Epsv) {
                    say(&format!("229 here (|||{port}|)"));
                } else {
                    say(&format!("227 there (10,1,2,3,{},{})", port >> 8, port & 0xff));
                }
                data = Some(listener);
            }
            Nowhere => {
                let port = TcpListener::bind("127.0.0.1:0")
                    .unwrap()
                    .local_addr()
                    .unwrap()
                    .port();
                say(&format!("229 here (|||{port}|)"));
            }
            Send(first, pieces, last) => {
                let (mut stream, _) = data.take().unwrap().accept().unwrap();
                say(first);
                for (at, piece) in pieces.iter().enumerate() {
                    if at > 0 {
                        std::thread::sleep(PAUSE);
                    }
                    let _ = stream.write_all(piece);
                }
                drop(stream);
                say(last);
            }
        }
    }
}
