//! The order of an iterative lookup: the closest one not asked yet is next, three are asked at once, each is asked until it is
//! done. The lookup ends when nobody is left, so new IDs prolong it: on a legacy mesh everybody has to know everybody.

use std::collections::{BTreeMap, BTreeSet};

use super::{distance, Key};
use crate::limits::LOOKUP_PARALLEL;

/// A lookup of `target` among nodes that are named by `T`: a link, say.
#[derive(Clone, Debug)]
pub struct Lookup<T> {
    target: Key,
    waiting: BTreeSet<(Key, T)>,
    asked: BTreeMap<T, Key>,
}

impl<T: Copy + Ord> Lookup<T> {
    /// A lookup that knows nobody yet.
    pub fn new(target: Key) -> Lookup<T> {
        Lookup {
            target,
            waiting: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }

    /// What is looked for.
    pub fn target(&self) -> &Key {
        &self.target
    }

    /// `node`, which stands at `key`, is to be asked. Nothing happens if it waits or is asked already.
    pub fn add(&mut self, key: &Key, node: T) {
        if !self.asked.contains_key(&node) {
            self.waiting.insert((distance(key, &self.target), node));
        }
    }

    /// Whom to ask now: the closest, as long as fewer than three are asked.
    pub fn ask_next(&mut self) -> Option<T> {
        if self.asked.len() >= LOOKUP_PARALLEL {
            return None;
        }
        let (distance, node) = self.waiting.pop_first()?;
        self.asked.insert(node, distance);
        Some(node)
    }

    /// Whether `node` is being asked.
    pub fn is_asked(&self, node: T) -> bool {
        self.asked.contains_key(&node)
    }

    /// `node` has told what it knows, has failed, or is gone.
    pub fn done(&mut self, node: T) {
        if self.asked.remove(&node).is_none() {
            self.waiting.retain(|(_, waiting)| *waiting != node);
        }
    }

    /// Whether nobody is asked and nobody is left to ask.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_three_are_asked_and_each_end_lets_one_in() {
        let mut lookup = Lookup::new([0; 32]);
        for byte in [9u8, 3, 7, 1, 5] {
            lookup.add(&[byte; 32], byte);
        }
        let first: Vec<u8> = std::iter::from_fn(|| lookup.ask_next()).collect();
        assert_eq!(first, [1, 3, 5]);
        lookup.add(&[2; 32], 2);
        assert_eq!(lookup.ask_next(), None);
        lookup.done(3);
        assert_eq!((lookup.ask_next(), lookup.ask_next()), (Some(2), None));
        lookup.done(9);
        for node in [1, 5, 2] {
            lookup.done(node);
        }
        assert_eq!(lookup.ask_next(), Some(7));
        assert!(!lookup.is_idle());
        lookup.done(7);
        assert!(lookup.is_idle());
    }

    #[test]
    fn who_is_added_twice_is_asked_once_at_a_time() {
        let mut lookup = Lookup::new([0; 32]);
        lookup.add(&[1; 32], 1);
        lookup.add(&[1; 32], 1);
        assert_eq!(lookup.ask_next(), Some(1));
        lookup.add(&[1; 32], 1);
        assert_eq!(lookup.ask_next(), None);
        lookup.done(1);
        lookup.add(&[1; 32], 1);
        assert_eq!(lookup.ask_next(), Some(1), "asked again later");
    }
}
