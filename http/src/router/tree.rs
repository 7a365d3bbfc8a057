//! The paths of one method on one host.
//!
//! Owns the two matchit trees (as written, and in lower case for redirects) and how conflicts are
//! found. Refuses two routes that take the same path. Invariant: precedence among methods is
//! settled when a tree is built, so that a lookup is one walk in which literal segments win.

use std::collections::HashMap;

use super::pattern::Pattern;
use super::RouteError;

/// Values are indices of routes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    exact: matchit::Router<usize>,
    folded: matchit::Router<usize>,
}

/// What matched, in the order of the pattern's parameters.
pub(super) type Matched<'t, 'p> = matchit::Match<'t, 'p, &'t usize>;

impl Tree {
    /// Builds from groups of routes; where two routes take exactly the same paths, the one of the
    /// earlier group wins, and two of one group are a conflict.
    pub(super) fn build(
        groups: &[Vec<usize>],
        patterns: &[Pattern],
        errors: &mut Vec<RouteError>,
    ) -> Tree {
        let mut tree = Tree::default();
        let mut shapes: HashMap<String, usize> = HashMap::new();
        let mut kept: Vec<usize> = Vec::new();
        let at = |index: usize| patterns.get(index);
        for group in groups {
            let earlier = kept.len();
            for &index in group {
                let Some(pattern) = at(index) else { continue };
                let shape = pattern.shape(false);
                if shapes
                    .get(&shape)
                    .is_some_and(|other| kept[..earlier].contains(other))
                {
                    continue;
                }
                if tree.exact.insert(shape.clone(), index).is_err() {
                    let other = kept
                        .iter()
                        .copied()
                        .find(|&other| conflict(at(other), pattern));
                    errors.push(RouteError::conflict(index, other, patterns));
                    continue;
                }
                shapes.insert(shape, index);
                kept.push(index);
                // A path that only differs in case from another route's is not a conflict.
                let _ = tree.folded.insert(pattern.shape(true), index);
            }
        }
        // A route that names the bare slash of a catch-all goes before it.
        for &index in &kept {
            let Some(pattern) = at(index) else { continue };
            let Some(bare) = pattern.shape_without_rest(false) else {
                continue;
            };
            if !shapes.contains_key(&bare) && tree.exact.insert(bare, index).is_err() {
                errors.push(RouteError::conflict(index, None, patterns));
            }
            if let Some(bare) = pattern.shape_without_rest(true) {
                let _ = tree.folded.insert(bare, index);
            }
        }
        tree
    }

    pub(super) fn at<'t, 'p>(&'t self, path: &'p str) -> Option<Matched<'t, 'p>> {
        self.exact.at(path).ok()
    }

    pub(super) fn takes(&self, path: &str) -> bool {
        self.exact.at(path).is_ok()
    }

    /// Matches a path in lower case.
    pub(super) fn at_folded<'t, 'p>(&'t self, path: &'p str) -> Option<Matched<'t, 'p>> {
        self.folded.at(path).ok()
    }
}

/// Whether matchit refuses the two side by side.
fn conflict(one: Option<&Pattern>, other: &Pattern) -> bool {
    let Some(one) = one else { return false };
    let mut pair = matchit::Router::new();
    pair.insert(one.shape(false), ()).is_ok() && pair.insert(other.shape(false), ()).is_err()
}
