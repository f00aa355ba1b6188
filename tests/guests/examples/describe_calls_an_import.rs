//! `describe` calls an import.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::calls_an_import, flow_guests::silent);
