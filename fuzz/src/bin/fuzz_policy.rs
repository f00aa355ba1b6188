//! The target `policy` under libFuzzer: `cargo xtask fuzz --target policy`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::policy(data));
