//! The demo: an embedded FTP server with realistic files, a second one as a partner, an HTTP receiver,
//! and the three flows that must always work, run through the sandboxed connector and checked.
//!
//! The flows are the files in `examples/`, with the demo's own addresses where those have `${env:…}`.

pub mod files;
pub mod receiver;
mod report;
pub mod server;
mod tree;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use self::receiver::HttpReceiver;
use self::report::rows;
pub use self::report::{DemoReport, FlowReport, Row};
use self::server::EmbeddedServer;
use self::tree::Tree;
use crate::engine::Runtime;
use crate::event::Events;
use crate::flow::{self, LoadOptions, RunOptions};
use crate::policy::Policy;

/// (1) Files from a server into a local folder.
pub const COLLECT_ORDERS: &str = include_str!("../../../examples/collect-orders.yaml");
/// (2) Files to an HTTP endpoint, and only then their originals out of the way.
pub const SYNC_STOCK: &str = include_str!("../../../examples/sync-stock.yaml");
/// (3) Files to another server, and their originals into an archive.
pub const DISTRIBUTE_INVOICES: &str = include_str!("../../../examples/distribute-invoices.yaml");

/// Where a stage keeps the password of its servers, beside the flows.
const PASSWORD_FILE: &str = "password";

/// Runs the demo in a temporary folder, which is gone afterwards. Events are those of the three runs.
///
/// # Errors
/// When the demo itself cannot be set up. What goes wrong in a flow is in the report.
pub async fn run(runtime: &Arc<Runtime>, events: &Events) -> anyhow::Result<DemoReport> {
    let stage = Stage::set_up().await.context("the demo cannot be set up")?;
    Ok(DemoReport {
        flows: vec![
            stage.collect_orders(runtime, events).await?,
            stage.sync_stock(runtime, events).await?,
            stage.distribute_invoices(runtime, events).await?,
        ],
    })
}

/// Servers, files and folders of one demo.
struct Stage {
    folder: tempfile::TempDir,
    warehouse: EmbeddedServer,
    partner: EmbeddedServer,
    shop: HttpReceiver,
}

impl Stage {
    async fn set_up() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("flowhost-demo-").tempdir()?;
        let (warehouse, partner) = (folder.path().join("warehouse"), folder.path().join("partner"));
        std::fs::create_dir(&warehouse)?;
        std::fs::create_dir(&partner)?;
        for set in [files::orders(), files::stock(), files::invoices()] {
            files::lay_out(&warehouse, &set)?;
        }
        Ok(Self {
            warehouse: EmbeddedServer::start(warehouse).await?,
            partner: EmbeddedServer::start(partner).await?,
            shop: HttpReceiver::start().await?,
            folder,
        })
    }

    async fn collect_orders(&self, runtime: &Arc<Runtime>, events: &Events) -> anyhow::Result<FlowReport> {
        let mut wanted = files::orders();
        wanted.retain(|file| file.name().starts_with("orders_"));
        let mut expected = self.trees()?;
        let mut faults = self
            .run_flow(runtime, events, "collect-orders.yaml", COLLECT_ORDERS)
            .await?;
        for file in &wanted {
            expected.inbox.insert(file.name(), &file.content);
        }
        faults.extend(self.trees()?.differences(&expected));
        Ok(FlowReport {
            name: "collect-orders",
            title: "pull files from an FTP server into a local folder",
            rows: rows(&wanted, |file| {
                (format!("inbox/{}", file.name()), format!("{} (stays)", file.path))
            }),
            faults,
        })
    }

    async fn sync_stock(&self, runtime: &Arc<Runtime>, events: &Events) -> anyhow::Result<FlowReport> {
        let wanted = files::stock();
        let mut expected = self.trees()?;
        let mut faults = self
            .run_flow(runtime, events, "sync-stock.yaml", SYNC_STOCK)
            .await?;
        for file in &wanted {
            expected
                .warehouse
                .rename(&file.path, &format!("processed/{}", file.name()));
        }
        faults.extend(self.trees()?.differences(&expected));
        let mut received: Vec<_> = self
            .shop
            .received()
            .into_iter()
            .map(|one| (one.method, one.target, one.sha256))
            .collect();
        let mut sent: Vec<_> = wanted
            .iter()
            .map(|file| ("POST".to_owned(), "/stock".to_owned(), file.sha256()))
            .collect();
        received.sort();
        sent.sort();
        if received != sent {
            faults.push(format!(
                "shop: {} requests arrived that are not the {} files",
                received.len(),
                sent.len()
            ));
        }
        Ok(FlowReport {
            name: "sync-stock",
            title: "send each file over HTTP, and only then move the original",
            rows: rows(&wanted, |file| {
                ("POST /stock".to_owned(), format!("processed/{}", file.name()))
            }),
            faults,
        })
    }

    async fn distribute_invoices(
        &self,
        runtime: &Arc<Runtime>,
        events: &Events,
    ) -> anyhow::Result<FlowReport> {
        let mut wanted = files::invoices();
        wanted.retain(|file| file.name().starts_with("INV-"));
        let mut expected = self.trees()?;
        let mut faults = self
            .run_flow(runtime, events, "distribute-invoices.yaml", DISTRIBUTE_INVOICES)
            .await?;
        for file in &wanted {
            expected
                .partner
                .insert(&format!("incoming/{}", file.name()), &file.content);
            expected
                .warehouse
                .rename(&file.path, &format!("archive/{}", file.path));
        }
        faults.extend(self.trees()?.differences(&expected));
        Ok(FlowReport {
            name: "distribute-invoices",
            title: "copy files to another server, then move the originals into an archive",
            rows: rows(&wanted, |file| {
                (
                    format!("partner: incoming/{}", file.name()),
                    format!("archive/{}", file.path),
                )
            }),
            faults,
        })
    }

    /// Writes the flow beside the servers' folders, with their addresses, and runs it. Gives what went wrong.
    async fn run_flow(
        &self,
        runtime: &Arc<Runtime>,
        events: &Events,
        file: &str,
        text: &str,
    ) -> anyhow::Result<Vec<String>> {
        let path = self.folder.path().join(file);
        std::fs::write(&path, self.addressed(text))?;
        std::fs::write(self.folder.path().join(PASSWORD_FILE), server::PASSWORD)?;
        let flow = match flow::load(runtime, &path, &LoadOptions::default()).await {
            Ok(flow) => flow,
            Err(problems) => return Ok(vec![problems.to_string()]),
        };
        let options = RunOptions {
            events: events.clone(),
            // The demo's servers are in this very program.
            policy: Policy::default().allow("127.0.0.1").map_err(anyhow::Error::msg)?,
            ..RunOptions::new(self.folder.path().join("state"))
        };
        let report = flow::run(&flow, &options).await?;
        Ok(if report.is_ok() {
            Vec::new()
        } else {
            vec![format!("run: {} failed", report.failed)]
        })
    }

    /// The flow with this stage's addresses in place of the environment's. The passwords come from a file, since none
    /// may stand in a flow.
    fn addressed(&self, text: &str) -> String {
        let password = format!("${{file:{PASSWORD_FILE}}}");
        let values = [
            ("WAREHOUSE_HOST", self.warehouse.address().ip().to_string()),
            ("WAREHOUSE_PORT", self.warehouse.port().to_string()),
            ("WAREHOUSE_PASSWORD", password.clone()),
            ("PARTNER_HOST", self.partner.address().ip().to_string()),
            ("PARTNER_PORT", self.partner.port().to_string()),
            ("PARTNER_PASSWORD", password),
            ("SHOP_URL", self.shop.url("")),
        ];
        values.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{env:{name}}}"), value)
        })
    }

    fn trees(&self) -> io::Result<Trees> {
        Ok(Trees {
            warehouse: Tree::read(self.warehouse.root())?,
            partner: Tree::read(self.partner.root())?,
            inbox: Tree::read(&self.inbox())?,
        })
    }

    fn inbox(&self) -> PathBuf {
        self.folder.path().join("inbox")
    }
}

/// Every file on both servers and in the local folder.
struct Trees {
    warehouse: Tree,
    partner: Tree,
    inbox: Tree,
}

impl Trees {
    fn differences(&self, expected: &Self) -> Vec<String> {
        let mut found = self.warehouse.differences("warehouse", &expected.warehouse);
        found.extend(self.partner.differences("partner", &expected.partner));
        found.extend(self.inbox.differences("inbox", &expected.inbox));
        found
    }
}
