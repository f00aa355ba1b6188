//! `describe` never ends.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::loops, flow_guests::silent);
