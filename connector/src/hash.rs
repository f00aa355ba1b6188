//! Hashes that a server computes of its files: HASH (draft-bryan-ftpext-hash), and the X commands that came
//! before it. Which one is used is decided before the transfer, so that our side is computed on the way.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha512};

use crate::control::Reply;
use crate::error::{Error, Kind, Op};
use crate::path::RemotePath;
use crate::proof::Proof;
use crate::session::Session;
use crate::transport::Level;

/// A way to ask for a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    /// The command.
    command: &'static str,
    /// The name that HASH has for it.
    name: &'static str,
}

/// The hash of what has passed so far.
pub struct Digest {
    algorithm: Algorithm,
    state: State,
}

/// The hash of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    algorithm: Algorithm,
    hex: String,
}

impl Hash {
    /// The algorithm, for example `SHA-256`.
    pub fn name(&self) -> &'static str {
        self.algorithm.name
    }

    /// The value, in lower-case digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

enum State {
    Digest(Box<dyn DynDigest>),
    Crc(crc32fast::Hasher),
}

/// The strongest first. All of them find what a transfer breaks by accident.
const NAMES: [&str; 5] = ["SHA-256", "SHA-512", "SHA-1", "MD5", "CRC32"];
const COMMANDS: [(&str, &str); 8] = [
    ("XSHA256", "SHA-256"),
    ("XSHA512", "SHA-512"),
    ("XSHA1", "SHA-1"),
    ("XSHA", "SHA-1"),
    ("XMD5", "MD5"),
    ("MD5", "MD5"),
    ("XCRC", "CRC32"),
    ("XCRC32", "CRC32"),
];

impl Algorithm {
    /// The best that FEAT names.
    pub fn offered(session: &Session) -> Option<Self> {
        let hash = session.feature("HASH").and_then(|names| {
            let names = names.to_ascii_uppercase();
            let offered = |name: &&str| {
                names
                    .split(';')
                    .any(|one| one.trim().trim_end_matches('*') == *name)
            };
            NAMES.into_iter().find(offered)
        });
        match hash {
            Some(name) => Some(Self {
                command: "HASH",
                name,
            }),
            None => COMMANDS
                .into_iter()
                .find(|(command, _)| session.has(command))
                .map(|(command, name)| Self { command, name }),
        }
    }

    /// For people: the hash, and the command that asks for it.
    pub fn describe(self) -> String {
        format!("{} by {}", self.name, self.command)
    }

    /// Starts to compute.
    pub fn start(self) -> Digest {
        let state = match self.name {
            "SHA-256" => State::Digest(Box::new(Sha256::default())),
            "SHA-512" => State::Digest(Box::new(Sha512::default())),
            "SHA-1" => State::Digest(Box::new(Sha1::default())),
            "MD5" => State::Digest(Box::new(Md5::default())),
            _ => State::Crc(crc32fast::Hasher::new()),
        };
        Digest {
            algorithm: self,
            state,
        }
    }
}

impl Digest {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Digest(digest) => digest.update(bytes),
            State::Crc(crc) => crc.update(bytes),
        }
    }

    /// The hash of all that has passed.
    pub fn hash(self) -> Hash {
        use std::fmt::Write as _;
        let hex = match self.state {
            State::Crc(crc) => format!("{:08x}", crc.finalize()),
            State::Digest(digest) => digest.finalize().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
        };
        Hash {
            algorithm: self.algorithm,
            hex,
        }
    }
}

impl Session {
    /// Compares a file's hash on the server with ours. A server that does not tell after all gets a warning:
    /// the length was compared already. The answer is the proof, where there is one.
    pub fn compare(&mut self, path: &RemotePath, digest: Digest) -> Result<Option<Proof>, Error> {
        let ours = digest.hash();
        let (theirs, reply) = self.ask_hash(path, &ours)?;
        match theirs {
            Some(theirs) if theirs == ours.hex => Ok(Some(Proof::Hash(ours))),
            Some(theirs) => {
                let message = format!(
                    "`{path}` is not the same here and there: its {} is {theirs} on the server and {} here.",
                    ours.name(),
                    ours.hex
                );
                Err(Error::new(Kind::Data, message).retryable())
            }
            None if reply.code == 421 => Err(Error::reply(Op::Stat, path.as_str(), reply.code, &reply.text)),
            None => {
                let message = format!(
                    "The server offers {} and does not tell it of `{path}`, so only the length was compared.",
                    ours.algorithm.command
                );
                (self.host.log)(Level::Warn, &message);
                Ok(None)
            }
        }
    }

    /// Whether the server tells the hash of a file as we compute it. None when it does not tell at all.
    pub(crate) fn hash_fits(&mut self, path: &RemotePath, ours: &Hash) -> Result<Option<bool>, Error> {
        let (theirs, _) = self.ask_hash(path, ours)?;
        Ok(theirs.map(|theirs| theirs == ours.hex))
    }

    /// The hash of a file as the server tells it, and its answer.
    fn ask_hash(&mut self, path: &RemotePath, ours: &Hash) -> Result<(Option<String>, Reply), Error> {
        let algorithm = ours.algorithm;
        if algorithm.command == "HASH" && self.hash != Some(algorithm.name) {
            let server = self.server.clone();
            self.command(Op::SetUp, &server, &format!("OPTS HASH {}", algorithm.name))?;
            self.hash = Some(algorithm.name);
        }
        let line = format!("{} {}", algorithm.command, self.remote(path));
        let reply = self.command(Op::Stat, path.as_str(), &line)?;
        let theirs = (200..300)
            .contains(&reply.code)
            .then(|| token(&reply.exact, ours.hex.len()))
            .flatten();
        Ok((theirs, reply))
    }
}

/// The word of a reply that is a hash of this many digits, in lower case.
fn token(text: &str, digits: usize) -> Option<String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(['"', '\'', '.', ',', '<', '>']))
        .find(|word| word.len() == digits && word.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_everybody_computes_them() {
        for (name, hex) in [
            ("CRC32", "352441c2"),
            ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
            ("SHA-1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (
                "SHA-256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
        ] {
            let mut digest = Algorithm { command: "", name }.start();
            digest.update(b"a");
            digest.update(b"bc");
            let hash = digest.hash();
            assert_eq!((hash.name(), hash.hex()), (name, hex));
        }
    }

    #[test]
    fn hashes_in_replies() {
        assert_eq!(token("SHA-256 0-49 AB12 a.txt", 4).as_deref(), Some("ab12"));
        assert_eq!(token("\"/a b.txt\" 352441C2", 8).as_deref(), Some("352441c2"));
        assert_eq!(token("352441C2", 8).as_deref(), Some("352441c2"));
        assert_eq!(token("no hash", 8), None);
    }
}
