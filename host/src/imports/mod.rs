//! What a connector may call: one file for each interface that the host implements.
//!
//! Everything else that a guest's C library imports (files, environment, UDP, clocks, random numbers) comes
//! from `wasmtime-wasi` with nothing granted.

pub mod context;
pub mod exchange;
pub mod log;
mod name_lookup;
mod sockets;
pub mod stdio;
mod tcp;
pub mod tls;

use crate::bindings::flow::connector as bindings;
use crate::bindings::flow::connector::types;
use crate::policy::bounds::Bounds;
use crate::policy::ceiling::Ceiling;
use crate::policy::reach::Reach;
use context::Context;
use exchange::Desk;
use stdio::Output;
use tls::Tls;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a Store holds for one live connector.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) ceiling: Ceiling,
    pub(crate) bounds: Bounds,
    pub(crate) context: Context,
    /// What the guest prints.
    pub(crate) output: Output,
    pub(crate) desk: Desk,
    /// The function of the connector that runs now and may call no import of the contract, if it is such a one.
    pub(crate) mute: Option<&'static str>,
    reach: Reach,
    tls: Tls,
}

impl State {
    /// Deny by default: no files, no environment, no arguments, no input; sockets only within `reach`.
    pub(crate) fn new(context: Context, reach: Reach, tls: Tls, bounds: Bounds) -> Self {
        let check = reach.clone();
        let output = Output::new(context.log.clone());
        let wasi = WasiCtx::builder()
            .stdout(output.clone())
            .stderr(output.clone())
            .allow_tcp(true)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .socket_addr_check(move |address, usage| {
                let allowed = check.permits(address, usage);
                Box::pin(async move { allowed })
            })
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(bounds.limits().handles).unwrap_or(usize::MAX));
        Self {
            wasi,
            table,
            ceiling: Ceiling::new(bounds.clone()),
            bounds,
            context,
            output,
            desk: Desk::default(),
            mute: None,
            reach,
            tls,
        }
    }

    /// Whether an import of the contract may be called now.
    fn may_call(&self, import: &str) -> wasmtime::Result<()> {
        match self.mute {
            None => Ok(()),
            Some(export) => {
                wasmtime::bail!("`{export}` called `{import}`, and it may call no import of the contract")
            }
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// The contract's `types` has no functions.
impl types::Host for State {}

/// Links everything that a connector may import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // Names are resolved by our own policy instead of WASI's all or nothing, and sockets are counted.
    linker.allow_shadowing(true);
    sockets::add_to_linker(&mut linker)?;
    linker.allow_shadowing(false);
    types::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::context::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::exchange::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::tls::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}
