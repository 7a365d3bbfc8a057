//! A shard for the tests of this folder.

use std::future::Future;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use flatend::{Node, Shard};

/// Runs `test` on a shard of its own.
pub(super) fn on_shard<F: Future<Output = ()> + 'static>(test: fn(Rc<Shard>) -> F) {
    let (done, ended) = mpsc::channel();
    let node = Node::builder()
        .shards(1)
        .pin(false)
        .on_event(|_| {})
        .on_each_shard(move |shard| {
            let done = done.clone();
            async move {
                test(shard).await;
                done.send(()).ok();
            }
        })
        .start()
        .unwrap();
    // A test that panics drops its sender with its task.
    ended
        .recv_timeout(Duration::from_secs(30))
        .expect("the test ends well");
    node.shutdown().unwrap();
}
