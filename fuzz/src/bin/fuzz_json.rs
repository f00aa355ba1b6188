//! The target `json` under libFuzzer: `cargo xtask fuzz --target json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::json(data));
