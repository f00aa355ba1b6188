//! `wasi:sockets/ip-name-lookup`: names that the plan asked for, resolved by the host beforehand and pinned.
//!
//! A guest that asks for another name is refused, and a name cannot change its address during a run.

use super::sockets::View;
use crate::policy::reach::Lookup;
use std::net::IpAddr;
use std::vec;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{
    Host, HostResolveAddressStream, ResolveAddressStream,
};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, subscribe};

/// The addresses of a pinned name that the guest has not fetched yet. Stands in the resource table where
/// WASI's own type has private parts.
struct Addresses(vec::IntoIter<IpAddr>);

#[async_trait::async_trait]
impl Pollable for Addresses {
    /// Pinned addresses are there at once.
    async fn ready(&mut self) {}
}

impl Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        match self.reach.lookup(&name) {
            Lookup::Addresses(addresses) => {
                let stream = self.wasi.table.push(Addresses(addresses.into_iter()))?;
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
            .wasi
            .table
            .get_mut(&Resource::<Addresses>::new_borrow(stream.rep()))?;
        Ok(addresses.0.next().map(IpAddress::from))
    }

    fn subscribe(
        &mut self,
        stream: Resource<ResolveAddressStream>,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(self.wasi.table, Resource::<Addresses>::new_borrow(stream.rep()))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.wasi
            .table
            .delete(Resource::<Addresses>::new_own(stream.rep()))?;
        Ok(())
    }
}
