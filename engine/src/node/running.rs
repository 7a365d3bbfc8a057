//! A running node as its owner sees it: `Send`, usable from any thread.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bytes::Bytes;

use super::builder::NodeBuilder;
use super::state::NodeState;
use super::watch::Watch;
use crate::client::{Doors, Handle, HandleResponse, Request};
use crate::control::Registry;
use crate::error::CallError;
use crate::mesh::News;
use crate::routing::Snapshot;
use crate::rt::{self, Address, ShardThread};
use crate::shard::{Message, Shared};
use crate::trust::Trust;

/// A running node. Dropping it shuts it down and waits: up to 10 s for the requests in flight ([`NodeLimits::drain`](crate::NodeLimits::drain)),
/// after it up to 6 s for links whose peers still take something to close, and for
/// as long as a task of [`on_each_shard`](NodeBuilder::on_each_shard) takes. Dropped on a shard, in a handler say, it drains and nobody
/// waits.
pub struct Node {
    pub(super) addrs: Vec<SocketAddr>,
    pub(super) public_key: Option<[u8; 32]>,
    pub(super) shared: Arc<Shared>,
    /// Held while services are offered or withdrawn.
    pub(super) changing: Mutex<()>,
    pub(super) registry: Arc<Registry>,
    pub(super) mailboxes: Vec<Address<Message>>,
    pub(super) shards: Vec<ShardThread>,
    pub(super) control: Option<JoinHandle<()>>,
    pub(super) doors: Arc<Doors>,
}

impl Node {
    /// Describes a node.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::default()
    }

    /// Where the node listens for peers.
    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// The node's Ed25519 public key, if it has an identity.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        self.public_key
    }

    /// Who is connected and what they offer, now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.registry.snapshot()
    }

    /// The node for other threads: calls and closures, from tokio or plain threads. It may outlive the node.
    pub fn handle(&self) -> Handle {
        Handle::new(self.doors.clone())
    }

    /// Calls the first of `names` that somebody offers; the short form of [`Handle::call`].
    ///
    /// # Errors
    /// As [`Handle::call`].
    pub fn call<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
        headers: impl IntoIterator<Item = (N, V)>,
        body: impl Into<Bytes>,
    ) -> impl Future<Output = Result<HandleResponse, CallError>> + Send + 'static {
        let request = Request::to_any(names).headers(headers).body(body);
        self.handle().call(request)
    }

    /// What the node knows of its mesh now: links, peers, services.
    ///
    /// ```no_run
    /// # let node = flatend::Node::builder().start()?;
    /// let state = node.state();
    /// for peer in state.peers() {
    ///     println!("{} offers {:?} over {} link(s)", peer.name, peer.services, peer.links);
    /// }
    /// # Ok::<(), flatend::StartError>(())
    /// ```
    pub fn state(&self) -> NodeState {
        self.shared.state()
    }

    /// A way to wait for a change of the state: blocking with a timeout, or as a future of whatever runtime. It may outlive the
    /// node, and then says so.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # let node = flatend::Node::builder().bootstrap("127.0.0.1:9000").start()?;
    /// let mut watch = node.watch();
    /// watch.wait_until(Duration::from_secs(5), |state| !state.providers("clock").is_empty())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn watch(&self) -> Watch {
        Watch::new(self.shared.clone())
    }

    /// Changes who may connect, call and offer what, live: links of peers that may not stay are ended, and what others offer is
    /// looked at again. Keys that were taken out of the file of [`NodeBuilder::known_keys_file`] are forgotten.
    ///
    /// # Errors
    /// That file cannot be read; the rest is done all the same.
    pub fn set_trust(&self, trust: Trust) -> std::io::Result<()> {
        let reloaded = self.shared.known.reload();
        self.shared.trust.store(Arc::new(trust));
        self.post_all(|| Message::Trust);
        reloaded
    }

    /// Asks every shard to drain: no new connections, nothing new from a [`Handle`], what runs is finished, links are closed.
    pub fn drain(&self) {
        self.doors.close();
        self.registry.tell(News::Drain);
        self.post_all(|| Message::Drain);
    }

    /// Drains and waits until all shards have ended.
    ///
    /// # Errors
    /// A sentence, when a shard ended badly, or when this is a shard, which waits for no other: the node drains then, and ends
    /// by itself.
    pub fn shutdown(mut self) -> Result<(), String> {
        self.end()
    }

    pub(super) fn post_all(&self, message: impl Fn() -> Message) {
        for mailbox in &self.mailboxes {
            let mut pending = message();
            // A full mailbox empties within a turn of its shard.
            while let Err(back) = mailbox.post(pending) {
                pending = back;
                std::thread::yield_now();
            }
        }
    }

    pub(super) fn end(&mut self) -> Result<(), String> {
        let shards = std::mem::take(&mut self.shards);
        let control = self.control.take();
        if shards.is_empty() && control.is_none() {
            return Ok(());
        }
        self.drain();
        let registry = self.registry.clone();
        let wait = move || end_of(shards, &registry, control);
        if !rt::is_installed() {
            return wait();
        }
        // A shard must not wait for shards, itself among them: the node drains, and a thread waits for its end.
        let waiting = std::thread::Builder::new()
            .name("end of a node".to_owned())
            .spawn(move || {
                if let Err(err) = wait() {
                    eprintln!("{err}");
                }
            });
        match waiting {
            Ok(_) => Err(
                "a node was dropped or shut down on a shard: it drains, and nobody waits for it here"
                    .to_owned(),
            ),
            Err(err) => Err(format!("cannot wait for the end of a node: {err}")),
        }
    }
}

/// Waits for all shards and the control thread.
fn end_of(
    shards: Vec<ShardThread>,
    registry: &Registry,
    control: Option<JoinHandle<()>>,
) -> Result<(), String> {
    let results: Vec<Result<(), String>> = shards.into_iter().map(ShardThread::join).collect();
    registry.close();
    registry.watchers.end();
    if let Some(control) = control {
        control
            .join()
            .map_err(|_| "the control thread panicked".to_owned())?;
    }
    results.into_iter().collect()
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(err) = self.end() {
            eprintln!("{err}");
        }
    }
}
