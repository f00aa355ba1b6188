//! The target `records` under libFuzzer: `cargo xtask fuzz --target records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::records(data));
