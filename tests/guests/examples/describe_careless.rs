//! `describe` is careless with its id, its version, its words, its secrets and its details.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::careless, flow_guests::silent);
