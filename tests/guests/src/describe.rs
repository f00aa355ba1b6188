//! The ways to describe oneself.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use schemars::JsonSchema;

use crate::bindings::exports::flow::connector::connector::{Descriptor, Endpoint};
use crate::bindings::flow::connector::context::{self, LogLevel};
use crate::options::{Make, Misbehaviour};
use crate::raw;

/// The schema of objects that may hold anything.
const ANYTHING: &str = r#"{"type":"object"}"#;

/// More than a host needs to hear of anything.
pub const HUGE: usize = 64 << 20;

/// The honest description of a connector with these endpoints.
#[must_use]
pub fn honest() -> Descriptor {
    with_schemas([schema::<Make>(), schema::<Misbehaviour>(), ANYTHING.to_owned()])
}

/// That of one whose endpoints take any options.
#[must_use]
pub fn plain() -> Descriptor {
    with_schemas([ANYTHING; 3].map(str::to_owned))
}

fn with_schemas(schemas: [String; 3]) -> Descriptor {
    let endpoints = ["make", "misbehave", "pass"].into_iter().zip(schemas);
    let endpoints = endpoints.map(|(name, options_schema)| Endpoint {
        name: name.to_owned(),
        title: name.to_owned(),
        description: "For tests.".to_owned(),
        options_schema,
    });
    Descriptor {
        id: "guest".to_owned(),
        version: "0.1.0".to_owned(),
        title: "Guest".to_owned(),
        description: "For tests.".to_owned(),
        connection_schema: ANYTHING.to_owned(),
        endpoints: endpoints.collect(),
        details: None,
    }
}

fn schema<T: JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}

/// Writes to the log first.
#[must_use]
pub fn calls_an_import() -> Descriptor {
    context::log(LogLevel::Error, "I am describing myself");
    plain()
}

/// A title of 64 MiB.
#[must_use]
pub fn huge() -> Descriptor {
    Descriptor {
        title: "x".repeat(HUGE),
        ..plain()
    }
}

/// Never ends.
#[must_use]
pub fn loops() -> Descriptor {
    let mut round = 0_u64;
    while black_box(round) < u64::MAX {
        round += 1;
    }
    plain()
}

/// The schemas are not JSON.
#[must_use]
pub fn no_json() -> Descriptor {
    with_schema("{\"type\": \"object\"")
}

/// The schemas are JSON, and no schemas.
#[must_use]
pub fn no_schema() -> Descriptor {
    with_schema("{\"type\": 7}")
}

/// A title that is not UTF-8.
#[must_use]
pub fn no_text() -> Descriptor {
    Descriptor {
        title: raw::no_text(),
        ..plain()
    }
}

/// Careless with all that people read.
#[must_use]
pub fn careless() -> Descriptor {
    let schema = r#"{"type":"object","properties":{"password":{"type":"string","title":"P","description":"P","default":7},"x":{}}}"#;
    Descriptor {
        id: "My Guest".to_owned(),
        version: "one".to_owned(),
        title: String::new(),
        details: Some("[]".to_owned()),
        ..with_schemas([schema; 3].map(str::to_owned))
    }
}

/// Something else each time.
#[must_use]
pub fn unsteady() -> Descriptor {
    static TIMES: AtomicU64 = AtomicU64::new(0);
    Descriptor {
        description: format!(
            "For tests; asked {} times.",
            TIMES.fetch_add(1, Ordering::Relaxed)
        ),
        ..plain()
    }
}

/// Panics.
///
/// # Panics
/// Always.
#[must_use]
pub fn panics() -> Descriptor {
    panic!("I cannot say what I am")
}

/// Other endpoints than it has.
#[must_use]
pub fn strange_endpoints() -> Descriptor {
    let mut descriptor = plain();
    descriptor.endpoints.truncate(1);
    "withdraw".clone_into(&mut descriptor.endpoints[0].name);
    descriptor
}

/// Waits for a minute.
#[must_use]
pub fn waits() -> Descriptor {
    sleep(Duration::from_mins(1));
    plain()
}

fn with_schema(schema: &str) -> Descriptor {
    Descriptor {
        connection_schema: schema.to_owned(),
        ..with_schemas([schema; 3].map(str::to_owned))
    }
}
