//! The contract's words, between flowhost (as its bindings have them) and the protocol (as JSON).

use flowhost::contract as host;

use crate::protocol::contract as json;

/// A function from one enum to another with the same cases.
macro_rules! same {
    ($(#[$attribute:meta])* $name:ident: $from:ty => $to:ty { $($case:ident),* $(,)? }) => {
        $(#[$attribute])*
        pub(super) fn $name(value: $from) -> $to {
            match value {
                $(<$from>::$case => <$to>::$case,)*
            }
        }
    };
}

macro_rules! kinds {
    ($name:ident: $from:ty => $to:ty) => {
        same! { $name: $from => $to {
            InvalidSettings, Authentication, Permission, NotFound, Conflict, Unreachable, Timeout, Busy, Tls, Protocol, Data,
            DeniedByHost, Cancelled, Unsupported, Internal,
        } }
    };
}

kinds!(kind: host::ErrorKind => json::ErrorKind);
kinds!(to_kind: json::ErrorKind => host::ErrorKind);
same! { effect: host::Effect => json::Effect { None, Partial, Unknown } }
same! { to_effect: json::Effect => host::Effect { None, Partial, Unknown } }
same! { direction: host::Direction => json::Direction { Connect, Accept } }
same! { status: host::CheckStatus => json::CheckStatus { Passed, Warning, Failed } }
same! { to_level: json::LogLevel => host::LogLevel { Trace, Debug, Info, Warn, Error } }

/// The level of this name; flowhost's events have it so.
pub(super) fn level(name: &str) -> Option<json::LogLevel> {
    use json::LogLevel::{Debug, Error, Info, Trace, Warn};
    [Trace, Debug, Info, Warn, Error]
        .into_iter()
        .find(|level| to_level(*level).name() == name)
}

pub(super) fn error(error: host::Error) -> json::Error {
    json::Error {
        kind: kind(error.kind),
        message: error.message,
        code: error.code,
        retry: match error.retry {
            host::Retry::Never => json::Retry::Never,
            host::Retry::Backoff => json::Retry::Backoff,
            host::Retry::AfterMs(pause) => json::Retry::AfterMs(pause),
        },
        effect: effect(error.effect),
        details: error.details,
    }
}

pub(super) fn to_error(error: json::Error) -> host::Error {
    host::Error {
        kind: to_kind(error.kind),
        message: error.message,
        code: error.code,
        retry: match error.retry {
            json::Retry::Never => host::Retry::Never,
            json::Retry::Backoff => host::Retry::Backoff,
            json::Retry::AfterMs(pause) => host::Retry::AfterMs(pause),
        },
        effect: to_effect(error.effect),
        details: error.details,
    }
}

/// What a connector hears that waits for an answer when its call is to end.
pub(super) fn cancelled() -> host::Error {
    host::Error::new(host::ErrorKind::Cancelled, "the call is being cancelled")
}

pub(super) fn metadata(metadata: host::Metadata) -> json::Metadata {
    json::Metadata {
        id: metadata.id,
        version: metadata.version,
        name: metadata.name,
        content_type: metadata.content_type,
        size: metadata.size,
        modified_ms: metadata.modified_ms,
        attributes: metadata.attributes,
    }
}

pub(super) fn to_metadata(metadata: json::Metadata) -> host::Metadata {
    host::Metadata {
        id: metadata.id,
        version: metadata.version,
        name: metadata.name,
        content_type: metadata.content_type,
        size: metadata.size,
        modified_ms: metadata.modified_ms,
        attributes: metadata.attributes,
    }
}

pub(super) fn outcome(outcome: host::Outcome) -> json::Outcome {
    match outcome {
        host::Outcome::Pass(passed) => json::Outcome::Pass(metadata(passed)),
        host::Outcome::Consume => json::Outcome::Consume,
        host::Outcome::Fail(reason) => json::Outcome::Fail(error(reason)),
    }
}

pub(super) fn summary(summary: host::Summary) -> json::Summary {
    json::Summary {
        payloads: summary.payloads,
        bytes: summary.bytes,
        skipped: summary.skipped,
        failed: summary.failed,
    }
}

pub(super) fn egress(egress: host::Egress) -> json::Egress {
    json::Egress {
        host: egress.host,
        first_port: egress.first_port,
        last_port: egress.last_port,
        direction: direction(egress.direction),
        secondary: egress.secondary,
        reason: egress.reason,
    }
}

pub(super) fn check_step(step: host::CheckStep) -> json::CheckStep {
    json::CheckStep {
        name: step.name,
        status: status(step.status),
        message: step.message,
        details: step.details,
    }
}

pub(super) fn descriptor(descriptor: &host::Descriptor) -> json::Descriptor {
    json::Descriptor {
        id: descriptor.id.clone(),
        version: descriptor.version.clone(),
        title: descriptor.title.clone(),
        description: descriptor.description.clone(),
        connection_schema: descriptor.connection_schema.clone(),
        endpoints: descriptor.endpoints.iter().map(endpoint).collect(),
        details: descriptor.details.clone(),
    }
}

fn endpoint(endpoint: &host::Endpoint) -> json::Endpoint {
    json::Endpoint {
        name: endpoint.name.clone(),
        title: endpoint.title.clone(),
        description: endpoint.description.clone(),
        options_schema: endpoint.options_schema.clone(),
    }
}
