//! `describe` waits for a clock, without working.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::waits, flow_guests::silent);
