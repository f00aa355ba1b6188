//! Honest about what it is; what its endpoint `misbehave` does, its options say.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::honest, flow_guests::endpoints);
