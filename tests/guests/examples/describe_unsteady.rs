//! `describe` gives something else each time.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::unsteady, flow_guests::silent);
