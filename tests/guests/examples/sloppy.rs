//! Keeps the contract, and breaks it in the one way that its options or settings name.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::sloppy::describe, flow_guests::sloppy);
