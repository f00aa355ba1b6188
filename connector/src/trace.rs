//! The dialogue with the server as somebody may read it: commands, replies, data connections. Secrets are
//! taken out here and nowhere else.

use std::net::SocketAddr;

use crate::error::printable;
use crate::tls::Info;
use crate::transport::{Host, Level};

/// Stands for a secret.
const HIDDEN: &str = "***";

/// Writes the dialogue to the run's log, if anybody wants it, and knows what must not be in it.
#[derive(Clone, Default)]
pub struct Trace {
    /// Where the lines go; nowhere when nobody reads them.
    host: Option<Host>,
    /// The longest first, so that a secret that is part of another does not leave a rest of it.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace")
            .field("on", &self.host.is_some())
            .finish_non_exhaustive()
    }
}

impl Trace {
    /// Asks the host whether anybody wants to read along. The answer holds for the session.
    pub fn new(host: Host) -> Self {
        Self {
            host: (host.traces)().then_some(host),
            secrets: Vec::new(),
        }
    }

    /// From now on this text is not shown.
    pub fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.push(secret.to_owned());
            self.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        }
    }

    /// The text without the secrets. A server may repeat what it was sent.
    pub fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        text
    }

    /// A command that is sent.
    pub fn sent(&self, command: &str) {
        self.line(|| {
            let word = command.split(' ').next().unwrap_or_default();
            if ["PASS", "ACCT"]
                .iter()
                .any(|secret| word.eq_ignore_ascii_case(secret))
            {
                format!("> {word} {HIDDEN}")
            } else {
                format!("> {}", self.redact(command))
            }
        });
    }

    /// A line of a reply.
    pub fn received(&self, line: &str) {
        self.line(|| format!("< {}", self.redact(line)));
    }

    /// A data connection that is open. `way` is the command that led to it.
    pub fn opened(&self, peer: Option<SocketAddr>, way: &str) {
        self.line(|| match peer {
            Some(peer) => format!("= data connection to {peer} ({way})"),
            None => format!("= data connection ({way})"),
        });
    }

    /// A connection that is encrypted now: the one that was told of last.
    pub fn secured(&self, info: &Info) {
        let resumed = if info.resumed { ", resumed" } else { "" };
        self.line(|| format!("= encrypted: {}, {}{resumed}", info.version, info.cipher));
    }

    /// The end of a data connection.
    pub fn closed(&self, bytes: u64) {
        self.line(|| format!("= data connection closed after {bytes} bytes"));
    }

    fn line(&self, text: impl FnOnce() -> String) {
        if let Some(host) = &self.host {
            (host.log)(Level::Trace, &printable(&text()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    const READER: Host = Host {
        traces: || true,
        log: |level, line| {
            assert_eq!(level, Level::Trace);
            LINES.with_borrow_mut(|lines| lines.push(line.to_owned()));
        },
        ..Host::CALM
    };

    fn lines(work: impl FnOnce(&mut Trace)) -> Vec<String> {
        work(&mut Trace::new(READER));
        LINES.take()
    }

    #[test]
    fn the_dialogue_without_its_secrets() {
        let told = lines(|trace| {
            trace.hide("s3cret");
            trace.hide("");
            trace.hide("s3cret&more");
            trace.sent("USER shop");
            trace.sent("PASS s3cret");
            trace.sent("acct something else");
            trace.received("230 welcome, s3cret, s3cret&more!");
            trace.sent("CWD /home/s3cret");
            trace.received("250 \u{1b}[1mok\t\u{EFFC}\r\n");
            trace.opened("127.0.0.1:4711".parse().ok(), "EPSV");
            let mut info = Info {
                version: "TLSv1.3".to_owned(),
                cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
                resumed: false,
                certificate: None,
                details: None,
            };
            trace.secured(&info);
            info.resumed = true;
            trace.secured(&info);
            trace.closed(12);
        });
        assert_eq!(
            told,
            [
                "> USER shop",
                "> PASS ***",
                "> acct ***",
                "< 230 welcome, ***, ***!",
                "> CWD /home/***",
                r"< 250  [1mok \xFC",
                "= data connection to 127.0.0.1:4711 (EPSV)",
                "= encrypted: TLSv1.3, TLS_AES_128_GCM_SHA256",
                "= encrypted: TLSv1.3, TLS_AES_128_GCM_SHA256, resumed",
                "= data connection closed after 12 bytes",
            ]
        );
    }

    #[test]
    fn a_trace_that_nobody_reads_writes_nothing_and_redacts_all_the_same() {
        let mut trace = Trace::new(Host {
            traces: || false,
            ..READER
        });
        trace.hide("s3cret");
        trace.sent("USER shop");
        assert!(LINES.take().is_empty());
        assert_eq!(trace.redact("not s3cret"), "not ***");
        assert!(!format!("{trace:?}").contains("s3cret"));
    }
}
