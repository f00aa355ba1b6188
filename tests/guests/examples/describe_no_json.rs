//! `describe` gives a schema that is not JSON.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::no_json, flow_guests::silent);
