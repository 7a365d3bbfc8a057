//! What a node is told at its start: its key, its addresses, its limits, and mistakes.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use flatend::keys::KeyError;
use flatend::{
    CallError, Fault, Node, NodeBuilder, NodeEvent, NodeLimits, Reconnect, Shard, StartError,
};

use crate::support::calls::{exchange, request, Failure};
use crate::support::node::TestNode;
use crate::support::peer::Peer;
use crate::support::raw::{connect, until_fin};
use crate::support::wait_until;

/// A file of this test that is not there yet, removed with the value.
struct KeyFile(PathBuf);

impl KeyFile {
    fn new(name: &str) -> KeyFile {
        let name = format!("flatend-{name}-{}.key", std::process::id());
        KeyFile(std::env::temp_dir().join(name))
    }

    fn mode(&self) -> u32 {
        let file = std::fs::metadata(&self.0).expect("the file");
        file.permissions().mode() & 0o7777
    }

    fn set_mode(&self, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&self.0, mode).expect("it is ours");
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        // A test that failed may not have made it.
        std::fs::remove_file(&self.0).ok();
    }
}

fn refused(node: NodeBuilder) -> StartError {
    let started = node.shards(1).pin(false).on_event(|_| {}).start();
    started.err().expect("it does not start")
}

fn key_error(node: NodeBuilder) -> KeyError {
    match refused(node) {
        StartError::SecretKey { error, .. } => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_key_file_is_made_once_and_gives_the_same_identity_again() {
    let file = KeyFile::new("made");
    let node = || Node::builder().bind("127.0.0.1:0").secret_key_file(&file.0);
    let (first, second) = (TestNode::start(node()), TestNode::start(node()));
    assert_eq!(file.mode(), 0o600);
    let key = first.node().public_key().expect("it has an identity");
    assert_eq!(second.node().public_key(), Some(key));
    let digits = std::fs::read_to_string(&file.0).expect("the file");
    assert_eq!(digits.trim_end()[64..], flatend::hex::encode(&key));
    let made = NodeEvent::KeyMade {
        path: file.0.clone(),
    };
    assert!(first.events().contains(&made));
    assert!(!second.events().contains(&made));
}

#[test]
fn a_key_file_that_others_may_read_or_that_is_damaged_stops_the_start() {
    let file = KeyFile::new("bad");
    let node = || Node::builder().bind("127.0.0.1:0").secret_key_file(&file.0);
    drop(TestNode::start(node()));
    file.set_mode(0o604);
    let error = refused(node());
    let shown = format!(
        "the secret key '{}', which others may read or write (mode 0604): run `chmod 600` on it",
        file.0.display()
    );
    assert_eq!(error.to_string(), shown);
    file.set_mode(0o600);
    std::fs::write(&file.0, "damaged").expect("it is ours");
    assert!(matches!(key_error(node()), KeyError::Digits(_)));
    let nowhere = Node::builder()
        .bind("127.0.0.1:0")
        .secret_key_file("/does/not/exist.key");
    assert!(matches!(key_error(nowhere), KeyError::Io(_)));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let node = Node::builder()
        .bind("9000")
        .bootstrap("gateway")
        .limits(NodeLimits {
            links: 0,
            ..NodeLimits::default()
        });
    let sentences = refused(node).to_string();
    assert_eq!(
        sentences.lines().collect::<Vec<_>>(),
        [
            "cannot listen on '9000': a port is missing; write HOST:PORT, as in 127.0.0.1:9000",
            "cannot dial 'gateway': a port is missing; write HOST:PORT, as in 127.0.0.1:9000",
            "the limit links is 0: at least 1 are needed",
        ]
    );
}

#[test]
fn a_node_listens_on_all_of_its_addresses() {
    let node = Node::builder().bind("127.0.0.1:0").bind("127.0.0.2:0");
    let node = TestNode::start(node);
    let addrs = node.node().addrs().to_vec();
    assert_eq!(addrs.len(), 2);
    for (i, addr) in addrs.into_iter().enumerate() {
        let offered = format!("from-{i}");
        let _peer = Peer::dial(addr, Some(7 + i as u8), &[&offered]);
        node.wait_providers(&offered, 1);
    }
}

#[test]
fn after_a_start_that_failed_the_next_has_the_address_and_nothing_was_said_of_listening() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = free.local_addr().expect("an address").to_string();
    drop(free);
    let events = Arc::new(std::sync::Mutex::new(Vec::new()));
    let node = |fails: bool| {
        let log = events.clone();
        Node::builder()
            .bind(addr.clone())
            .shards(2)
            .pin(false)
            .on_event(move |event| log.lock().expect("the log").push(event))
            .try_service_per_shard("db", move |shard| match shard.index() {
                1 if fails => Err("no database".to_owned()),
                _ => Ok(|context: flatend::Context| async move { context.send("").await }),
            })
            .start()
    };
    for _ in 0..20 {
        let error = node(true).err().expect("shard 1 has no database");
        assert!(error.to_string().contains("no database"), "{error}");
    }
    assert_eq!(*events.lock().expect("the log"), []);
    let node = node(false).expect("the address is free again");
    let listening = NodeEvent::Listening(node.addrs()[0]);
    assert_eq!(*events.lock().expect("the log"), [listening]);
    node.shutdown().expect("every shard ends well");
}

/// Its handlers of `silent` tell when they begin, and never end.
fn limited(limits: NodeLimits, begun: Arc<AtomicUsize>) -> NodeBuilder {
    Node::builder()
        .bind("127.0.0.1:0")
        .limits(limits)
        .service("silent", move |_context| {
            begun.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        })
}

#[test]
fn the_last_link_that_a_limit_allows_lives_and_the_next_is_closed() {
    let limits = NodeLimits {
        links: 2,
        ..NodeLimits::default()
    };
    let node = TestNode::start(limited(limits, Arc::default()));
    let _two = [1, 2].map(|seed| Peer::dial(node.addr(), Some(seed), &[]));
    until_fin(&mut connect(node.addr()));
    node.wait_event("why", |event| {
        let text = event.to_string();
        text.contains("has its 2 links").then_some(())
    });
}

#[test]
fn the_last_request_that_a_limit_allows_is_taken_and_the_next_is_refused() {
    let limits = NodeLimits {
        handler_streams: 2,
        drain: Duration::ZERO,
        ..NodeLimits::default()
    };
    let begun = Arc::new(AtomicUsize::new(0));
    let provider = TestNode::start(limited(limits, begun.clone()));
    let to = provider.addr().to_string();
    let caller = TestNode::start(Node::builder().bind("127.0.0.1:0").bootstrap(to));
    caller.wait_providers("silent", 1);
    let ask = |shard: Rc<Shard>| async move {
        let request = request(&shard, "silent");
        exchange(&shard, request, &[]).await
    };
    let hanging = [(); 2].map(|()| caller.begin(0, ask));
    wait_until("two handlers run", || begun.load(Ordering::SeqCst) == 2);
    // A peer on flatend/2 knows the limit, and does not ask in vain.
    assert_eq!(caller.run(0, ask), Err(Failure::Call(CallError::Saturated)));
    assert_eq!(begun.load(Ordering::SeqCst), 2);
    provider.shutdown();
    for call in hanging {
        let lost = CallError::Broken(Fault::LinkLost { left: true });
        assert_eq!(call.wait(), Err(Failure::Call(lost)));
    }
}

#[test]
fn an_address_is_dialed_as_often_as_is_said_and_then_given_up() {
    // A port that was free a moment ago, and on which nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = free.local_addr().expect("an address").to_string();
    drop(free);
    let node = Node::builder().bootstrap(target.clone());
    let node = TestNode::start(node.reconnect(Reconnect {
        attempts: Some(3),
        first: Duration::from_millis(10),
        factor: 1.0,
        ..Reconnect::default()
    }));
    let given_up = NodeEvent::GaveUp {
        target,
        attempts: 3,
    };
    node.wait_event("that it gives up", |event| {
        (*event == given_up).then_some(())
    });
    let events = node.events();
    let pauses = events.iter().filter_map(|event| match event {
        NodeEvent::Redialing { pause_ms, .. } => Some(*pause_ms),
        _ => None,
    });
    let pauses: Vec<u64> = pauses.collect();
    assert!(matches!(pauses[..], [10, 10..=12, 10..=12]), "{pauses:?}");
}
