//! The target `template` under libFuzzer: `cargo xtask fuzz --target template`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::template(data));
