//! A node under test, and a way to run test code on its shards: jobs go in through a mailbox, results come back by a channel.

use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use flatend::rt::{self, Address, Inbox};
use flatend::{Node, NodeBuilder, NodeEvent, Shard};

use super::{wait_for, wait_until, DEADLINE};

type Job = Box<dyn FnOnce(Rc<Shard>) + Send>;

/// A running node with its log.
pub(crate) struct TestNode {
    node: Option<Node>,
    jobs: Vec<Address<Job>>,
    events: Arc<Mutex<Vec<NodeEvent>>>,
}

/// Test code that runs on a shard.
pub(crate) struct Running<T>(Receiver<T>);

impl<T> Running<T> {
    /// Its result.
    ///
    /// # Panics
    /// When it panicked or does not end.
    pub(crate) fn wait(self) -> T {
        match self.0.recv_timeout(DEADLINE * 2) {
            Ok(value) => value,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("a job on a shard does not end"),
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("a job on a shard panicked"),
        }
    }
}

impl<T> Running<T> {
    /// Its result, if it is there.
    ///
    /// # Panics
    /// When it panicked.
    pub(crate) fn try_wait(&self) -> Option<T> {
        match self.0.try_recv() {
            Ok(value) => Some(value),
            Err(mpsc::TryRecvError::Empty) => None,
            Err(mpsc::TryRecvError::Disconnected) => panic!("a job on a shard panicked"),
        }
    }
}

impl TestNode {
    /// Starts a node with one shard.
    pub(crate) fn start(builder: NodeBuilder) -> TestNode {
        TestNode::with_shards(1, builder)
    }

    /// Starts a node.
    pub(crate) fn with_shards(shards: usize, builder: NodeBuilder) -> TestNode {
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = events.clone();
        let builder = builder.on_event(move |event| log.lock().expect("the log").push(event));
        TestNode::with_log(shards, builder, events)
    }

    /// Starts a node with one shard whose log is kept by nobody: it would be memory of its own.
    pub(crate) fn quiet(builder: NodeBuilder) -> TestNode {
        TestNode::with_log(1, builder.on_event(drop), Arc::default())
    }

    fn with_log(
        shards: usize,
        builder: NodeBuilder,
        events: Arc<Mutex<Vec<NodeEvent>>>,
    ) -> TestNode {
        let (inboxes, jobs): (Vec<Inbox<Job>>, Vec<Address<Job>>) = rt::mailboxes(shards)
            .expect("descriptors")
            .into_iter()
            .unzip();
        let inboxes: Arc<Mutex<Vec<Option<Inbox<Job>>>>> =
            Arc::new(Mutex::new(inboxes.into_iter().map(Some).collect()));
        let node = builder
            .shards(shards)
            .pin(false)
            .on_each_shard(move |shard| {
                let inbox = inboxes.lock().expect("inboxes")[shard.index()].take();
                async move {
                    let inbox = inbox.expect("one inbox a shard");
                    let draining = shard.clone();
                    let serve = async move {
                        inbox
                            .serve(|job| job(shard.clone()))
                            .await
                            .expect("the mailbox");
                    };
                    futures_lite::future::or(serve, async move {
                        draining.draining().wait().await;
                    })
                    .await;
                }
            })
            .start()
            .expect("the node starts");
        TestNode {
            node: Some(node),
            jobs,
            events,
        }
    }

    /// The node itself.
    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().expect("it was not shut down")
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.node().addrs()[0]
    }

    /// Begins test code on a shard.
    pub(crate) fn begin<T, F, Fut>(&self, shard: usize, code: F) -> Running<T>
    where
        T: Send + 'static,
        F: FnOnce(Rc<Shard>) -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let (done, result) = mpsc::channel();
        let job: Job = Box::new(move |shard| {
            rt::spawn(async move {
                // Nobody waits any more when the test has failed already.
                done.send(code(shard).await).ok();
            });
        });
        if self.jobs[shard].post(job).is_err() {
            panic!("the shard's mailbox is full");
        }
        Running(result)
    }

    /// Runs test code on a shard and gives its result.
    pub(crate) fn run<T, F, Fut>(&self, shard: usize, code: F) -> T
    where
        T: Send + 'static,
        F: FnOnce(Rc<Shard>) -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        self.begin(shard, code).wait()
    }

    /// Waits until `count` providers of a service are known.
    pub(crate) fn wait_providers(&self, service: &str, count: usize) {
        wait_until(&format!("{count} providers of {service}"), || {
            self.node().snapshot().providers([service]).len() == count
        });
    }

    /// The log so far.
    pub(crate) fn events(&self) -> Vec<NodeEvent> {
        self.events.lock().expect("the log").clone()
    }

    /// The first entry of the log that `find` gives something for.
    pub(crate) fn wait_event<T>(&self, what: &str, find: impl Fn(&NodeEvent) -> Option<T>) -> T {
        wait_for(what, || {
            self.events.lock().expect("the log").iter().find_map(&find)
        })
    }

    /// What the log says about faults of the peer that dialed from `from`.
    pub(crate) fn faults_of(&self, from: SocketAddr) -> Vec<String> {
        let events = self.events.lock().expect("the log");
        let faults = events.iter().filter_map(|event| match event {
            NodeEvent::PeerFault {
                from: Some(at),
                what,
            } if *at == from => Some(what.clone()),
            _ => None,
        });
        faults.collect()
    }

    /// Drains it and waits for its end.
    pub(crate) fn shutdown(mut self) {
        let node = self.node.take().expect("it was not shut down");
        node.shutdown().expect("every shard ends well");
    }
}
