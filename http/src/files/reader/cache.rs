//! What a shard remembers of files. Owns views by key, within bounds of entries, bytes and open descriptors; when one is
//! reached, what was not asked for since the hand last came by goes first (CLOCK). Refuses to remember what is not there: the
//! kernel's own cache of names answers those without a wait.
//!
//! Descriptors are given back when nobody has asked for a few seconds: a deleted file's room on the disk is free only then.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use bytes::Bytes;
use flatend::rt::{self, Millis};

use super::load::Resource;
use crate::limits::{
    CACHED_BYTES_MAX, CACHED_DESCRIPTORS_MAX, CACHED_DESCRIPTOR_IDLE_MS, CACHED_FILES_MAX,
};

/// Something remembered.
#[derive(Clone)]
pub(super) enum Node {
    File(Rc<Resource>),
    Page(Page),
}

/// A directory's listing.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) html: Bytes,
    /// The path that it shows: a route with parameters leads to one directory by many.
    pub(super) shown: Rc<[u8]>,
    pub(super) made_at: Millis,
}

impl Node {
    /// Bytes in memory and descriptors.
    fn weight(&self) -> (usize, usize) {
        match self {
            Node::File(resource) => (resource.bytes(), resource.descriptors()),
            Node::Page(page) => (page.html.len() + page.shown.len(), 0),
        }
    }
}

struct Entry {
    key: Rc<[u8]>,
    node: Node,
    used: bool,
}

#[derive(Default)]
struct Cache {
    places: HashMap<Rc<[u8]>, usize>,
    /// In the order in which the hand comes by.
    entries: Vec<Entry>,
    hand: usize,
    bytes: usize,
    descriptors: usize,
    sweeping: bool,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

/// What is remembered under `key`.
pub(super) fn find(key: &[u8]) -> Option<Node> {
    CACHE.with(|cache| cache.borrow_mut().find(key))
}

/// Remembers `node` under `key`, in place of what was there.
pub(super) fn keep(key: &[u8], node: Node) {
    let sweep = CACHE.with(|cache| {
        let mut cache = cache.borrow_mut();
        cache.keep(key, node);
        let begin = cache.descriptors > 0 && !cache.sweeping;
        cache.sweeping |= begin;
        begin
    });
    if sweep {
        rt::spawn(sweep_descriptors());
    }
}

/// Forgets what is under `key`.
pub(super) fn forget(key: &[u8]) {
    CACHE.with(|cache| cache.borrow_mut().forget(key));
}

/// Forgets every file that is held open.
pub(super) fn give_back_descriptors() {
    CACHE.with(|cache| cache.borrow_mut().drop_open(|_| true));
}

async fn sweep_descriptors() {
    loop {
        rt::sleep(CACHED_DESCRIPTOR_IDLE_MS).await;
        let done = CACHE.with(|cache| {
            let mut cache = cache.borrow_mut();
            cache.drop_open(|entry| !std::mem::take(&mut entry.used));
            cache.sweeping = cache.descriptors > 0;
            !cache.sweeping
        });
        if done {
            return;
        }
    }
}

impl Cache {
    fn find(&mut self, key: &[u8]) -> Option<Node> {
        let entry = self.entries.get_mut(*self.places.get(key)?)?;
        entry.used = true;
        Some(entry.node.clone())
    }

    fn keep(&mut self, key: &[u8], node: Node) {
        let (bytes, descriptors) = node.weight();
        self.bytes += bytes;
        self.descriptors += descriptors;
        match self
            .places
            .get(key)
            .and_then(|&at| self.entries.get_mut(at))
        {
            Some(entry) => {
                let (old_bytes, old_descriptors) = entry.node.weight();
                self.bytes -= old_bytes;
                self.descriptors -= old_descriptors;
                entry.node = node;
            }
            None => {
                let key: Rc<[u8]> = key.into();
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push(Entry {
                    key,
                    node,
                    used: false,
                });
            }
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.entries.len() > CACHED_FILES_MAX
            || self.bytes > CACHED_BYTES_MAX
            || self.descriptors > CACHED_DESCRIPTORS_MAX
        {
            // What has nothing of what is short is passed by only where that alone is short.
            let only_descriptors =
                self.entries.len() <= CACHED_FILES_MAX && self.bytes <= CACHED_BYTES_MAX;
            self.hand = if self.hand < self.entries.len() {
                self.hand
            } else {
                0
            };
            let Some(entry) = self.entries.get_mut(self.hand) else {
                return;
            };
            let spared = only_descriptors && entry.node.weight().1 == 0;
            if spared || std::mem::take(&mut entry.used) {
                self.hand += 1;
            } else {
                self.remove(self.hand);
            }
        }
    }

    fn forget(&mut self, key: &[u8]) {
        if let Some(&at) = self.places.get(key) {
            self.remove(at);
        }
    }

    /// The last entry takes the place of the one that goes.
    fn remove(&mut self, at: usize) {
        let gone = self.entries.swap_remove(at);
        self.places.remove(&gone.key);
        if let Some(moved) = self.entries.get(at) {
            self.places.insert(moved.key.clone(), at);
        }
        let (bytes, descriptors) = gone.node.weight();
        self.bytes -= bytes;
        self.descriptors -= descriptors;
    }

    fn drop_open(&mut self, mut goes: impl FnMut(&mut Entry) -> bool) {
        let mut at = 0;
        while let Some(entry) = self.entries.get_mut(at) {
            if entry.node.weight().1 > 0 && goes(entry) {
                self.remove(at);
            } else {
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bytes: usize) -> Node {
        Node::Page(Page {
            html: vec![b'x'; bytes].into(),
            shown: Rc::default(),
            made_at: Millis(0),
        })
    }

    #[test]
    fn the_bounds_hold_and_what_is_asked_for_stays() {
        let mut cache = Cache::default();
        cache.keep(b"hot", page(10));
        for number in 0..3 * CACHED_FILES_MAX {
            assert!(cache.find(b"hot").is_some(), "lost at {number}");
            cache.keep(format!("cold {number}").as_bytes(), page(1));
            assert!(cache.entries.len() <= CACHED_FILES_MAX);
        }
        for number in 0..40 {
            cache.keep(
                format!("large {number}").as_bytes(),
                page(CACHED_BYTES_MAX / 16),
            );
            assert!(cache.bytes <= CACHED_BYTES_MAX);
        }
        let keys: Vec<_> = cache
            .entries
            .iter()
            .map(|entry| entry.key.clone())
            .collect();
        for key in keys {
            cache.forget(&key);
        }
        assert_eq!(
            (cache.bytes, cache.descriptors, cache.places.len()),
            (0, 0, 0)
        );
    }

    #[test]
    fn what_is_kept_again_counts_once() {
        let mut cache = Cache::default();
        cache.keep(b"a", page(10));
        cache.keep(b"a", page(7));
        assert_eq!((cache.bytes, cache.entries.len()), (7, 1));
        assert!(matches!(cache.find(b"a"), Some(Node::Page(page)) if page.html.len() == 7));
        assert!(cache.find(b"b").is_none());
    }
}
