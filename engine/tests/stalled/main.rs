//! The show of flatend/2's flow control: one link with a thousand readers that read nothing, and ten streams at full speed beside them. What
//! the ten carry is compared with what they carry alone, in rounds that alternate, and the memory of the reading process is measured.
//! The provider is a process of its own: this binary, told so by the environment.
//!
//! `cargo test --release -p flatend --test stalled -- --nocapture` prints the figures; more rounds and bytes:
//! `FLATEND_STALLED_ROUNDS=15 FLATEND_STALLED_MIB=64`.

#[path = "../memory/process.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use flatend::{rt, HandlerError, Node, NodeLimits, Request, Response, Shard};

use process::{alone, resident_bytes};
use support::node::TestNode;
use support::{setting, settled};

const STALLED: usize = 1_000;
const FAST: usize = 10;
const MIB: usize = 1024 * 1024;

/// The receive budget: the first windows of the stalled, and as much again for those of the ten to widen.
const BUDGET: usize = 128 * MIB;

/// Where the provider dials; set for the child alone.
const PROVIDE_TO: &str = "FLATEND_STALLED_PROVIDE_TO";

/// Beside the budget: the streams' own state, the allocator, a turn's reads.
const SLACK_BYTES: usize = 24 * MIB;

/// What the ten may lose here, in the best round: stalled readers that held the link up would leave them nothing. The goal is 10 %, which
/// a quiet machine and long rounds show.
const LOSS_MAX: f64 = 0.5;

/// The child: a service that sends as many bytes as it is asked for.
#[test]
fn provider() {
    let Ok(to) = std::env::var(PROVIDE_TO) else {
        return;
    };
    let flood = Node::builder().service("flood", |mut context| async move {
        let len = context.header("len").and_then(|len| len.parse().ok());
        let len: usize = len.ok_or_else(|| HandlerError::with_status(400, "len is missing"))?;
        let piece = [7; 64 * 1024];
        let mut left = len;
        while left > 0 {
            let bytes = left.min(piece.len());
            context.write(&piece[..bytes]).await?;
            left -= bytes;
        }
        Ok(())
    });
    let node = TestNode::start(flood.bootstrap(to));
    // Until the parent has gone, however it ended.
    std::io::stdin().read_to_end(&mut Vec::new()).ok();
    node.shutdown();
}

fn spawn_provider(to: &str) -> Child {
    let this = std::env::current_exe().expect("this binary");
    Command::new(this)
        .args(["--exact", "provider", "--nocapture"])
        .env(PROVIDE_TO, to)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("a second process")
}

async fn ask(shard: &Rc<Shard>, len: usize) -> Response {
    let request = Request::to("flood").header("len", len.to_string());
    shard.client().call(request).await.expect("a head")
}

/// MB/s of the fast streams together.
async fn race(shard: Rc<Shard>, len: usize) -> f64 {
    let begun = Instant::now();
    let streams = (0..FAST).map(|_| {
        let shard = shard.clone();
        async move {
            let (mut response, mut read) = (ask(&shard, len).await, 0);
            while let Some(piece) = response.read().await.expect("a whole body") {
                read += piece.len();
            }
            assert_eq!(read, len);
        }
    });
    rt::join_all(streams.collect()).await;
    (FAST * len) as f64 / begun.elapsed().as_secs_f64() / 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn a_thousand_stalled_readers_cost_ten_fast_streams_of_their_link_little() {
    let _alone = alone();
    let rounds = setting("FLATEND_STALLED_ROUNDS", 5);
    let len = setting("FLATEND_STALLED_MIB", 32) * MIB;
    let caller = Node::builder().bind("127.0.0.1:0").limits(NodeLimits {
        receive_bytes: Some(BUDGET),
        ..NodeLimits::default()
    });
    let caller = TestNode::start(caller);
    let mut child = spawn_provider(&caller.addr().to_string());
    caller.wait_providers("flood", 1);
    // The first race pays for connecting and for memory that is had once.
    caller.run(0, move |shard| race(shard, len));
    let (rest, mut held_most) = (resident_bytes(), 0);
    let (mut ratios, mut alones, mut besides, mut most) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..rounds {
        let alone = || caller.run(0, move |shard| race(shard, len));
        let mut beside = || {
            let before = resident_bytes();
            let (opened, go) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
            let held = caller.begin(0, move |shard| async move {
                let mut stalled = Vec::new();
                for _ in 0..STALLED {
                    stalled.push(ask(&shard, 10 * MIB).await);
                }
                opened.0.send(()).ok();
                rt::run_blocking(move || go.1.recv().ok())
                    .await
                    .expect("a thread");
                stalled.len()
            });
            opened.1.recv().expect("a thousand heads");
            // Their windows are full when no more memory comes.
            settled(Duration::from_millis(100), || {
                (resident_bytes() / MIB) as u64
            });
            held_most = held_most.max(resident_bytes().saturating_sub(before));
            let speed = caller.run(0, move |shard| race(shard, len));
            most = most.max(resident_bytes());
            go.0.send(()).expect("they wait");
            assert_eq!(held.wait(), STALLED);
            speed
        };
        // Which one comes first alternates too.
        let (alone, beside) = match round % 2 {
            0 => (alone(), beside()),
            _ => {
                let beside = beside();
                (alone(), beside)
            }
        };
        ratios.push(beside / alone);
        alones.push(alone);
        besides.push(beside);
    }
    let ratio = median(ratios.clone());
    let range = |values: &[f64]| {
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = values.iter().copied().fold(0.0, f64::max);
        (least, largest)
    };
    let (least, largest) = range(&ratios);
    println!(
        "{FAST} streams of {} MiB on one link, {rounds} rounds, medians:",
        len / MIB
    );
    println!("alone                        {:.0} MB/s", median(alones));
    println!(
        "beside {STALLED} stalled readers  {:.0} MB/s",
        median(besides)
    );
    println!("ratio                        {ratio:.3} ({least:.3}–{largest:.3})");
    println!(
        "memory for the stalled       {:.1} MiB of a budget of {} MiB",
        held_most as f64 / MIB as f64,
        BUDGET / MIB
    );
    println!(
        "resident at rest, at most    {} MiB, {} MiB",
        rest / MIB,
        most / MIB
    );
    drop(child.stdin.take());
    caller.shutdown();
    assert!(child.wait().expect("the provider").success());
    // Rounds of the same kind differ by a third on a machine that others use.
    assert!(largest > 1.0 - LOSS_MAX, "{largest}");
    assert!(held_most < BUDGET + SLACK_BYTES, "{held_most} bytes");
}
