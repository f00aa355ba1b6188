//! `flow-crowd PAIRS`: what an honest transfer of 1 GiB loses beside connectors that misbehave, in one process.
//! `cargo xtask bench --crowd` starts it.

use std::env;

use flow_bench::figures::Spread;
use flow_tests::crowd::{CROWD, transfer};
use flow_tests::large::{server, write_large};

fn main() {
    let pairs = env::args().nth(1).and_then(|pairs| pairs.parse::<u32>().ok());
    let pairs = pairs.expect("there is no number of pairs: run `cargo xtask bench --crowd`");
    let server = server(None);
    server.make_folder("outbound");
    write_large(&server.root.join("outbound/large.bin"));
    let get = |crowd| transfer(&server, "outbound/large.bin", crowd);
    // The first one compiles, and fills caches.
    let expected = get(0).digest;
    let (mut alone, mut beside, mut ratios, mut growth, mut runs) = (vec![], vec![], vec![], 0, 0);
    for _ in 0..pairs {
        let (first, second) = (get(0), get(CROWD));
        assert!(
            first.digest == expected && second.digest == expected,
            "other bytes arrived"
        );
        let seconds = (first.took.as_secs_f64(), second.took.as_secs_f64());
        alone.push(seconds.0);
        beside.push(seconds.1);
        ratios.push(seconds.1 / seconds.0);
        growth = growth.max(second.growth_kib / 1024);
        runs += second.runs;
    }
    for (what, values, unit) in [
        ("alone", alone, " s"),
        ("beside the crowd", beside, " s"),
        ("ratio of the pairs", ratios, ""),
    ] {
        if let Some(Spread { median, min, max }) = Spread::of(values) {
            println!("{what}: median {median:.2}{unit} ({min:.2} to {max:.2})");
        }
    }
    println!(
        "1 GiB, {pairs} pairs, {CROWD} guests that misbehave with 2 % of a processor each: {runs} of their runs were over, at most \
         {growth} MiB more memory"
    );
}
