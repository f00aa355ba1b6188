//! What a process has once: the engine, the linker, the compiled components, and the system's trusted certificates.

mod cache;

use crate::component::{Connector, LoadError};
use crate::imports::{self, State};
use crate::tls::SystemTrust;
use anyhow::Context as _;
use cache::Cache;
use sha2::{Digest as _, Sha256};
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, EngineWeak};

/// How often running guests let the host look at time limits and cancellation. Short enough for both, and long
/// enough to cost nothing.
const TICK: Duration = Duration::from_millis(10);

/// How a [`Runtime`] is made.
#[derive(Debug, Clone, Default)]
pub struct RuntimeOptions {
    /// Folder for compiled components, private to this user; none: nothing is cached.
    pub cache: Option<PathBuf>,
}

impl RuntimeOptions {
    /// Compiled components are kept in `FLOWHOST_CACHE`, else in the user's cache folder (XDG base directories);
    /// where there is neither, nothing is cached.
    #[must_use]
    pub fn cached() -> Self {
        let folder = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let user = || folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
        let cache = folder("FLOWHOST_CACHE").or_else(|| Some(user()?.join("flowhost")));
        Self { cache }
    }
}

/// The engine, the linker and the cache: make one for a process.
pub struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    /// The authorities that the operating system trusts.
    pub(crate) trust: Arc<SystemTrust>,
    cache: Option<Cache>,
}

impl Runtime {
    /// Makes the engine and links everything that connectors may import.
    ///
    /// # Errors
    /// When the machine cannot run wasm, or others may write to the cache folder.
    pub fn new(options: RuntimeOptions) -> anyhow::Result<Arc<Self>> {
        let mut config = Config::new();
        config.wasm_component_model(true);
        config.epoch_interruption(true);
        let engine = Engine::new(&config)
            .map_err(plain)
            .context("this machine cannot run wasm components")?;
        let linker = imports::linker(&engine)
            .map_err(plain)
            .context("cannot link what connectors import")?;
        let cache = match options.cache {
            Some(folder) => Cache::open(folder, &engine)?,
            None => None,
        };
        tick(engine.weak())?;
        Ok(Arc::new(Self {
            engine,
            linker,
            trust: Arc::default(),
            cache,
        }))
    }

    /// Compiles a component, or takes it from the cache, and checks it against the contract.
    ///
    /// # Errors
    /// When the bytes are not a component, or the component does not fit the contract; the error says what is
    /// missing.
    pub async fn load(self: &Arc<Self>, bytes: &[u8]) -> Result<Arc<Connector>, LoadError> {
        let digest = format!("{:x}", Sha256::digest(bytes));
        let component = self.compile(bytes, &digest)?;
        Connector::check(self, component, digest, bytes.len())
            .await
            .map(Arc::new)
    }

    fn compile(&self, bytes: &[u8], digest: &str) -> Result<Component, LoadError> {
        LoadError::unless_component(bytes)?;
        if let Some(component) = self
            .cache
            .as_ref()
            .and_then(|cache| cache.get(&self.engine, digest))
        {
            return Ok(component);
        }
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        if let Some(cache) = &self.cache {
            cache.put(&component, digest);
        }
        Ok(component)
    }
}

/// Advances the epoch until the engine is gone.
fn tick(engine: EngineWeak) -> anyhow::Result<()> {
    thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .context("cannot start the epoch thread")?;
    Ok(())
}

/// Wasmtime's error type with its chain of reasons as text.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands the error over")]
pub(crate) fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}
