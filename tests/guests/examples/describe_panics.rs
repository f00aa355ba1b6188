//! `describe` panics.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::panics, flow_guests::silent);
