//! The end of a shard: peers are told first, requests in flight are finished, links closed with FIN. The invariant that a change is
//! likeliest to break: a link stays as long as anything of this node may ask over it, on whatever shard it runs.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Message, Shard};
use crate::mesh::{CloseReason, Link};
use crate::rt;

/// What all shards of a node come to before one of them goes on with its end: their requests go over each other's links.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    /// The tasks of the node's owner have ended.
    Tasks,
    /// And so has whatever else may ask: see [`Work`].
    Work,
}

/// How many shards have not come to each [`Stage`].
pub(crate) struct Stages([AtomicUsize; 2]);

impl Stages {
    pub(crate) fn new(shards: usize) -> Stages {
        Stages([AtomicUsize::new(shards), AtomicUsize::new(shards)])
    }
}

/// A request of a thread that is no shard, served by this one.
pub(crate) struct Work(Rc<Shard>);

impl Work {
    pub(crate) fn begin(shard: &Rc<Shard>) -> Work {
        shard.work.set(shard.work.get() + 1);
        Work(shard.clone())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let left = self.0.work.get() - 1;
        self.0.work.set(left);
        self.0.look_at_work();
    }
}

/// A handler that runs: the shard looks whether that was the last when it ends.
pub(crate) struct HandlerRuns(pub(crate) Rc<Shard>);

impl Drop for HandlerRuns {
    fn drop(&mut self) {
        self.0.look_at_work();
    }
}

impl Shard {
    fn all_links(&self) -> Vec<Rc<Link>> {
        self.links.borrow().values().cloned().collect()
    }

    /// The beginning of the end: peers that can be told send their requests elsewhere from now on. Ours go on over the same links.
    pub(crate) fn say_goodbye(&self) {
        for link in self.all_links() {
            link.goodbye();
        }
    }

    /// Waits, once this shard has come so far, for the others.
    pub(crate) async fn over_everywhere(&self, stage: Stage) {
        let left = &self.shared.stages.0[stage as usize];
        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
            for outbox in &self.outboxes {
                outbox.send(Message::Over(stage));
            }
        }
        self.over[stage as usize].wait().await;
    }

    /// Ends each link with its last stream, once nothing of this node asks over it any more, and waits for that. A legacy peer knows no
    /// goodbye, and goes elsewhere when its link has ended: such a link does not wait for handlers that ask others.
    pub(crate) async fn finish_streams(&self) {
        self.leave_links(|link| !link.is_flatend2());
        self.work_done
            .until(|| self.asks_no_more().then_some(()))
            .await;
        self.over_everywhere(Stage::Work).await;
        self.leave_links(|_| true);
        self.links_closed().await;
    }

    /// Something ended that may have been the last that this node's end waits for.
    pub(crate) fn look_at_work(&self) {
        if self.draining.is_set() {
            self.work_done.wake_all();
        }
    }

    /// Whether nothing of this node asks others any more: no request of a thread, and no handler whose caller still waits. One whose
    /// caller has gone may go on for ever, and nobody would miss it.
    fn asks_no_more(&self) -> bool {
        let serves = |link: &Rc<Link>| link.is_flatend2() && link.conn.borrow().requests_open() > 0;
        self.work.get() == 0 && !self.links.borrow().values().any(serves)
    }

    /// Links that have not shaken hands carry nothing and end at once: a silent connection must not hold the node up.
    fn leave_links(&self, which: impl Fn(&Link) -> bool) {
        for link in self.all_links().iter().filter(|link| which(link)) {
            let idle = {
                let conn = link.conn.borrow();
                conn.peer().is_none() && conn.open_streams() == 0
            };
            if idle {
                link.close(CloseReason::Drained);
            } else {
                link.leave();
            }
        }
    }

    /// Closes every link that is still there.
    pub(crate) fn close_links(&self) {
        for link in self.all_links() {
            link.close(CloseReason::Drained);
        }
    }

    /// Waits until this shard has no link.
    pub(crate) async fn links_closed(&self) {
        self.link_gone
            .until(|| (self.live_links.get() == 0).then_some(()))
            .await;
    }

    /// Runs `work` on a thread of its own and waits for it without holding the shard up.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        rt::run_blocking(work).await
    }
}
