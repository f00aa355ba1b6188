//! What the connector does with a payload that an earlier try may have dealt with: the host was killed, or nobody
//! knows. Nothing is lost, nothing is done twice, and what cannot be known is said.

mod attempt;
mod files;
mod gets;
mod kills;
mod puts;
