//! The control side: the table of all links, the snapshot built from it, and its publication. Shards announce changes;
//! one control thread builds and swaps, so that a flood of changes costs one build and not one each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use flatend_codec::Millis;

use crate::limits::{SERVICE_MEMORY_MAX, SERVICE_MEMORY_MS};
use crate::mesh::News;
use crate::node::Watchers;
use crate::routing::{LinkInfo, LinkRef, Snapshot};

/// Shared by all shards of a node: who is connected, and the view to route by.
pub(crate) struct Registry {
    table: Mutex<Table>,
    changed: Condvar,
    snapshot: ArcSwap<Snapshot>,
    /// Equals the snapshot's generation; read once a turn by the shards, without touching the snapshot itself.
    generation: AtomicU64,
    /// Who waits for a new snapshot outside of the shards.
    pub(crate) watchers: Watchers,
    started: Instant,
}

#[derive(Default)]
struct Table {
    /// Shared with the snapshots, of which two are there while one is built.
    links: HashMap<LinkRef, Arc<LinkInfo>>,
    missed: HashMap<String, Millis>,
    dirty: bool,
    /// What the mesh core has not been told yet, in order.
    news: Vec<News>,
    closed: bool,
}

impl Registry {
    pub(crate) fn new() -> Arc<Registry> {
        Arc::new(Registry {
            table: Mutex::default(),
            changed: Condvar::new(),
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            generation: AtomicU64::new(0),
            watchers: Watchers::default(),
            started: Instant::now(),
        })
    }

    /// Milliseconds since the node started.
    pub(crate) fn age_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// A link came up, or its services or state changed.
    pub(crate) fn announce(&self, info: LinkInfo) {
        let mut table = self.lock();
        table.links.insert(info.link, Arc::new(info));
        self.mark(&mut table);
    }

    /// A link is gone.
    pub(crate) fn withdraw(&self, link: LinkRef) {
        let mut table = self.lock();
        if let Some(info) = table.links.remove(&link) {
            let now = Millis(self.age_ms());
            for name in info.services.iter().cloned() {
                table.missed.insert(name, now);
            }
            self.mark(&mut table);
        }
    }

    /// Something else has changed that belongs to the node's state: its generation rises.
    pub(crate) fn touch(&self) {
        let mut table = self.lock();
        self.mark(&mut table);
    }

    /// Tells the mesh core something.
    pub(crate) fn tell(&self, news: News) {
        self.lock().news.push(news);
        self.changed.notify_all();
    }

    /// Ends the control thread.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn mark(&self, table: &mut Table) {
        table.dirty = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // A panic while the lock is held leaves a table that is still a table.
        self.table
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The control thread's loop: builds, swaps, then tells the shards with `published`; gives the mesh core its turns with
    /// `steer`, which says when it wants the next one at the latest.
    pub(crate) fn run(
        &self,
        published: impl Fn(),
        mut steer: impl FnMut(Millis, Vec<News>) -> Option<Millis>,
    ) {
        let mut deadline = Some(Millis(0));
        while let Some((changed, news)) = self.wait(deadline) {
            if let Some((links, missed)) = changed {
                let generation = self.generation.load(Ordering::Relaxed) + 1;
                self.snapshot
                    .store(Arc::new(Snapshot::build(generation, links, missed)));
                self.generation.store(generation, Ordering::Release);
                published();
            }
            deadline = steer(Millis(self.age_ms()), news);
        }
    }

    /// Waits for a change, for news or for the deadline; `None` at the end.
    fn wait(&self, deadline: Option<Millis>) -> Option<Work> {
        let mut table = self.lock();
        while !table.dirty && table.news.is_empty() && !table.closed {
            let left_ms = deadline.map(|at| at.0.saturating_sub(self.age_ms()));
            table = match left_ms {
                Some(0) => break,
                None => self
                    .changed
                    .wait(table)
                    .unwrap_or_else(std::sync::PoisonError::into_inner),
                Some(ms) => {
                    let waited = self.changed.wait_timeout(table, Duration::from_millis(ms));
                    waited.unwrap_or_else(std::sync::PoisonError::into_inner).0
                }
            };
        }
        if table.closed {
            return None;
        }
        let news = std::mem::take(&mut table.news);
        if !std::mem::take(&mut table.dirty) {
            return Some((None, news));
        }
        forget_old(&mut table.missed, Millis(self.age_ms()));
        let links = table.links.values().cloned().collect();
        Some((Some((links, table.missed.clone())), news))
    }
}

/// What the control thread has to do: a changed table of links to publish, and news for the mesh core.
type Work = (
    Option<(Vec<Arc<LinkInfo>>, HashMap<String, Millis>)>,
    Vec<News>,
);

fn forget_old(missed: &mut HashMap<String, Millis>, now: Millis) {
    missed.retain(|_, at| now.0.saturating_sub(at.0) <= SERVICE_MEMORY_MS);
    if missed.len() > SERVICE_MEMORY_MAX {
        let mut by_age: Vec<(Millis, String)> =
            missed.drain().map(|(name, at)| (at, name)).collect();
        by_age.sort_unstable();
        let kept = by_age.split_off(by_age.len() - SERVICE_MEMORY_MAX);
        missed.extend(kept.into_iter().map(|(at, name)| (name, at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::ProviderKey;

    #[test]
    fn announcements_reach_the_snapshot_and_a_lost_service_is_remembered() {
        let registry = Registry::new();
        let (published, seen) = std::sync::mpsc::channel();
        let control = std::thread::spawn({
            let registry = registry.clone();
            move || {
                let tell = || {
                    // The test may be over.
                    published.send(()).ok();
                };
                registry.run(tell, |_, _| None);
            }
        });
        let link = LinkRef { shard: 0, id: 1 };
        let services = vec!["hello".to_owned()];
        registry.announce(LinkInfo {
            link,
            provider: ProviderKey::Anonymous(link),
            addr: None,
            record: None,
            from: None,
            services: services.into(),
            epoch: 0,
            ready: true,
            retiring: false,
            open: Default::default(),
        });
        seen.recv().expect("the control thread publishes");
        assert_eq!(registry.snapshot().providers(["hello"]).len(), 1);
        assert_eq!(registry.generation(), 1);
        registry.withdraw(link);
        seen.recv().expect("the control thread publishes");
        assert!(registry.snapshot().providers(["hello"]).is_empty());
        assert!(registry.snapshot().was_offered_since(["hello"], Millis(0)));
        registry.close();
        control.join().expect("the control thread ends");
    }

    #[test]
    fn memory_of_lost_services_is_bounded_and_keeps_the_newest() {
        let mut missed: HashMap<String, Millis> = (0..SERVICE_MEMORY_MAX as u64 + 10)
            .map(|i| (format!("s{i}"), Millis(i)))
            .collect();
        forget_old(&mut missed, Millis(SERVICE_MEMORY_MAX as u64));
        assert_eq!(missed.len(), SERVICE_MEMORY_MAX);
        assert!(!missed.contains_key("s0"));
    }
}
