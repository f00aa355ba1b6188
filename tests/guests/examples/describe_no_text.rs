//! `describe` gives a text that is not UTF-8.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::no_text, flow_guests::silent);
