//! Ctrl-C, which must not leave servers behind: each is in a process group of its own and does not hear it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody wants an end.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Set by SIGINT (Ctrl-C) and SIGTERM, which no longer end this process by themselves.
    ///
    /// # Errors
    /// When the system does not let this process have its signals.
    pub fn by_signal() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let (mut interrupted, mut terminated) = {
            let _entered = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        let wanted = Self::default();
        let set = wanted.clone();
        thread::Builder::new()
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupted.recv() => {}
                        _ = terminated.recv() => {}
                    }
                });
                set.0.store(true, Ordering::Relaxed);
            })
            .context("cannot wait for signals")?;
        Ok(wanted)
    }

    /// Goes on, unless somebody wants an end.
    ///
    /// # Errors
    /// When somebody does.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
        Ok(())
    }
}
