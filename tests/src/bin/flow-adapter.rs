//! `flow-adapter`: flowhost, as the conformance suite drives it (`docs/conformance.md`).

use flow_tests::adapter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    adapter::run().await
}
