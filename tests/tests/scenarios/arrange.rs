//! What every scenario works with.

use std::collections::BTreeMap;

use flow_tests::pki::Version;
use flow_tests::proxy::CutProxy;
pub use flow_tests::run::SHOP;
use flow_tests::run::{Bench, Run, flow, get, with};
use flow_tests::servers::tls::{Mode, Tls};
use flow_tests::servers::{FtpServer, Kind, LOCKED};
use flow_tests::tree;
use serde_json::Value;

/// What the connections to a server are.
#[derive(Debug, Clone, Copy)]
pub enum Line {
    Clear,
    /// Explicit FTPS, with TLS 1.3 alone.
    Explicit,
    /// Implicit FTPS, with TLS 1.2 alone.
    Implicit,
}

impl Line {
    /// How a server on it speaks TLS.
    pub fn tls(self) -> Option<Tls> {
        match self {
            Self::Clear => None,
            Self::Explicit => Some(Tls::new(Mode::Explicit).only(Version::V13)),
            Self::Implicit => Some(Tls::new(Mode::Implicit).only(Version::V12)),
        }
    }
}

/// A server and a local folder.
pub struct Stage {
    pub server: FtpServer,
    pub bench: Bench,
}

/// Names that have broken FTP clients: in the text of a command, in a listing, in a pattern.
const ODD_NAMES: [&str; 12] = [
    "with space.txt",
    "two  spaces.txt",
    "br[ack]ets (1).txt",
    "it's \"quoted\".txt",
    "-leading dash.txt",
    "Grüße, 文件 и файл.txt",
    "semi;colon=and&more.txt",
    "100%25 #done+.txt",
    "{curly}, ~tilde, $dollar.txt",
    "back\\slash.txt",
    "star*.txt",
    "noextension",
];

impl Stage {
    pub fn new(server: FtpServer) -> Self {
        Self {
            server,
            bench: Bench::new(),
        }
    }

    /// The odd names that the server allows: Pure-FTPd prohibits backslashes (553).
    pub fn odd_names(&self) -> Vec<&'static str> {
        let prohibits = |name: &str| self.server.kind == Kind::PureFtpd && name.contains('\\');
        ODD_NAMES.into_iter().filter(|name| !prohibits(name)).collect()
    }

    /// Runs these steps; the stage's server is the instance [`SHOP`].
    pub fn run(&self, steps: Vec<Value>) -> Run {
        self.bench.run(&flow(&[(SHOP, self.server.settings())], steps))
    }

    /// The same by way of a proxy.
    pub fn run_by(&self, proxy: &CutProxy, steps: Vec<Value>) -> Run {
        self.bench
            .run(&flow(&[(SHOP, proxy.settings(&self.server))], steps))
    }

    /// Gets the files of the folder `outbound` that these options select: the paths below it in the order in
    /// which they came.
    pub fn select(&self, options: Value) -> Vec<String> {
        let run = self.run(vec![get(SHOP, with(options, "root", "outbound"))]);
        assert_eq!((run.code, run.failures().len()), (Some(0), 0), "{run}");
        in_order(&run)
    }

    /// The files on the server, without those that the test support has laid out.
    pub fn on_server(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = tree::files(&self.server.root);
        files.retain(|path, _| !path.starts_with(LOCKED));
        files
    }

    /// The local files below a folder.
    pub fn local(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        self.bench.files(folder)
    }

    /// No temporary file anywhere, no body in the spool.
    pub fn assert_nothing_left(&self) {
        let local = self.bench.files("");
        for path in tree::names(&self.server.root).iter().chain(local.keys()) {
            let name = path.rsplit('/').next().unwrap_or_default();
            assert!(
                !["part", "tmp"].contains(&name.rsplit('.').next().unwrap_or_default()),
                "a temporary file is left: {path}"
            );
        }
        self.bench.assert_spool_empty();
    }
}

/// The paths of what the step `get` has fetched, in this order, below the folder `outbound`.
pub fn in_order(run: &Run) -> Vec<String> {
    let events = run.events_of("payload-done", "get");
    let path = |event: &&Value| {
        let attributes = event["attributes"].as_array()?;
        let path = attributes.iter().find(|pair| pair[0] == "original_path")?[1].as_str()?;
        Some(path.trim_start_matches("outbound/").to_owned())
    };
    events.iter().filter_map(path).collect()
}

/// The warnings in a step's log.
pub fn warnings<'a>(run: &'a Run, step: &str) -> Vec<&'a str> {
    let log = run.events_of("log", step).into_iter();
    log.filter(|event| event["level"] == "warn")
        .filter_map(|event| event["message"].as_str())
        .collect()
}

/// Files as [`tree::files`] gives them.
pub fn files<const N: usize>(of: [(&str, &str); N]) -> BTreeMap<String, Vec<u8>> {
    of.into_iter()
        .map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()))
        .collect()
}
