//! A loaded connector: checked against the contract, its endpoints found by type.

pub mod artefact;
pub mod capability;

use crate::bindings::ConnectorBaseIndices;
use crate::contract::{CONTRACT_VERSION, Call, Descriptor, Endpoint, Error, LogLevel, Summary};
use crate::engine::Runtime;
use crate::event::Events;
use crate::failure::Failure;
use crate::imports::State;
use crate::imports::context::Context;
use crate::imports::log::Log;
use crate::imports::tls::Tls;
use crate::instance::MOST_PASSED;
use crate::instance::guard::quick;
use crate::policy::Limits;
use crate::policy::bounds::Bounds;
use crate::policy::limits::Span;
use crate::policy::reach::Reach;
use capability::Capability;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wasmtime::Store;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, TypedFunc};

/// `describe` neither waits nor works much.
pub(crate) const DESCRIBE_LIMIT: Duration = Duration::from_secs(5);
const DESCRIBE_CPU: Duration = Duration::from_secs(2);

/// The bytes after the magic number: version 13 of layer 1 is a component, version 1 of layer 0 a core module.
const COMPONENT_LAYER: [u8; 4] = [0x0d, 0, 1, 0];

/// Why a file is not a connector.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not WebAssembly.
    #[error("this is not a WebAssembly component: the file does not start with the WebAssembly magic number")]
    NotWasm,
    /// A core module, not a component.
    #[error(
        "this is a WebAssembly core module, not a component; build it for a component target such as wasm32-wasip2"
    )]
    CoreModule,
    /// The bytes do not validate.
    #[error("this is not a valid WebAssembly component: {0}")]
    Invalid(String),
    /// It needs something that this host does not have.
    #[error(
        "the component imports {0}, which this host does not provide (it provides flow:connector {CONTRACT_VERSION} and WASI 0.2)"
    )]
    Import(String),
    /// It does not export the contract's interface.
    #[error(
        "the component is not a connector: it does not export flow:connector/connector@{CONTRACT_VERSION}; it exports {0}"
    )]
    NoConnector(String),
    /// It exports the interface with other types.
    #[error(
        "the component's export flow:connector/connector@{CONTRACT_VERSION} does not fit the contract: {0}"
    )]
    Mismatch(String),
    /// It has no endpoint.
    #[error(
        "the connector has no endpoint: no exported function has the type func(call: call) -> result<summary, error>"
    )]
    NoEndpoint,
    /// `describe` names an endpoint that is not there, or leaves one out.
    #[error(
        "the connector describes the endpoints {described} and exports {exported}; they must be the same"
    )]
    Endpoints {
        /// Names in the descriptor.
        described: String,
        /// Names of the exported functions.
        exported: String,
    },
    /// `describe` failed.
    #[error("the connector cannot describe itself: {0}")]
    Describe(String),
}

impl LoadError {
    /// Tells wrong files apart before the compiler speaks of them in its own words.
    pub(crate) fn unless_component(bytes: &[u8]) -> Result<(), Self> {
        match bytes.get(..8) {
            Some([0, b'a', b's', b'm', layer @ ..]) if layer == COMPONENT_LAYER => Ok(()),
            Some([0, b'a', b's', b'm', ..]) => Err(Self::CoreModule),
            _ => Err(Self::NotWasm),
        }
    }
}

/// A connector that fits the contract, ready to be instantiated.
pub struct Connector {
    /// What it says of itself.
    pub descriptor: Descriptor,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
    /// Bytes of the component.
    pub size: usize,
    /// Names of the interfaces that it imports.
    pub imports: Vec<String>,
    /// Names of the interfaces that it exports.
    pub exports: Vec<String>,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) pre: InstancePre<State>,
    pub(crate) indices: ConnectorBaseIndices,
    pub(crate) endpoints: BTreeMap<String, ComponentExportIndex>,
}

/// The function type of every endpoint.
pub(crate) type EndpointFunc = TypedFunc<(Call,), (Result<Summary, Error>,)>;

impl Connector {
    /// The names of its endpoints, as they were found by their type.
    pub fn endpoints(&self) -> impl Iterator<Item = &str> {
        self.endpoints.keys().map(String::as_str)
    }

    /// What the connector says of one endpoint.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.descriptor
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == name)
    }

    pub(crate) async fn check(
        runtime: &Arc<Runtime>,
        component: Component,
        digest: String,
        size: usize,
    ) -> Result<Self, LoadError> {
        let imports = names(&component, Side::Imports);
        let exports = names(&component, Side::Exports);
        // What has no words could not be told to who has to decide whether to trust it.
        if let Some(import) = imports.iter().find(|import| Capability::of(import).is_none()) {
            return Err(LoadError::Import(import.clone()));
        }
        let pre = runtime
            .linker
            .instantiate_pre(&component)
            .map_err(|error| import_error(&error))?;
        if !exports
            .iter()
            .any(|name| name.starts_with("flow:connector/connector@0.1."))
        {
            let exports = if exports.is_empty() {
                "nothing".to_owned()
            } else {
                exports.join(", ")
            };
            return Err(LoadError::NoConnector(exports));
        }
        let indices =
            ConnectorBaseIndices::new(&pre).map_err(|error| LoadError::Mismatch(format!("{error:#}")))?;

        // Nothing is granted: a connector must be able to say what it is without any permission.
        let events = Events::none();
        let limits = Limits {
            cpu_time: Span(DESCRIBE_CPU),
            ..Limits::default()
        };
        let bounds = Bounds::new("describe", limits, events.clone());
        let log = Log::new(events.clone(), LogLevel::Error, bounds.clone());
        let context = Context::new(String::new(), events, log, CancellationToken::new());
        let reach = Reach::none(bounds.clone(), Arc::default());
        let mut state = State::new(context, reach, Tls::default(), bounds.clone());
        state.mute = Some("describe");
        let mut store = Store::new(&runtime.engine, state);
        store.limiter(|state| &mut state.ceiling);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_hostcall_fuel(MOST_PASSED);
        let describe = async {
            let instance = pre.instantiate_async(&mut store).await?;
            let base = indices.load(&mut store, &instance)?;
            let descriptor = base.flow_connector_connector().call_describe(&mut store).await?;
            wasmtime::Result::Ok((instance, descriptor))
        };
        let described = quick(describe, DESCRIBE_LIMIT, &bounds).await;
        let (instance, descriptor) = described.map_err(|failure| {
            LoadError::Describe(match failure.with_last_words(|| store.data().output.text()) {
                // Nobody can give it more.
                Failure::TimeOut(limit) => format!("it did not end within {limit:?}"),
                Failure::Limit(reached) => {
                    format!("it reached the limit `{}` ({})", reached.name, reached.value)
                }
                failure => failure.to_string(),
            })
        })?;
        let endpoints = find_endpoints(&component, &mut store, &instance);
        compare(&descriptor, &endpoints)?;
        Ok(Self {
            descriptor,
            digest,
            size,
            imports,
            exports,
            runtime: Arc::clone(runtime),
            pre,
            indices,
            endpoints,
        })
    }
}

#[derive(Clone, Copy)]
enum Side {
    Imports,
    Exports,
}

fn names(component: &Component, side: Side) -> Vec<String> {
    let ty = component.component_type();
    let engine = component.engine();
    match side {
        Side::Imports => ty.imports(engine).map(|(name, _)| name.to_owned()).collect(),
        Side::Exports => ty.exports(engine).map(|(name, _)| name.to_owned()).collect(),
    }
}

/// The linker names the missing import, and what is missing in it, in backquotes or quotes somewhere in its chain of
/// reasons.
fn import_error(error: &wasmtime::Error) -> LoadError {
    let text = format!("{error:#}");
    let mut quoted = text.split(['`', '"']).skip(1).step_by(2);
    let interface = quoted.find(|name| name.contains('/') && name.contains(':'));
    LoadError::Import(match (interface, quoted.next()) {
        (Some(interface), Some(item)) => format!("{interface} with `{item}`"),
        (Some(interface), None) => interface.to_owned(),
        (None, _) => text.clone(),
    })
}

/// Walks the exported interfaces for functions of the endpoint type.
fn find_endpoints(
    component: &Component,
    store: &mut Store<State>,
    instance: &Instance,
) -> BTreeMap<String, ComponentExportIndex> {
    let mut endpoints = BTreeMap::new();
    let engine = component.engine();
    for (interface, item) in component.component_type().exports(engine) {
        let ComponentItem::ComponentInstance(interface_type) = item.ty else {
            continue;
        };
        let Some(parent) = component.get_export_index(None, interface) else {
            continue;
        };
        for (name, item) in interface_type.exports(engine) {
            let ComponentItem::ComponentFunc(_) = item.ty else {
                continue;
            };
            let Some(index) = component.get_export_index(Some(&parent), name) else {
                continue;
            };
            let typed: Result<EndpointFunc, _> = instance.get_typed_func(&mut *store, index);
            if typed.is_ok() {
                endpoints.insert(name.to_owned(), index);
            }
        }
    }
    endpoints
}

fn compare(
    descriptor: &Descriptor,
    endpoints: &BTreeMap<String, ComponentExportIndex>,
) -> Result<(), LoadError> {
    if endpoints.is_empty() {
        return Err(LoadError::NoEndpoint);
    }
    let mut described: Vec<&str> = descriptor
        .endpoints
        .iter()
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    described.sort_unstable();
    let exported: Vec<&str> = endpoints.keys().map(String::as_str).collect();
    if described == exported {
        return Ok(());
    }
    Err(LoadError::Endpoints {
        described: described.join(", "),
        exported: exported.join(", "),
    })
}
