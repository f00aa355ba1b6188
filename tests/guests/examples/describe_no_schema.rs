//! `describe` gives a schema that is JSON and no schema.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::no_schema, flow_guests::silent);
