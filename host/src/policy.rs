//! Who may be reached, and how much may be used.
//!
//! A connector reaches what its `plan` asked for, and nothing else: names are resolved by the host once and
//! pinned, connections go to those addresses and ports only, and listening needs a plan of its own. A plan may
//! ask for any address (`*`), for data connections that a server sends elsewhere: that is granted for secondary
//! connections only.

use crate::contract::{Direction, Egress};
use crate::event::{Event, Events};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::{StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::sockets::SocketAddrUse;

/// How much one live connector may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of linear memory.
    pub memory: usize,
    /// Entries of the handle table: sockets, streams, payloads.
    pub handles: usize,
    /// Payloads that one call may make.
    pub payloads: u64,
    /// Bytes of one payload's metadata.
    pub metadata: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Generous for an FTP connector, which needs about 2 MiB and some ten handles, and still small
        // enough to run hundreds of them in one process.
        Self {
            memory: 256 * 1024 * 1024,
            handles: 1_000,
            payloads: 1_000_000,
            metadata: 10 * 1024,
        }
    }
}

impl Limits {
    pub(crate) fn store_limits(&self) -> StoreLimits {
        StoreLimitsBuilder::new()
            .memory_size(self.memory)
            .memories(1)
            .tables(4)
            .table_elements(100_000)
            .instances(40)
            .trap_on_grow_failure(false)
            .build()
    }
}

/// The host of a plan that stands for any address: who it will be, only the server tells.
const ANY: &str = "*";

/// A plan that the policy does not grant.
#[derive(Debug, thiserror::Error)]
#[error(
    "the connector's plan is refused: it asks for any address (`*`) as the first connection ({reason}); that is \
     granted only for secondary ones, such as FTP's data connections"
)]
pub struct PlanRefused {
    /// What the plan says it is for.
    reason: String,
}

/// Whether a plan may be granted at all, wherever its names lead.
pub(crate) fn grantable(plan: &[Egress]) -> Result<(), PlanRefused> {
    let mut primary = plan
        .iter()
        .filter(|egress| egress.host == ANY && !egress.secondary);
    match primary.next() {
        Some(egress) => Err(PlanRefused {
            reason: egress.reason.clone(),
        }),
        None => Ok(()),
    }
}

/// What a name lookup gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The name's pinned addresses.
    Addresses(Vec<IpAddr>),
    /// The name is in the plan and does not resolve.
    Unknown,
    /// The name is not in the plan.
    Denied,
}

/// What one live connector may reach. Clones share it.
#[derive(Clone)]
pub(crate) struct Reach(Arc<Mutex<Granted>>);

struct Granted {
    events: Events,
    names: HashMap<String, Vec<IpAddr>>,
    rules: HashSet<Rule>,
    /// Addresses that were reached by a primary rule, and to which secondary rules apply from then on.
    primary: HashSet<IpAddr>,
    /// Refusals already told, so that each is logged once.
    told: HashSet<String>,
}

#[derive(PartialEq, Eq, Hash)]
struct Rule {
    /// None: any.
    address: Option<IpAddr>,
    first_port: u16,
    last_port: u16,
    accept: bool,
    secondary: bool,
}

impl Rule {
    fn new(egress: &Egress, address: Option<IpAddr>) -> Self {
        Self {
            address,
            first_port: egress.first_port,
            last_port: egress.last_port,
            accept: egress.direction == Direction::Accept,
            secondary: egress.secondary,
        }
    }

    fn is_for(&self, address: IpAddr) -> bool {
        self.address.is_none_or(|own| own == address)
    }

    fn covers(&self, address: SocketAddr) -> bool {
        self.is_for(address.ip()) && (self.first_port..=self.last_port).contains(&address.port())
    }
}

impl Reach {
    /// Nothing may be reached.
    pub(crate) fn none(events: Events) -> Self {
        Self(Arc::new(Mutex::new(Granted {
            events,
            names: HashMap::new(),
            rules: HashSet::new(),
            primary: HashSet::new(),
            told: HashSet::new(),
        })))
    }

    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what a plan asks for, all of it or nothing, and gives whether all its names have addresses. A name
    /// that was resolved before keeps its addresses.
    ///
    /// # Errors
    /// When the plan asks for more than any plan is granted.
    pub(crate) async fn grant(&self, plan: &[Egress]) -> Result<bool, PlanRefused> {
        grantable(plan)?;
        let mut whole = true;
        for egress in plan {
            if egress.host == ANY {
                self.granted().rules.insert(Rule::new(egress, None));
                continue;
            }
            let name = normalize(&egress.host);
            let pinned = self.granted().names.get(&name).cloned();
            let addresses = match pinned.filter(|addresses| !addresses.is_empty()) {
                Some(addresses) => addresses,
                None => resolve(&name).await,
            };
            let mut granted = self.granted();
            for address in &addresses {
                granted.rules.insert(Rule::new(egress, Some(*address)));
            }
            // A name that did not resolve is not pinned: the next call may find it.
            whole &= !addresses.is_empty();
            granted.names.insert(name, addresses);
        }
        Ok(whole)
    }

    pub(crate) fn lookup(&self, name: &str) -> Lookup {
        let mut granted = self.granted();
        match granted.names.get(&normalize(name)) {
            Some(addresses) if addresses.is_empty() => Lookup::Unknown,
            Some(addresses) => Lookup::Addresses(addresses.clone()),
            None => {
                granted.refuse(&format!("looking up the name {name:?}"));
                Lookup::Denied
            }
        }
    }

    /// The answer to WASI's question about one use of an address.
    pub(crate) fn permits(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        let mut granted = self.granted();
        let allowed = match usage {
            // Asked for the wildcard address before every connection; a port of one's own choice is only
            // needed to listen.
            SocketAddrUse::TcpBind => address.port() == 0 || granted.may_listen(address.port()),
            SocketAddrUse::TcpListen => granted.may_listen(address.port()),
            SocketAddrUse::TcpAccept => granted.may_accept(address.ip()),
            SocketAddrUse::TcpConnect => granted.may_connect(address),
            _ => false,
        };
        if !allowed {
            granted.refuse(&format!("{usage:?} with {address}"));
        }
        allowed
    }
}

impl Granted {
    fn may_listen(&self, port: u16) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.accept && (port == 0 || (rule.first_port..=rule.last_port).contains(&port)))
    }

    /// Whoever calls may come from any address only where somebody was called before.
    fn may_accept(&self, address: IpAddr) -> bool {
        let mut rules = self.rules.iter().filter(|rule| rule.accept);
        rules.any(|rule| rule.is_for(address) && (rule.address.is_some() || !self.primary.is_empty()))
    }

    fn may_connect(&mut self, address: SocketAddr) -> bool {
        let mut covering = self
            .rules
            .iter()
            .filter(|rule| !rule.accept && rule.covers(address));
        if covering.clone().any(|rule| !rule.secondary) {
            self.primary.insert(address.ip());
            return true;
        }
        covering.any(|rule| match rule.address {
            Some(address) => self.primary.contains(&address),
            None => !self.primary.is_empty(),
        })
    }

    fn refuse(&mut self, what: &str) {
        if self.told.insert(what.to_owned()) {
            let message =
                format!("refused by the host's policy, because the plan does not ask for it: {what}");
            self.events.send(&Event::Log {
                step: "policy".to_owned(),
                level: "warn",
                message,
            });
        }
    }
}

fn normalize(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

async fn resolve(name: &str) -> Vec<IpAddr> {
    if let Ok(address) = name.trim_matches(['[', ']']).parse() {
        return vec![address];
    }
    let mut addresses: Vec<IpAddr> = match tokio::net::lookup_host((name, 0)).await {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(_) => Vec::new(),
    };
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests;
