//! The connections of one upstream on one shard. Of the idle ones that was used last goes first: what is not needed grows old and
//! closes. Of the others the pool knows which has been silent the longest, for when there are too many.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};

use flatend::rt::{park, wake};

use super::exchange::{Exchange, Job};
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

/// What a connection carries at the moment.
type Busy = RefCell<Option<Rc<Exchange>>>;

/// The idle connections, and all that there are.
#[derive(Default)]
pub(super) struct Pool {
    idle: RefCell<Vec<Rc<Idle>>>,
    all: RefCell<Vec<Rc<Busy>>>,
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
        self.all.borrow().len()
    }

    /// Counts a connection while the guard lives.
    pub(super) fn count(self: &Rc<Self>) -> Counted {
        let busy = Rc::new(Busy::default());
        self.all.borrow_mut().push(busy.clone());
        Counted {
            pool: self.clone(),
            busy,
        }
    }

    /// Ends the request on which nothing has moved for longest, if that is `least_ms` or more; gives how long it was.
    pub(super) fn oust_silent(&self, least_ms: u64) -> Option<u64> {
        let all = self.all.borrow();
        let silent = |busy: &Rc<Busy>| {
            let exchange = busy.borrow().clone()?;
            Some((exchange.silent_ms()?, exchange))
        };
        let longest = all.iter().filter_map(silent).max_by_key(|(ms, _)| *ms);
        let (ms, exchange) = longest.filter(|(ms, _)| *ms >= least_ms)?;
        exchange.oust();
        Some(ms)
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

/// A connection's place among all.
pub(super) struct Counted {
    pool: Rc<Pool>,
    busy: Rc<Busy>,
}

impl Counted {
    /// What the connection carries from now on.
    pub(super) fn carries(&self, exchange: Option<&Rc<Exchange>>) {
        *self.busy.borrow_mut() = exchange.cloned();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.pool.all.borrow_mut();
        if let Some(at) = all.iter().position(|busy| Rc::ptr_eq(busy, &self.busy)) {
            all.swap_remove(at);
        }
    }
}
