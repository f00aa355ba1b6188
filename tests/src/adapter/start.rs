//! What the suite lets an instance reach and use, in flowhost's words.

use std::sync::Arc;

use flowhost::policy::egress::EgressPolicy;
use flowhost::policy::limits::{Size, Span};
use flowhost::policy::{InstancePolicy, Limits};
use flowhost::tls::{Identities, Identity, TlsPolicy};

use super::GRACE;
use super::outcome::refused;
use crate::protocol::event::Failed;
use crate::protocol::request;

/// The operator's say.
///
/// # Errors
/// When a target is none.
pub(super) fn policy(policy: &request::Policy, limits: request::Limits) -> Result<InstancePolicy, Failed> {
    Ok(InstancePolicy {
        egress: Arc::new(egress(policy)?),
        limits: own_limits(limits),
        tls: TlsPolicy {
            insecure: policy.insecure_tls,
            ..TlsPolicy::default()
        },
    })
}

fn egress(policy: &request::Policy) -> Result<EgressPolicy, Failed> {
    let egress = if policy.allow.iter().any(|target| target == "*") {
        EgressPolicy::anything()
    } else {
        let targets = policy.allow.iter().map(|target| target.parse().map_err(refused));
        EgressPolicy::only(targets.collect::<Result<_, _>>()?)
    };
    Ok(EgressPolicy {
        listen: policy.listen.then(|| (0..=u16::MAX).into()),
        ..egress
    })
}

fn own_limits(limits: request::Limits) -> Limits {
    let usual = Limits::default();
    Limits {
        payload_size: limits.body.map_or(usual.payload_size, Size),
        metadata: limits.metadata.map_or(usual.metadata, Size),
        payloads: limits.payloads.unwrap_or(usual.payloads),
        grace: Span(GRACE),
        ..usual
    }
}

/// The client certificates, by name.
///
/// # Errors
/// When one cannot be used.
pub(super) fn identities(policy: &request::Policy) -> Result<Identities, Failed> {
    let identities = policy.client_certificates.iter().map(|(name, pem)| {
        let identity = Identity::from_pem(&pem.certificate, &pem.key)
            .map_err(|error| refused(format!("the client certificate {name:?}: {error}")))?;
        Ok((name.clone(), identity))
    });
    identities.collect()
}
