//! What the operator of the host says: who may be reached, how much may be used, which TLS is good enough. No flow and
//! no connector can change it.
//!
//! - [`egress`]: rules for connections; [`target`]: hosts and ports as rules write them; [`address`]: which addresses are
//!   somebody's own
//! - [`limits`]: how much one live connector may use
//! - [`mod@file`]: the policy file
//! - `reach`, `bounds`, `ceiling`: what one live connector may reach and has used, as the host's imports ask for it

pub mod address;
pub(crate) mod bounds;
pub(crate) mod ceiling;
pub mod egress;
pub mod file;
pub mod limits;
pub(crate) mod reach;
pub mod target;

use crate::flow::problem::in_one_line;
use crate::tls::TlsPolicy;
pub use egress::EgressPolicy;
pub use limits::{LimitError, LimitReached, Limits};
pub use reach::PlanRefused;
pub(crate) use reach::grantable;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use target::Ports;

/// The operator's say. The default: connectors reach public addresses only, wait for no connections, have the usual
/// limits, and use safe TLS.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Rules for connections.
    pub egress: EgressPolicy,
    /// Limits for each live connector.
    pub limits: Limits,
    /// Rules for TLS.
    pub tls: TlsPolicy,
    /// What is different for the instances of these names.
    instances: BTreeMap<String, Exception>,
}

/// What is different for one instance.
#[derive(Debug, Clone, Default)]
struct Exception {
    egress: Option<EgressPolicy>,
    limits: Map<String, Value>,
}

/// What the operator says about one instance.
#[derive(Debug, Clone, Default)]
pub struct InstancePolicy {
    /// Rules for connections.
    pub egress: Arc<EgressPolicy>,
    /// Its limits.
    pub limits: Limits,
    /// Rules for TLS.
    pub tls: TlsPolicy,
}

/// What is wrong repeats what was written, which may have more lines than one.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands the message over")]
fn shown(message: String) -> String {
    in_one_line(&message)
}

impl Policy {
    /// Allows connections to a target (`HOST[:PORTS]`) besides, for every instance.
    ///
    /// # Errors
    /// When it is not written as targets are.
    pub fn allow(mut self, target: &str) -> Result<Self, String> {
        let target: target::Target = target.parse().map_err(shown)?;
        for egress in self.every_egress() {
            egress.allow.push(target.clone());
        }
        Ok(self)
    }

    /// Allows waiting for data connections on ports such as `40000-40100`, for every instance.
    ///
    /// # Errors
    /// When these are no ports.
    pub fn listen(mut self, ports: &str) -> Result<Self, String> {
        let ports: Ports = ports.parse().map_err(shown)?;
        for egress in self.every_egress() {
            egress.listen = Some(ports.clone());
        }
        Ok(self)
    }

    fn every_egress(&mut self) -> impl Iterator<Item = &mut EgressPolicy> {
        let own = self.instances.values_mut();
        std::iter::once(&mut self.egress).chain(own.filter_map(|exception| exception.egress.as_mut()))
    }

    /// Changes a limit: `NAME=VALUE` for every instance that has none of its own, `INSTANCE.NAME=VALUE` for one.
    ///
    /// # Errors
    /// When there is no such limit, or the value does not fit.
    pub fn limit(mut self, change: &str) -> Result<Self, String> {
        let (name, value) = change
            .split_once('=')
            .ok_or("write NAME=VALUE or INSTANCE.NAME=VALUE, for example `memory=64MiB`")?;
        // Instances may have dots in their names; limits have none.
        let (instance, name) = name
            .rsplit_once('.')
            .map_or((None, name), |(instance, name)| (Some(instance), name));
        let change = Map::from_iter([(name.trim().to_owned(), Value::from(value.trim()))]);
        let changed = self
            .limits
            .with(&change)
            .map_err(|error| shown(error.to_string()))?;
        match instance {
            None => self.limits = changed,
            Some(instance) => {
                let exception = self.instances.entry(instance.to_owned()).or_default();
                exception.limits.extend(change);
            }
        }
        Ok(self)
    }

    /// What holds for the instance of this name.
    #[must_use]
    pub fn of(&self, instance: &str) -> InstancePolicy {
        let exception = self.instances.get(instance);
        let egress = exception.and_then(|exception| exception.egress.as_ref());
        let limits = exception.and_then(|exception| self.limits.with(&exception.limits).ok());
        InstancePolicy {
            egress: Arc::new(egress.unwrap_or(&self.egress).clone()),
            limits: limits.unwrap_or_else(|| self.limits.clone()),
            tls: self.tls.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
