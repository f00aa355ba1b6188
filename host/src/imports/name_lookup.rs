//! `wasi:sockets/ip-name-lookup`: names that the plan asked for, resolved by the host beforehand and pinned.
//!
//! A guest that asks for another name is refused, and a name cannot change its address during a run.

use super::State;
use crate::policy::{Lookup, Reach};
use std::net::IpAddr;
use std::vec;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    Host, HostResolveAddressStream, ResolveAddressStream, add_to_linker as link,
};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, subscribe};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView as _};

/// The addresses of a pinned name that the guest has not fetched yet. Stands in the resource table where
/// WASI's own type has private parts.
struct Addresses(vec::IntoIter<IpAddr>);

#[async_trait::async_trait]
impl Pollable for Addresses {
    /// Pinned addresses are there at once.
    async fn ready(&mut self) {}
}

struct NameLookup;

impl HasData for NameLookup {
    type Data<'a> = View<'a>;
}

struct View<'a> {
    reach: Reach,
    sockets: WasiSocketsCtxView<'a>,
}

// The interface's error type belongs to `wasi:sockets/network`, which stays WASI's own.
impl network::Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.sockets.convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.sockets.network_error_code(error)
    }
}

impl network::HostNetwork for View<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.sockets, network)
    }
}

impl Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        match self.reach.lookup(&name) {
            Lookup::Addresses(addresses) => {
                let stream = self.sockets.table.push(Addresses(addresses.into_iter()))?;
                Ok(Resource::new_own(stream.rep()))
            }
            Lookup::Unknown => Err(ErrorCode::NameUnresolvable.into()),
            Lookup::Denied => Err(ErrorCode::AccessDenied.into()),
        }
    }
}

impl HostResolveAddressStream for View<'_> {
    fn resolve_next_address(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> Result<Option<IpAddress>, SocketError> {
        let addresses = self
            .sockets
            .table
            .get_mut(&Resource::<Addresses>::new_borrow(stream.rep()))?;
        Ok(addresses.0.next().map(IpAddress::from))
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(
            self.sockets.table,
            Resource::<Addresses>::new_borrow(stream.rep()),
        )
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.sockets
            .table
            .delete(Resource::<Addresses>::new_own(stream.rep()))?;
        Ok(())
    }
}

/// Links the interface.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link::<State, NameLookup>(linker, |state| View {
        reach: state.reach.clone(),
        sockets: state.sockets(),
    })
}
