//! Calls the host as its options say, in whatever order.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::plain, flow_guests::sequences);
