//! The end of a shard: requests in flight are finished, links closed with FIN.

use std::rc::Rc;

use super::Shard;
use crate::mesh::{CloseReason, Link};
use crate::rt;

impl Shard {
    fn all_links(&self) -> Vec<Rc<Link>> {
        self.links.borrow().values().cloned().collect()
    }

    /// Says goodbye on every link and waits until no stream is open on any. Links that have not shaken hands carry nothing
    /// and end at once: a silent connection must not hold the node up.
    pub(crate) async fn finish_streams(&self) {
        for link in self.all_links() {
            let idle = {
                let conn = link.conn.borrow();
                conn.peer().is_none() && conn.open_streams() == 0
            };
            if idle {
                link.close(CloseReason::Drained);
            } else {
                link.goodbye();
            }
        }
        self.links_closed().await;
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
