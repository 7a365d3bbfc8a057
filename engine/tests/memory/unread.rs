//! Whole bodies for readers that do not read, and peers that take nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use flatend::limits::LINK_UNREAD_BYTES_MAX;
use flatend::Node;

use crate::process::{alone, resident_bytes};
use crate::support::body;
use crate::support::node::TestNode;
use crate::support::raw::{self, Raw};
use crate::support::{settled, wait_until};

/// What the allocator, the sockets and the tests themselves may take beside what is limited.
const SLACK_BYTES: usize = 32 * 1024 * 1024;

#[test]
fn whole_bodies_that_no_handler_reads_are_bounded() {
    const BODY_BYTES: usize = 400_000;
    const BODIES: usize = 400;
    let _alone = alone();
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let node = TestNode::start(Node::builder().bind("127.0.0.1:0").service(
        "later",
        move |mut context| {
            let gate = gate.clone();
            async move {
                while !gate.load(Ordering::SeqCst) {
                    flatend::rt::sleep(5).await;
                }
                let mut check = body::Checker::default();
                while let Some(bytes) = context.read().await? {
                    check.take(&bytes);
                }
                context.send(check.len.to_string()).await
            }
        },
    ));
    let mut raw = Raw::joined(node.addr(), &[]);
    // Anybody who asks for nodes is taken for a Node peer, whose bodies need not end before it reads.
    raw.send(3, &[&[4][..], &[0; 32]].concat());
    let answer = raw.receive().expect("an answer");
    assert_eq!(answer[..4], 3u32.to_be_bytes());
    let before = resident_bytes();
    let mut writer = raw.stream.try_clone().expect("a second handle");
    let piece = body::bytes(0, BODY_BYTES);
    let (sent, progress) = std::sync::mpsc::channel();
    let write = std::thread::spawn(move || {
        for n in 0..BODIES as u32 {
            let mut frames = raw.frame(0, &raw::service_request(2 * n, "later"));
            for data in piece.chunks(50_000) {
                frames.extend(raw.frame(0, &raw::data(2 * n, data)));
            }
            frames.extend(raw.frame(0, &raw::data(2 * n, b"")));
            std::io::Write::write_all(&mut writer, &frames).expect("the node takes it in the end");
            sent.send(()).ok();
        }
        raw
    });
    let mut taken = 0;
    settled(Duration::from_millis(700), || {
        taken += progress.try_iter().count() as u64;
        taken
    });
    let grown = resident_bytes().saturating_sub(before);
    let limit = LINK_UNREAD_BYTES_MAX + SLACK_BYTES;
    assert!(
        grown < limit,
        "{grown} bytes are held for {taken} bodies; {limit} are allowed"
    );
    assert!(
        taken < BODIES as u64,
        "the link takes everything although nobody reads"
    );
    // Nothing of it is lost: every handler gets its whole body.
    open.store(true, Ordering::SeqCst);
    let mut raw = write.join().expect("the writer");
    let mut whole = 0;
    while whole < BODIES {
        let packet = raw.receive().expect("a response");
        if packet[4] == 3 && packet[9..11] != [0, 0] {
            assert_eq!(packet[11..], *BODY_BYTES.to_string().as_bytes());
            whole += 1;
        }
    }
    drop(raw);
    node.shutdown();
}

#[test]
fn twenty_peers_that_take_nothing_cost_what_is_queued_for_them() {
    let _alone = alone();
    let node = TestNode::start(Node::builder().bind("127.0.0.1:0").service(
        "endless",
        |mut context| async move {
            loop {
                context.write(&[7; 100_000]).await?;
            }
        },
    ));
    let before = resident_bytes();
    let peers: Vec<Raw> = (0..20)
        .map(|_| {
            let mut raw = Raw::joined(node.addr(), &[]);
            for n in 0..20 {
                raw.send(0, &raw::service_request(2 * n, "endless"));
                raw.send(0, &raw::data(2 * n, b""));
            }
            raw
        })
        .collect();
    let shard_turns = || node.run(0, |_shard| async { flatend::rt::stats().polls });
    // The shard is quiet when every link is full: only the questions themselves are polls.
    let mut last = shard_turns();
    wait_until("the links are full", || {
        std::thread::sleep(Duration::from_millis(50));
        let polls = shard_turns();
        let quiet = polls - last < 20;
        last = polls;
        quiet
    });
    let grown = resident_bytes().saturating_sub(before);
    assert!(
        grown < 20 * 1024 * 1024 + SLACK_BYTES,
        "{grown} bytes for 20 peers"
    );
    drop(peers);
    wait_until("the links are gone", || {
        node.run(0, |shard| async move { shard.link_count() == 0 })
    });
    node.shutdown();
}
