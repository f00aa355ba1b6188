//! What each interface that a connector may import lets it do, in words for who has to decide whether to trust it.
//!
//! This is the list of what may be imported at all: a component that imports anything else is refused, whatever the
//! linker could offer.

use serde::Serialize;

/// How the host answers an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It works, within the policy and the limits.
    Granted,
    /// It is there, because the C libraries of many languages import it, and everything in it fails or is empty,
    /// whatever the policy says.
    Denied,
    /// It reaches nothing.
    Harmless,
}

/// What some interfaces that belong together let a connector do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capability {
    /// How the host answers.
    pub access: Access,
    /// What it is about, in a word or two.
    pub topic: &'static str,
    /// What a connector can do with it.
    pub meaning: &'static str,
    /// The interfaces, without their versions.
    interfaces: &'static [&'static str],
}

/// All of them, in the order in which people read them.
pub static CAPABILITIES: [Capability; 15] = [
    Capability {
        access: Access::Granted,
        topic: "Payloads",
        meaning: "take the flow's payloads, and hand new ones over",
        interfaces: &["flow:connector/exchange"],
    },
    Capability {
        access: Access::Granted,
        topic: "The run",
        meaning: "know its id, attempt and deadline and when to give up; tell log lines and progress",
        interfaces: &["flow:connector/context"],
    },
    Capability {
        access: Access::Granted,
        topic: "TCP",
        meaning: "connect, only to what its plan asks for and the operator allows; listen for data connections, \
                  only when both say so",
        interfaces: &["wasi:sockets/tcp", "wasi:sockets/tcp-create-socket"],
    },
    Capability {
        access: Access::Granted,
        topic: "Host names",
        meaning: "learn the addresses of the names that its plan asks for, which the host has looked up; of no others",
        interfaces: &["wasi:sockets/ip-name-lookup"],
    },
    Capability {
        access: Access::Granted,
        topic: "TLS",
        meaning: "use TLS sessions that the host holds: the host decides whom to trust and keeps the keys",
        interfaces: &["flow:connector/tls"],
    },
    Capability {
        access: Access::Granted,
        topic: "Output",
        meaning: "write lines, of which the last are kept for the report of a trap and shown nowhere else",
        interfaces: &["wasi:cli/stdout", "wasi:cli/stderr"],
    },
    Capability {
        access: Access::Denied,
        topic: "Files",
        meaning: "none; no file or folder of this machine is ever opened to it",
        interfaces: &["wasi:filesystem/types", "wasi:filesystem/preopens"],
    },
    Capability {
        access: Access::Denied,
        topic: "Environment",
        meaning: "no variables, no arguments, no working folder",
        interfaces: &["wasi:cli/environment"],
    },
    Capability {
        access: Access::Denied,
        topic: "Input",
        meaning: "empty, and no terminal",
        interfaces: &[
            "wasi:cli/stdin",
            "wasi:cli/terminal-input",
            "wasi:cli/terminal-output",
            "wasi:cli/terminal-stdin",
            "wasi:cli/terminal-stdout",
            "wasi:cli/terminal-stderr",
        ],
    },
    Capability {
        access: Access::Denied,
        topic: "UDP",
        meaning: "no datagram is ever sent or received",
        interfaces: &["wasi:sockets/udp", "wasi:sockets/udp-create-socket"],
    },
    Capability {
        access: Access::Harmless,
        topic: "Clocks",
        meaning: "tell the time; wait, within the limits of the call",
        interfaces: &["wasi:clocks/wall-clock", "wasi:clocks/monotonic-clock"],
    },
    Capability {
        access: Access::Harmless,
        topic: "Random",
        meaning: "random numbers",
        interfaces: &[
            "wasi:random/random",
            "wasi:random/insecure",
            "wasi:random/insecure-seed",
        ],
    },
    Capability {
        access: Access::Harmless,
        topic: "Exit",
        meaning: "end itself, which fails the call; never the host",
        interfaces: &["wasi:cli/exit"],
    },
    Capability {
        access: Access::Harmless,
        topic: "Streams",
        meaning: "wait, and move the bytes of what is granted elsewhere",
        interfaces: &["wasi:io/error", "wasi:io/poll", "wasi:io/streams"],
    },
    Capability {
        access: Access::Harmless,
        topic: "Words",
        meaning: "names of types, errors and the network, which open nothing by themselves",
        interfaces: &[
            "flow:connector/types",
            "wasi:sockets/network",
            "wasi:sockets/instance-network",
        ],
    },
];

impl Capability {
    /// What an imported interface means; none for one that no connector may import.
    #[must_use]
    pub fn of(import: &str) -> Option<&'static Self> {
        let interface = import.split_once('@').map_or(import, |(interface, _)| interface);
        CAPABILITIES
            .iter()
            .find(|capability| capability.interfaces.contains(&interface))
    }
}

#[cfg(test)]
mod tests;
