//! What threads that are no shard wait for on one shard. A shard's end is told by this and not by its tasks: those are dropped
//! some time, or never.

use crate::limits::HANDLE_SWEEP_MIN;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Something that somebody waits for.
pub(super) trait Waited: Send + Sync {
    /// Tells who waits that it will not come.
    fn end(&self);
}

/// All that is open on one shard.
#[derive(Default)]
pub(super) struct Open(Mutex<Table>);

#[derive(Default)]
struct Table {
    ended: bool,
    all: Vec<Weak<dyn Waited>>,
    /// The size at which those that are over are taken out.
    sweep_at: usize,
}

impl Open {
    /// Adds one; ends it at once if the shard has ended.
    pub(super) fn add(&self, waited: Arc<dyn Waited>) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.ended {
            drop(table);
            return waited.end();
        }
        if table.all.len() >= table.sweep_at {
            table.all.retain(|waited| waited.strong_count() > 0);
            table.sweep_at = HANDLE_SWEEP_MIN.max(2 * table.all.len());
        }
        table.all.push(Arc::downgrade(&waited));
    }

    /// The shard has ended.
    pub(super) fn end(&self) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.ended = true;
        let all = std::mem::take(&mut table.all);
        drop(table);
        all.iter()
            .filter_map(Weak::upgrade)
            .for_each(|waited| waited.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Default)]
    struct Counted(AtomicU32);

    impl Waited for Counted {
        fn end(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_is_ended_once_and_what_is_over_takes_no_room() {
        let open = Open::default();
        let kept: Vec<Arc<Counted>> = (0..10).map(|_| Arc::default()).collect();
        for one in &kept {
            open.add(one.clone());
            for _ in 0..1_000 {
                open.add(Arc::<Counted>::default());
            }
        }
        let held = open.0.lock().expect("the table").all.len();
        assert!(held <= HANDLE_SWEEP_MIN, "{held}");
        open.end();
        let late = Arc::<Counted>::default();
        open.add(late.clone());
        open.end();
        for one in kept.iter().chain([&late]) {
            assert_eq!(one.0.load(Ordering::Relaxed), 1);
        }
    }
}
