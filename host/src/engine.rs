//! What a process has once: the engine, the linker, the compiled components, and the system's trusted certificates.

mod cache;

use crate::component::artefact::{Artefact, hexadecimal};
use crate::component::{Connector, LoadError};
use crate::imports::{self, State};
use crate::tls::SystemTrust;
use anyhow::Context as _;
use cache::Cache;
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
    /// Where compiled components are kept for the next process; none: every process compiles them anew, which takes
    /// a second each.
    pub cache: Option<CacheOptions>,
}

/// Where compiled components are kept. Both are made when they are not there, and must be this user's alone: what is
/// in the folder runs as code.
#[derive(Debug, Clone)]
pub struct CacheOptions {
    /// Folder for compiled components. It may be lost or emptied at any time.
    pub folder: PathBuf,
    /// File with a secret, outside `folder`: by it this host knows again what it wrote there, and runs nothing else.
    /// Hosts that share the folder share the file.
    pub key: PathBuf,
}

impl RuntimeOptions {
    /// Compiled components are kept in `FLOWHOST_CACHE`, else in the user's cache folder, and the key to them in
    /// `FLOWHOST_CACHE_KEY`, else in the user's state folder (XDG base directories). Where there is no place for
    /// either, nothing is cached.
    #[must_use]
    pub fn cached() -> Self {
        let path = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let user = |name, below_home| path(name).or_else(|| Some(path("HOME")?.join(below_home)));
        let folder =
            path("FLOWHOST_CACHE").or_else(|| Some(user("XDG_CACHE_HOME", ".cache")?.join("flowhost")));
        let key = path("FLOWHOST_CACHE_KEY")
            .or_else(|| Some(user("XDG_STATE_HOME", ".local/state")?.join("flowhost/cache.key")));
        Self {
            cache: folder.zip(key).map(|(folder, key)| CacheOptions { folder, key }),
        }
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
    /// When the machine cannot run wasm, others may write to the cache folder, or others may read its key.
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
            Some(cache) => Cache::open(&cache, &engine)?,
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
        self.load_artefact(&Artefact::new(bytes)).await
    }

    /// The same for bytes whose digest is known already, because somebody compared it with a pinned one, say.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub async fn load_artefact(
        self: &Arc<Self>,
        artefact: &Artefact<'_>,
    ) -> Result<Arc<Connector>, LoadError> {
        let component = self.compile(artefact)?;
        let digest = hexadecimal(artefact.digest());
        Connector::check(self, component, digest, artefact.bytes().len())
            .await
            .map(Arc::new)
    }

    fn compile(&self, artefact: &Artefact) -> Result<Component, LoadError> {
        LoadError::unless_component(artefact.bytes())?;
        if let Some(component) = self
            .cache
            .as_ref()
            .and_then(|cache| cache.get(&self.engine, artefact.digest()))
        {
            return Ok(component);
        }
        let component = Component::from_binary(&self.engine, artefact.bytes())
            .map_err(|error| LoadError::Invalid(format!("{error:#}")))?;
        if let Some(cache) = &self.cache {
            cache.put(&component, artefact.digest());
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
