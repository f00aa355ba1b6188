//! The target `imports` under libFuzzer: `cargo xtask fuzz --target imports`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::imports(data));
