//! A crowd of connectors that misbehave takes nothing from an honest one in the same process but time.

use flow_tests::crowd::{CROWD, MOST_GROWTH_KIB, transfer};
use flow_tests::large::{server, write_large};
use flow_tests::tree::sha256;

#[test]
fn a_gibibyte_arrives_whole_beside_a_crowd_that_misbehaves() {
    let server = server(None);
    server.make_folder("outbound");
    let original = server.root.join("outbound/large.bin");
    write_large(&original);
    let digest = sha256(&original);
    let done = transfer(&server, "outbound/large.bin", CROWD);
    println!(
        "1 GiB beside {CROWD} guests that misbehave: {:.2} s, {} MiB more memory, {} of their runs over",
        done.took.as_secs_f64(),
        done.growth_kib / 1024,
        done.runs
    );
    assert!(done.digest == digest, "other bytes arrived");
    assert!(
        done.growth_kib < MOST_GROWTH_KIB,
        "{} KiB more memory, and {MOST_GROWTH_KIB} are enough",
        done.growth_kib
    );
    assert!(done.runs > 0, "nobody misbehaved");
}
