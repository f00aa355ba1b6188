//! What all our `wasi:sockets` interfaces see of a Store. They stand in front of WASI's own, which do the work.

use super::State;
use crate::policy::bounds::Bounds;
use crate::policy::reach::Reach;
use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::SocketError;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, Network};
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, tcp, tcp_create_socket};
use wasmtime_wasi::sockets::{WasiSocketsCtxView, WasiSocketsView as _};

/// A Store, as our interfaces see it.
pub(super) struct View<'a> {
    pub(super) bounds: Bounds,
    pub(super) reach: Reach,
    pub(super) wasi: WasiSocketsCtxView<'a>,
}

struct Sockets;

impl HasData for Sockets {
    type Data<'a> = View<'a>;
}

// The interfaces' error type belongs to `wasi:sockets/network`, which stays WASI's own.
impl network::Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.wasi.convert_error_code(error)
    }

    fn network_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.wasi.network_error_code(error)
    }
}

impl network::HostNetwork for View<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.wasi, network)
    }
}

/// Links the interfaces, in place of WASI's.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fn view(state: &mut State) -> View<'_> {
        View {
            bounds: state.bounds.clone(),
            reach: state.reach.clone(),
            wasi: state.sockets(),
        }
    }
    ip_name_lookup::add_to_linker::<State, Sockets>(linker, view)?;
    tcp::add_to_linker::<State, Sockets>(linker, view)?;
    tcp_create_socket::add_to_linker::<State, Sockets>(linker, view)
}
