//! The target `reply` under libFuzzer: `cargo xtask fuzz --target reply`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::reply(data));
