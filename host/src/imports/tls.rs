//! `flow:connector/tls`: client TLS for connectors. Keys and trust stay here; the connector carries the records.

use super::State;
use crate::bindings::flow::connector::tls::{Host, HostContext, HostSession};
use crate::contract::tls::{Error, Info, Reason, Received, Trust};
use crate::flow::problem::list;
use crate::tls::{Context, Identities, NAME_SHOWN, Session, SystemTrust, TlsPolicy, shown};
use std::sync::Arc;
use wasmtime::component::Resource;

/// What the TLS of one live connector is made of. By default it is safe, and nobody's.
#[derive(Default)]
pub(crate) struct Tls {
    /// The operator's say.
    policy: TlsPolicy,
    /// The client certificates that this instance may use, and no other's.
    identities: Arc<Identities>,
    /// Whom the operating system trusts.
    system: Arc<SystemTrust>,
    contexts: u64,
    sessions: u64,
}

impl Tls {
    pub(crate) fn new(policy: TlsPolicy, identities: Arc<Identities>, system: Arc<SystemTrust>) -> Self {
        Self {
            policy,
            identities,
            system,
            contexts: 0,
            sessions: 0,
        }
    }

    fn context(&self, trust: &Trust, client_certificate: Option<&str>) -> Result<Context, Box<Error>> {
        let identity = match client_certificate {
            None => None,
            Some(name) => Some(self.identities.get(name).ok_or_else(|| self.no_identity(name))?),
        };
        Context::new(trust, identity, &self.policy, &self.system)
    }

    fn no_identity(&self, name: &str) -> Box<Error> {
        let there = match list(self.identities.keys().map(String::as_str)) {
            none if none.is_empty() => "it has none".to_owned(),
            names => format!("there are {names}"),
        };
        Box::new(Error {
            reason: Reason::Invalid,
            message: format!(
                "This instance has no client certificate of the name {:?}: {there}.",
                shown(name, NAME_SHOWN)
            ),
            certificate: None,
        })
    }
}

impl State {
    fn too_many(&self, limit: &'static str) -> Error {
        Error {
            reason: Reason::Denied,
            message: self.bounds.reached(limit).to_string(),
            certificate: None,
        }
    }
}

impl Host for State {}

impl HostContext for State {
    fn create(
        &mut self,
        trust: Trust,
        client_certificate: Option<String>,
    ) -> wasmtime::Result<Result<Resource<Context>, Error>> {
        self.may_call("tls.context.create")?;
        if self.tls.contexts >= self.bounds.limits().tls_contexts {
            return Ok(Err(self.too_many("tls_contexts")));
        }
        Ok(match self.tls.context(&trust, client_certificate.as_deref()) {
            Ok(context) => {
                let context = self.table.push(context)?;
                self.tls.contexts += 1;
                Ok(context)
            }
            Err(error) => Err(*error),
        })
    }

    fn open(
        &mut self,
        context: Resource<Context>,
        server_name: String,
    ) -> wasmtime::Result<Result<Resource<Session>, Error>> {
        self.may_call("tls.context.open")?;
        if self.tls.sessions >= self.bounds.limits().tls_sessions {
            return Ok(Err(self.too_many("tls_sessions")));
        }
        Ok(match self.table.get(&context)?.open(&server_name) {
            Ok(session) => {
                let session = self.table.push(session)?;
                self.tls.sessions += 1;
                Ok(session)
            }
            Err(error) => Err(*error),
        })
    }

    fn drop(&mut self, context: Resource<Context>) -> wasmtime::Result<()> {
        self.table.delete(context)?;
        self.tls.contexts -= 1;
        Ok(())
    }
}

impl HostSession for State {
    fn decrypt(
        &mut self,
        session: Resource<Session>,
        records: Vec<u8>,
    ) -> wasmtime::Result<Result<Received, Error>> {
        self.may_call("tls.session.decrypt")?;
        Ok(self
            .table
            .get_mut(&session)?
            .decrypt(records)
            .map_err(|error| *error))
    }

    fn encrypt(
        &mut self,
        session: Resource<Session>,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Error>> {
        self.may_call("tls.session.encrypt")?;
        Ok(self
            .table
            .get_mut(&session)?
            .encrypt(&data)
            .map_err(|error| *error))
    }

    fn close(&mut self, session: Resource<Session>) -> wasmtime::Result<Vec<u8>> {
        self.may_call("tls.session.close")?;
        Ok(self.table.get_mut(&session)?.close())
    }

    fn info(&mut self, session: Resource<Session>) -> wasmtime::Result<Option<Info>> {
        self.may_call("tls.session.info")?;
        Ok(self.table.get(&session)?.info())
    }

    fn drop(&mut self, session: Resource<Session>) -> wasmtime::Result<()> {
        self.table.delete(session)?;
        self.tls.sessions -= 1;
        Ok(())
    }
}
