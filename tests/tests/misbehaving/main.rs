//! Connectors that misbehave: what becomes of each, exactly; that nothing of it is taken for a whole payload, and that
//! nobody beside it feels it. Every test here runs its guest within this process, beside honest runs (see
//! [`flow_tests::guests`]).

mod answers;
mod describing;
mod endless;
mod floods;
mod network;
mod payloads;
mod planning;
mod raw;
mod resources;
