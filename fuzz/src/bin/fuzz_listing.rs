//! The target `listing` under libFuzzer: `cargo xtask fuzz --target listing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::listing(data));
