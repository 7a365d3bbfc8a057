//! Idle connections of one upstream on one shard, the one that was used last first: what is not needed grows old and closes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use flatend::rt::{park, wake};

use super::exchange::Job;
use crate::limits::IDLE_CONNECTIONS_MAX;

/// An idle connection as the pool sees it: a place where its task looks for the next request.
#[derive(Default)]
pub(super) struct Idle {
    job: RefCell<Option<Job>>,
    task: RefCell<Option<Waker>>,
}

impl Idle {
    /// The request that was put here.
    pub(super) fn take(&self) -> Option<Job> {
        self.job.borrow_mut().take()
    }

    pub(super) fn park(&self, cx: &Context<'_>) {
        park(&self.task, cx);
    }
}

/// The idle connections, and how many connections there are in all.
#[derive(Default)]
pub(super) struct Pool {
    idle: RefCell<Vec<Rc<Idle>>>,
    connections: Cell<usize>,
}

impl Pool {
    /// Hands `job` to an idle connection; gives it back if there is none.
    pub(super) fn hand_over(&self, job: Job) -> Option<Job> {
        let Some(idle) = self.idle.borrow_mut().pop() else {
            return Some(job);
        };
        *idle.job.borrow_mut() = Some(job);
        wake(&idle.task);
        None
    }

    /// Takes a connection in; `None` if there are enough.
    pub(super) fn rest(self: &Rc<Self>) -> Option<Resting> {
        let mut all = self.idle.borrow_mut();
        if all.len() >= IDLE_CONNECTIONS_MAX {
            return None;
        }
        let idle = Rc::new(Idle::default());
        all.push(idle.clone());
        Some(Resting {
            pool: self.clone(),
            idle,
        })
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.get()
    }

    /// Counts a connection while the guard lives.
    pub(super) fn count(self: &Rc<Self>) -> Counted {
        self.connections.set(self.connections.get() + 1);
        Counted(self.clone())
    }
}

/// A connection's place in the pool; it leaves when this is dropped.
pub(super) struct Resting {
    pool: Rc<Pool>,
    pub(super) idle: Rc<Idle>,
}

impl Drop for Resting {
    fn drop(&mut self) {
        let mut all = self.pool.idle.borrow_mut();
        // From the end: the one that was handed a request is not there any more, the oldest closes first.
        if let Some(at) = all.iter().position(|idle| Rc::ptr_eq(idle, &self.idle)) {
            all.remove(at);
        }
    }
}

pub(super) struct Counted(Rc<Pool>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
    }
}
