//! The target `command` under libFuzzer: `cargo xtask fuzz --target command`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flow_fuzz::command(data));
