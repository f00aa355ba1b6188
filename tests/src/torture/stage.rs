//! One round: two servers, a web server, files, and the flow that moves them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use fastrand::Rng;
use flowhost::demo::receiver::Manner;
use serde_json::{Value, json};

use super::files::{self, Files};
use crate::proxy::{CutProxy, How, Plan, What};
use crate::run::{Bench, flow, get, put};
use crate::servers::{FtpServer, Kind, LOCKED};
use crate::shop::Shop;
use crate::steps::called;
use crate::tree;

/// How payloads go from the server to the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// By way of the spool: get, http, put, rename.
    Spooled,
    /// Straight through: get, put, rename.
    Streaming,
}

/// What a flow does with each file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Put, and move the original in a last step.
    Plain,
    /// The same where nothing may be there yet: what is done twice fails.
    Fail,
    /// Append to a file that is there, and move the original in a last step: what is done twice is there twice.
    Append,
    /// The original is moved as soon as the flow has accepted the payload.
    After,
    /// The same, and it is deleted.
    Delete,
}

impl Shape {
    /// Those that leave the original in a folder of its own.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Fail, Self::Append, Self::After];
}

/// What is in the file that is appended to.
const BEFORE: &str = "what was there before\n";

/// When the originals were changed last, since 1970: some day in 2025.
const LAST_CHANGED: Duration = Duration::from_secs(1_750_000_000);

/// Servers, files and a flow.
pub struct Stage {
    /// Where the files come from.
    pub source: FtpServer,
    /// Where they go to.
    pub partner: FtpServer,
    /// Where they are sent on the way.
    pub shop: Shop,
    /// State folder and flow file.
    pub bench: Bench,
    /// The files as they are in the folder `outbound` at first.
    pub files: Files,
    /// How they are delivered.
    pub delivery: Delivery,
    /// What is done with them.
    pub shape: Shape,
    proxies: Vec<CutProxy>,
    /// When all originals were changed last.
    modified: SystemTime,
}

impl Stage {
    /// Starts the servers and lays the files out; none when this machine has not got one of the servers.
    ///
    /// # Errors
    /// When a server does not start.
    ///
    /// # Panics
    /// When there is no room.
    pub fn set_up(
        rng: &mut Rng,
        kinds: [Kind; 2],
        delivery: Delivery,
        shape: Shape,
        count: usize,
    ) -> Result<Option<Self>> {
        let [source, partner] = kinds.map(FtpServer::start);
        let (Some(source), Some(partner)) = (source?, partner?) else {
            return Ok(None);
        };
        let files = if shape == Shape::Append {
            files::lines(rng, count)
        } else {
            files::mixed(rng, count)
        };
        let stage = Self {
            source,
            partner,
            shop: Shop::start(),
            bench: Bench::new(),
            files,
            delivery,
            shape,
            proxies: Vec::new(),
            modified: SystemTime::UNIX_EPOCH + LAST_CHANGED,
        };
        stage.lay_out();
        let _ = stage.bench.flow_file(&stage.flow());
        Ok(Some(stage))
    }

    fn lay_out(&self) {
        for folder in ["outbound", "processed"] {
            self.source.make_folder(folder);
        }
        self.partner.make_folder("inbound");
        for name in self.files.keys() {
            self.lay_out_original(name);
            if self.shape == Shape::Append {
                self.partner.write(&format!("inbound/{name}"), BEFORE);
            }
        }
    }

    /// Puts a file where the flow finds it. Always of the same time: one of another time would be another file.
    pub fn lay_out_original(&self, name: &str) {
        let path = format!("outbound/{name}");
        self.source.write(&path, &self.files[name]);
        tree::set_modified(&self.source.root.join(path), self.modified);
    }

    /// From here on, one answer of the web server in so many is late, and another never comes.
    pub fn unsettle_shop(&self, rng: &mut Rng) {
        let rng = Mutex::new(rng.fork());
        self.shop.answer_by(move |_| {
            let mut rng = rng.lock().unwrap_or_else(PoisonError::into_inner);
            match rng.u8(..20) {
                0 => Manner::Silent,
                1..4 => Manner::Late(Duration::from_micros(rng.u64(..5000))),
                _ => Manner::Prompt,
            }
        });
    }

    /// Puts a proxy before each server that breaks connections in random places.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn cut_connections(&mut self, rng: &mut Rng) {
        let total = files::bytes(&self.files);
        let proxies = [&self.source, &self.partner].map(|server| {
            let mut places: Vec<u64> = (0..8).map(|_| rng.u64(..=total)).collect();
            places.sort_unstable();
            let plan = places.into_iter().fold(Plan::new(), |plan, place| {
                let what = [What::Data, What::Control, What::Both][rng.usize(..3)];
                let how = [How::Reset, How::Close][rng.usize(..2)];
                plan.cut(place, what, how)
            });
            let lost = ["RNTO", "STOR", "RETR", "APPE"].into_iter();
            let plan = lost.fold(plan, Plan::lose_reply_to);
            CutProxy::before(server, plan)
        });
        self.proxies = proxies.into();
        let _ = self.bench.flow_file(&self.flow());
    }

    /// The flow, as its file has it.
    #[must_use]
    pub fn flow(&self) -> Value {
        let servers = [&self.source, &self.partner];
        let settings = match self.proxies.as_slice() {
            [source, partner] => [source.settings(servers[0]), partner.settings(servers[1])],
            _ => servers.map(FtpServer::settings),
        };
        let [source, partner] = settings;
        let mut steps = self.steps();
        let mut is_streamed_into = false;
        for step in &mut steps {
            // The step that streams says it for both.
            if !is_streamed_into {
                step["retry"] = json!({ "attempts": 5, "backoff": "20ms", "max_backoff": "200ms" });
            }
            is_streamed_into = step["delivery"] == "streaming";
        }
        flow(&[("source", source), ("partner", partner)], steps)
    }

    fn steps(&self) -> Vec<Value> {
        let mut wanted = json!({ "root": "outbound", "path": ".*" });
        match self.shape {
            Shape::After => wanted["after"] = json!("move to processed/"),
            Shape::Delete => wanted["after"] = json!("delete"),
            _ => {}
        }
        let mut pull = get("source", wanted);
        let mut steps = Vec::new();
        match self.delivery {
            Delivery::Streaming => {
                pull["delivery"] = json!("streaming");
                steps.push(pull);
            }
            Delivery::Spooled => {
                let url = self.shop.url("/orders/{{ original_filename }}");
                steps.extend([pull, json!({ "id": "send", "http": { "url": url } })]);
            }
        }
        steps.push(put(
            "put",
            "partner",
            match self.shape {
                Shape::Append => json!({ "command": "append", "path": "inbound/" }),
                Shape::Fail => json!({ "path": "inbound/", "if_exists": "fail" }),
                _ => json!({ "path": "inbound/" }),
            },
        ));
        let mut archive = json!({ "command": "rename processed/{{ original_filename }}" });
        if self.shape == Shape::Fail {
            archive["if_exists"] = json!("fail");
        }
        if !matches!(self.shape, Shape::After | Shape::Delete) {
            steps.push(called("move", put("move", "source", archive)));
        }
        steps
    }

    /// `flowhost run` of this flow, with events as JSON.
    #[must_use]
    pub fn command(&self) -> std::process::Command {
        let mut command = self.bench.command();
        command.arg("run").arg("--json").arg("--state").arg(self.state());
        command.arg(self.bench.path("flow.yaml"));
        command
    }

    /// The state folder, by its whole path without links.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn state(&self) -> std::path::PathBuf {
        let folder = self.bench.path("state");
        let made = std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
        made.expect("own folder")
    }

    /// In which ways the files on both servers are not where they should be in the end.
    #[must_use]
    pub fn misplaced(&self) -> Vec<String> {
        let moved = if self.shape == Shape::Delete {
            Files::new()
        } else {
            files::in_folder("processed", &self.files)
        };
        let mut arrived = files::in_folder("inbound", &self.files);
        if self.shape == Shape::Append {
            for content in arrived.values_mut() {
                content.splice(..0, BEFORE.bytes());
            }
        }
        let mut found = files::differences("source", &on(&self.source), &moved);
        found.extend(files::differences("partner", &on(&self.partner), &arrived));
        found
    }

    /// What it is, in a line.
    #[must_use]
    pub fn description(&self) -> String {
        format!(
            "{:?}, {:?}, {} to {}{}",
            self.delivery,
            self.shape,
            self.source.kind,
            self.partner.kind,
            if self.proxies.is_empty() {
                ""
            } else {
                ", connections cut"
            }
        )
        .to_lowercase()
    }

    /// How many of the breaks that were planned have happened.
    #[must_use]
    pub fn cuts(&self) -> usize {
        // Eight places and four replies each.
        self.proxies.iter().map(|proxy| 12 - proxy.left_to_do()).sum()
    }

    /// A name of one of the files in a path or an address.
    ///
    /// # Errors
    /// When it is none.
    pub fn name_in<'a>(&'a self, path: &str) -> Result<&'a str> {
        let last = path.rsplit('/').next().unwrap_or_default();
        let (name, _) = self
            .files
            .get_key_value(last)
            .with_context(|| format!("{path} names no file of this test"))?;
        Ok(name)
    }
}

/// The files on a server, but for those that are there to be left alone.
fn on(server: &FtpServer) -> Files {
    let mut files = tree::files(&server.root);
    files.retain(|path, _| !path.starts_with(&format!("{LOCKED}/")));
    files
}
