//! `describe` gives a text of 64 MiB.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::huge, flow_guests::silent);
