//! What one live connector may reach at this moment: the plan of its call, within the operator's rules.
//!
//! The host resolves the plan's names once a call and pins what it finds. Data connections go to where a first
//! connection leads, and only while that one lives.

use super::bounds::Bounds;
use super::egress::{EgressPolicy, Refusal};
use super::target::normalize;
use crate::contract::{Direction, Egress};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::sockets::SocketAddrUse;

/// The host of a plan that stands for any address: who it will be, only the server tells.
const ANY: &str = "*";

/// Most entries of a plan. Each may be a name to resolve.
const PLAN_MOST: usize = 100;

/// A plan that is not granted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlanRefused {
    /// It asks for any address as a first connection.
    #[error(
        "the connector's plan is refused: it asks for any address (`*`) as the first connection ({0}); that is granted only for \
         secondary ones, such as FTP's data connections"
    )]
    Any(String),
    /// It is longer than a plan needs to be.
    #[error("the connector's plan is refused: it has {0} entries, and a plan has at most {PLAN_MOST}")]
    Long(usize),
    /// The operator does not allow it.
    #[error("the connector may not reach `{host}` ({reason}): {refusal}")]
    Operator {
        /// What it wants to reach.
        host: String,
        /// What for, as the plan says.
        reason: String,
        /// Why not, and what would allow it.
        refusal: Refusal,
    },
}

/// Whether a plan may be granted at all, wherever its names lead.
pub(crate) fn grantable(plan: &[Egress]) -> Result<(), PlanRefused> {
    if plan.len() > PLAN_MOST {
        return Err(PlanRefused::Long(plan.len()));
    }
    let mut primary = plan
        .iter()
        .filter(|egress| egress.host == ANY && !egress.secondary);
    match primary.next() {
        Some(egress) => Err(PlanRefused::Any(cut(&egress.reason))),
        None => Ok(()),
    }
}

/// A connector's words, short enough for a message.
fn cut(words: &str) -> String {
    const SHOWN: usize = 200;
    words
        .chars()
        .filter(|character| !character.is_control())
        .take(SHOWN)
        .collect()
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
    bounds: Bounds,
    operator: Arc<EgressPolicy>,
    /// The names of the current plan with those of their addresses that the operator allows.
    names: HashMap<String, Vec<IpAddr>>,
    rules: Vec<Rule>,
    /// First connections that live, by their socket.
    links: HashMap<u32, Link>,
}

/// An entry of the plan.
struct Rule {
    /// A name or address; none: any.
    host: Option<String>,
    ports: RangeInclusive<u16>,
    accept: bool,
    secondary: bool,
}

/// A first connection.
struct Link {
    peer: IpAddr,
    /// The names of the plan by which it was allowed.
    hosts: Vec<String>,
}

impl Reach {
    /// Nothing may be reached yet.
    pub(crate) fn none(bounds: Bounds, operator: Arc<EgressPolicy>) -> Self {
        Self(Arc::new(Mutex::new(Granted {
            bounds,
            operator,
            names: HashMap::new(),
            rules: Vec::new(),
            links: HashMap::new(),
        })))
    }

    fn granted(&self) -> MutexGuard<'_, Granted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants what the plan of the next call asks for, all of it or nothing, in place of the last one's. Connections
    /// that live are not touched.
    ///
    /// # Errors
    /// When the plan asks for more than the operator allows, or than any plan is granted.
    pub(crate) async fn grant(&self, plan: &[Egress]) -> Result<(), PlanRefused> {
        let operator = {
            let mut granted = self.granted();
            granted.names.clear();
            granted.rules.clear();
            Arc::clone(&granted.operator)
        };
        grantable(plan)?;
        let (mut names, mut rules) = (HashMap::new(), Vec::new());
        for egress in plan {
            let ports = egress.first_port..=egress.last_port;
            let refused = |refusal| PlanRefused::Operator {
                host: cut(&egress.host),
                reason: cut(&egress.reason),
                refusal,
            };
            let accept = egress.direction == Direction::Accept;
            if accept {
                operator.check_listen(&ports).map_err(refused)?;
            }
            let host = (egress.host != ANY).then(|| normalize(&egress.host));
            if let Some(name) = &host {
                if !names.contains_key(name) {
                    operator.check_name(name, &ports).map_err(refused)?;
                    names.insert(name.clone(), resolve(name).await);
                }
                if !egress.secondary {
                    // The ports of a plan that listens are one's own: the other end may have any.
                    let ports = if accept { &(0..=u16::MAX) } else { &ports };
                    let found: &mut Vec<IpAddr> = names.entry(name.clone()).or_default();
                    let checked: Vec<_> = found
                        .iter()
                        .map(|address| operator.check(name, *address, ports).map(|()| *address))
                        .collect();
                    let refusal = checked.iter().find_map(|checked| checked.clone().err());
                    *found = checked.into_iter().flatten().collect();
                    if let Some(refusal) = refusal.filter(|_| found.is_empty()) {
                        return Err(refused(refusal));
                    }
                }
            }
            rules.push(Rule {
                host,
                ports,
                accept,
                secondary: egress.secondary,
            });
        }
        let mut granted = self.granted();
        granted.names = names;
        granted.rules = rules;
        Ok(())
    }

    pub(crate) fn lookup(&self, name: &str) -> Lookup {
        let granted = self.granted();
        match granted.names.get(&normalize(name)) {
            Some(addresses) if addresses.is_empty() => Lookup::Unknown,
            Some(addresses) => Lookup::Addresses(addresses.clone()),
            None => {
                granted.refuse(&format!("looking up the name {:?}", cut(name)));
                Lookup::Denied
            }
        }
    }

    /// The answer to WASI's question about one use of an address.
    pub(crate) fn permits(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        let granted = self.granted();
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

    /// A socket is connected: from now on it may be a first connection, to which others belong.
    pub(crate) fn connected(&self, socket: u32, peer: SocketAddr) {
        let mut granted = self.granted();
        // What is wanted on any port of many, such as data connections themselves, is no control connection.
        let single = granted
            .first(peer)
            .filter(|(rule, _)| rule.ports.start() == rule.ports.end());
        let hosts: Vec<String> = single.map(|(_, host)| host.clone()).collect();
        if !hosts.is_empty() {
            let link = Link {
                peer: peer.ip(),
                hosts,
            };
            granted.links.insert(socket, link);
        }
    }

    /// A connection has ended, or its socket is gone.
    pub(crate) fn ended(&self, socket: u32) {
        self.granted().links.remove(&socket);
    }
}

impl Granted {
    /// What in the plan allows this address as a first connection, with the host by which it does.
    fn first(&self, address: SocketAddr) -> impl Iterator<Item = (&Rule, &String)> {
        let rules = self
            .rules
            .iter()
            .filter(move |rule| !rule.accept && !rule.secondary && rule.ports.contains(&address.port()));
        let named = rules.filter_map(|rule| Some((rule, rule.host.as_ref()?)));
        named.filter(move |(_, host)| {
            self.leads_to(host, address.ip())
                && self
                    .operator
                    .check(host, address.ip(), &(address.port()..=address.port()))
                    .is_ok()
        })
    }

    fn leads_to(&self, host: &str, address: IpAddr) -> bool {
        self.names
            .get(host)
            .is_some_and(|pinned| pinned.contains(&address))
    }

    fn may_connect(&self, address: SocketAddr) -> bool {
        if self.first(address).next().is_some() {
            return true;
        }
        let mut secondary = self
            .rules
            .iter()
            .filter(|rule| rule.secondary && !rule.accept && rule.ports.contains(&address.port()));
        secondary.any(|rule| {
            let name = rule.host.as_deref().unwrap_or_default();
            self.belongs(rule, address.ip()) && self.operator.allows_data(name, address.ip(), address.port())
        })
    }

    /// Whether a secondary connection with this address belongs to a first one that lives.
    fn belongs(&self, rule: &Rule, address: IpAddr) -> bool {
        let Some(host) = &rule.host else {
            return !self.links.is_empty();
        };
        let mut links = self.links.values();
        let is_first = |other: &Rule| !other.secondary && !other.accept && other.host.as_ref() == Some(host);
        if self.rules.iter().any(is_first) {
            // It goes to the very machine that the first one found, also where the name has several.
            return links.any(|link| link.peer == address && link.hosts.contains(host));
        }
        // Another machine that the settings name.
        links.next().is_some() && self.leads_to(host, address)
    }

    fn may_listen(&self, port: u16) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.accept && rule.ports.contains(&port))
    }

    fn may_accept(&self, address: IpAddr) -> bool {
        self.rules
            .iter()
            .filter(|rule| rule.accept)
            .any(|rule| match (&rule.host, rule.secondary) {
                (Some(host), false) => self.leads_to(host, address),
                _ => self.belongs(rule, address),
            })
    }

    fn refuse(&self, what: &str) {
        self.bounds.tell(format!(
            "refused by the host's policy, because the plan does not ask for it or the operator does not allow it: {what}"
        ));
    }
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
