//! Connectors beside FTP, in flows with it.

use std::path::{Path, PathBuf};

use flow_tests::run::{Bench, Run};
use flow_tests::servers::{FtpServer, Kind};
use flow_tests::shop::Shop;
use flow_tests::tree;
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The checkout.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The flow in `examples/`, as it stands there.
fn example(server: &FtpServer, shop: &Shop) -> Run {
    let component = repository().join("target/connectors/csv-to-jsonl.wasm");
    assert!(
        component.is_file(),
        "{} is not there: run `cargo xtask build`",
        component.display()
    );
    let bench = Bench::new();
    let mut command = bench.command();
    command
        .env("WAREHOUSE_HOST", "127.0.0.1")
        .env("WAREHOUSE_PORT", server.port.to_string())
        .env("WAREHOUSE_PASSWORD", server.password)
        .env("SHOP_URL", shop.url(""))
        .args(["run", "--json"])
        .arg(repository().join("examples/orders-as-json.yaml"));
    Run::of(command)
}

#[test]
fn orders_arrive_as_json_and_their_originals_are_moved() {
    let server = FtpServer::start(Kind::Embedded)
        .expect("the server starts")
        .expect("it is built in");
    server.write("outbound/orders_20260701.csv", "sku,quantity\n007,3\n");
    server.write("outbound/orders_20260702.csv", "sku,quantity\n008,three\n");
    server.write("outbound/orders_20260703.csv", "sku,quantity\n");
    let shop = Shop::start();
    let run = example(&server, &shop);
    assert_eq!(run.code, Some(1), "{run}");
    // Both the file and what would have become of it, which was given up.
    let failed: Vec<_> = run
        .events_of("payload-failed", "convert")
        .into_iter()
        .map(|event| {
            let message = "Line 2: the value of `quantity` is no number as JSON writes them.";
            assert_eq!(
                (&event["kind"], &event["message"]),
                (&json!("data"), &json!(message)),
                "{run}"
            );
            event["payload"].clone()
        })
        .collect();
    assert_eq!(failed, ["orders_20260702.csv", "orders_20260702.jsonl"], "{run}");

    let mut received: Vec<_> = shop
        .received()
        .into_iter()
        .map(|one| {
            let kind = one.header("content-type").map(str::to_owned);
            (one.target, kind, one.sha256)
        })
        .collect();
    received.sort();
    let arrived = |name: &str, body: &str| {
        let hash = Sha256::digest(body)
            .iter()
            .fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        (
            format!("/orders/{name}"),
            Some("application/x-ndjson".to_owned()),
            hash,
        )
    };
    assert_eq!(
        received,
        [
            arrived("orders_20260701.csv", "{\"sku\":\"007\",\"quantity\":3}\n"),
            arrived("orders_20260703.csv", "")
        ],
        "{run}"
    );

    let mut names = tree::names(&server.root);
    names.retain(|name| !name.starts_with("locked/"));
    names.sort();
    assert_eq!(
        names,
        [
            "outbound/orders_20260702.csv",
            "processed/orders_20260701.csv",
            "processed/orders_20260703.csv"
        ],
        "{run}"
    );
    assert_eq!(
        server.read("processed/orders_20260701.csv").as_deref(),
        Some(&b"sku,quantity\n007,3\n"[..])
    );
}
