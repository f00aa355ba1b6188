//! `describe` names an endpoint that is not there, and leaves out those that are.
#![cfg(target_arch = "wasm32")]

flow_guests::connector!(flow_guests::describe::strange_endpoints, flow_guests::silent);
