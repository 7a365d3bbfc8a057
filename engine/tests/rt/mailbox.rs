//! Messages between shards arrive in order, none is lost when the mailbox is full, and a sleeping shard wakes for them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::mpsc;

use flatend::rt::{self, Address, Inbox};

use crate::shard;

/// Who sent it, and which of its messages it is.
type Numbered = (usize, u64);

/// More than a mailbox holds, so that the sender has to keep some.
const MESSAGES: u64 = 50_000;

/// Receives until each of `senders` has had its last message; checks each sender's order.
async fn receive_all(inbox: Inbox<Numbered>, senders: usize) {
    let next: Rc<RefCell<HashMap<usize, u64>>> = Rc::default();
    let (seen, changed) = (next.clone(), Rc::new(rt::WaitQueue::default()));
    let wake = changed.clone();
    let serve = async move {
        let deliver = |(from, number)| {
            let mut next = next.borrow_mut();
            let expected = next.entry(from).or_insert(0);
            assert_eq!(number, *expected, "the order of sender {from}");
            *expected += 1;
            wake.wake_all();
        };
        inbox.serve(deliver).await.expect("the bell");
    };
    let complete = changed.until(|| {
        let seen = seen.borrow();
        (seen.len() == senders && seen.values().all(|&n| n == MESSAGES)).then_some(())
    });
    futures_lite::future::or(serve, complete).await;
}

fn pair() -> (Inbox<Numbered>, Address<Numbered>) {
    let mut pairs = rt::mailboxes(1).expect("descriptors");
    pairs.pop().expect("one was asked for")
}

/// A shard that has sent all its messages in one turn and lives until it is released.
struct Sender {
    shard: shard::OnShard<()>,
    release: mpsc::Sender<()>,
}

fn sender(from: usize, to: Address<Numbered>) -> Sender {
    let (release, released) = mpsc::channel();
    let (sent, all_sent) = mpsc::channel();
    let shard = shard::begin(move || async move {
        let outbox = to.outbox();
        for number in 0..MESSAGES {
            outbox.send((from, number));
        }
        sent.send(()).ok();
        rt::run_blocking(move || released.recv().ok())
            .await
            .expect("a thread");
    });
    all_sent.recv().expect("the shard lives");
    Sender { shard, release }
}

impl Sender {
    fn end(self) {
        drop(self.release);
        self.shard.end();
    }
}

#[test]
fn a_burst_beyond_the_mailbox_arrives_in_order_at_a_shard_that_wakes_for_it() {
    let (inbox, address) = pair();
    let receiver = shard::begin(move || receive_all(inbox, 1));
    let sender = sender(0, address);
    receiver.end();
    sender.end();
}

#[test]
fn a_receiver_that_starts_late_gets_everything() {
    let (inbox, address) = pair();
    let sender = sender(0, address.clone());
    // Full: a message of our own comes back.
    assert_eq!(address.post((9, 0)), Err((9, 0)));
    let receiver = shard::begin(move || receive_all(inbox, 1));
    receiver.end();
    sender.end();
}

#[test]
fn two_senders_each_keep_their_order() {
    let (inbox, address) = pair();
    let receiver = shard::begin(move || receive_all(inbox, 2));
    let (first, second) = (sender(0, address.clone()), sender(1, address));
    receiver.end();
    first.end();
    second.end();
}

#[test]
fn two_shards_answer_each_other_a_hundred_thousand_times() {
    // One message in flight: each hop is a sleep and a wake-up.
    const HOPS: u64 = 100_000;
    let mut pairs: Vec<(Inbox<u64>, Address<u64>)> = rt::mailboxes(2).expect("descriptors");
    let (second_inbox, second) = pairs.pop().expect("two");
    let (first_inbox, first) = pairs.pop().expect("two");
    let play = |inbox: Inbox<u64>, to: Address<u64>, serve_first: bool| {
        shard::begin(move || async move {
            let outbox = to.outbox();
            if serve_first {
                outbox.send(0);
            }
            let done = Rc::new(rt::Flag::default());
            let over = done.clone();
            let serve = async move {
                let deliver = |n: u64| {
                    if n < HOPS {
                        outbox.send(n + 1);
                    }
                    if n + 1 >= HOPS {
                        over.set();
                    }
                };
                inbox.serve(deliver).await.expect("the bell");
            };
            let end = async {
                done.wait().await;
                // What was sent in this turn still leaves.
                rt::sleep(1).await;
            };
            futures_lite::future::or(serve, end).await;
        })
    };
    let first_shard = play(first_inbox, second, true);
    let second_shard = play(second_inbox, first, false);
    first_shard.end();
    second_shard.end();
}
