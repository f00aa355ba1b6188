//! The target `flow` under libFuzzer: `cargo xtask fuzz --target flow`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::flow(data));
