//! Flow files that change while they are served.

use super::{Done, Reloading, Scheduler};
use crate::flow::Problems;
use crate::serve::Served;
use crate::serve::files::{self, Content, Digest};
use crate::serve::journal::Notice;
use crate::serve::lane::Lane;
use crate::serve::load;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Scheduler {
    /// Has the files looked at; on a slow disk that takes its time.
    pub(super) fn look(&mut self) {
        if self.looking {
            return;
        }
        self.looking = true;
        if self.reloading == Reloading::Wanted {
            self.reloading = Reloading::Looking;
        }
        let named = self.options.flows.clone();
        self.tasks
            .spawn_blocking(move || Done::Looked(files::look(&named)));
    }

    pub(super) fn compare(&mut self, look: BTreeMap<PathBuf, Content>) {
        self.looking = false;
        if self.ending.is_some() {
            return;
        }
        if self.reloading == Reloading::Looking {
            self.files.forget();
        }
        let changes = self.files.compare(look);
        for path in changes.gone {
            self.gone(&path);
        }
        for (path, content) in changes.changed {
            self.load(path, content);
        }
        if self.reloading == Reloading::Looking {
            self.reloading = Reloading::Loading;
        }
        self.end_of_reload();
    }

    fn load(&mut self, path: PathBuf, content: Content) {
        self.loading += 1;
        let options = Arc::clone(&self.options);
        let digest = Digest::of(&content);
        self.tasks.spawn(async move {
            // In a task of its own: whatever happens there, it is counted as done here.
            let loading = {
                let path = path.clone();
                tokio::spawn(
                    async move { load::one(&options.runtime, path, content, &options.variables).await },
                )
            };
            let loaded = loading
                .await
                .unwrap_or_else(|error| Err(load::problem(&path, "", format!("loading broke off: {error}"))));
            Done::Loaded { path, digest, loaded }
        });
    }

    pub(super) fn loaded(&mut self, path: PathBuf, digest: Digest, loaded: Result<Served, Problems>) {
        self.loading -= 1;
        // What has changed again meanwhile is being loaded again already.
        if self.ending.is_none() && self.files.is_latest(&path, digest) {
            match loaded.and_then(|served| self.has_its_name(served)) {
                Ok(served) => self.put_in_place(served),
                Err(problems) => self.broken(path, problems),
            }
        }
        self.end_of_reload();
    }

    /// A flow whose name no other one has.
    fn has_its_name(&self, served: Served) -> Result<Served, Problems> {
        let other = self
            .lanes
            .get(&served.flow.name)
            .filter(|lane| !lane.retired && lane.served.path != served.path);
        match other {
            Some(lane) => Err(load::same_name(&served, &lane.served.path)),
            None => Ok(served),
        }
    }

    fn put_in_place(&mut self, served: Served) {
        self.broken.remove(&served.path);
        let label = served.path.display().to_string();
        self.metrics.remove(&label);
        let name = served.flow.name.clone();
        self.retire(&served.path, Some(&name));
        self.serve(served);
        self.retry_broken();
    }

    /// Serves a flow from now on, or from now on like this.
    pub(super) fn serve(&mut self, served: Served) {
        let name = served.flow.name.clone();
        let served = Arc::new(served);
        self.metrics.add(&name);
        self.metrics.broken(&name, false);
        self.options.journal.notice(Some(&name), &Notice::FlowLoaded);
        match self.lanes.get_mut(&name) {
            Some(lane) => lane.replace(served, Timestamp::now()),
            None => {
                self.lanes.insert(name, Lane::new(served));
            }
        }
    }

    /// A file that has become wrong. What is the same as before is told again only to who asks.
    fn broken(&mut self, path: PathBuf, problems: Problems) {
        let name = self.name_of(&path);
        let label = name.clone().unwrap_or_else(|| path.display().to_string());
        if self.broken.get(&path) == Some(&problems) && self.reloading == Reloading::No {
            return;
        }
        self.metrics.reload_failed(&label);
        self.metrics.broken(&label, true);
        for problem in problems.iter() {
            let problem = problem.clone();
            self.options
                .journal
                .notice(name.as_deref(), &Notice::FlowBroken { problem });
        }
        self.broken.insert(path, problems);
    }

    fn gone(&mut self, path: &Path) {
        if self.broken.remove(path).is_some() && self.name_of(path).is_none() {
            self.metrics.remove(&path.display().to_string());
        }
        self.retire(path, None);
        self.retry_broken();
    }

    /// The flow of a file is not served any more, unless it has this name.
    fn retire(&mut self, path: &Path, except: Option<&str>) {
        let Some(name) = self.name_of(path).filter(|name| except != Some(name)) else {
            return;
        };
        if let Some(lane) = self.lanes.get_mut(&name) {
            lane.retired = true;
            lane.forget_waiting();
            self.options.journal.notice(Some(&name), &Notice::FlowRemoved);
        }
        self.drop_retired();
    }

    /// A name that was taken may be free now.
    fn retry_broken(&mut self) {
        for path in self.broken.keys() {
            self.files.forget_one(path);
        }
    }

    fn name_of(&self, path: &Path) -> Option<String> {
        let mut lanes = self.lanes.iter();
        lanes
            .find(|(_, lane)| lane.served.path == path && !lane.retired)
            .map(|(name, _)| name.clone())
    }

    fn end_of_reload(&mut self) {
        if self.reloading == Reloading::Loading && self.loading == 0 {
            self.reloading = Reloading::No;
            self.systemd.ready();
        }
    }
}
