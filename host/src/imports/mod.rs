//! What a connector may call: one file for each interface that the host implements.
//!
//! Everything else that a guest's C library imports (files, environment, UDP, clocks, random numbers) comes
//! from `wasmtime-wasi` with nothing granted.

pub mod context;
pub mod exchange;
pub mod name_lookup;
pub mod stdio;
pub mod tls;

use crate::bindings::flow::connector as bindings;
use crate::bindings::flow::connector::types;
use crate::policy::{Limits, Reach};
use context::Context;
use exchange::Desk;
use tls::Tls;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, StoreLimits};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What a Store holds for one live connector.
pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(crate) memory: StoreLimits,
    pub(crate) context: Context,
    pub(crate) desk: Desk,
    reach: Reach,
    tls: Tls,
}

impl State {
    /// Deny by default: no files, no environment, no arguments, no input; sockets only within `reach`.
    pub(crate) fn new(context: Context, reach: Reach, tls: Tls, limits: &Limits) -> Self {
        let check = reach.clone();
        let output = context.output();
        let wasi = WasiCtx::builder()
            .stdout(output.clone())
            .stderr(output)
            .allow_tcp(true)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .socket_addr_check(move |address, usage| {
                let allowed = check.permits(address, usage);
                Box::pin(async move { allowed })
            })
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        Self {
            wasi,
            table,
            memory: limits.store_limits(),
            context,
            desk: Desk::default(),
            reach,
            tls,
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
    // Names are resolved by our own policy instead of WASI's all or nothing.
    linker.allow_shadowing(true);
    name_lookup::add_to_linker(&mut linker)?;
    linker.allow_shadowing(false);
    types::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::context::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::exchange::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    bindings::tls::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}
