//! The thread that says when calls of an open loop are meant to begin: a shard's own timers are 4 ms coarse.
//!
//! It sleeps between two times and spins never; it runs on the client's core and is in the client's CPU time.

use std::num::NonZeroU64;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flatend::rt::Address;

use super::tasks::Order;
use crate::client::Schedule;
use crate::limits::{POLL_MS, TIMER_SLACK_NS};

/// Starts it: `per_s` a second, in turn to each of `shards`, until `end_ns` after `begin`. It gives the times that it could not
/// tell anybody within `grace`.
pub(super) fn start(
    per_s: f64,
    begin: Instant,
    end_ns: u64,
    grace: Duration,
    shards: Vec<Address<Order>>,
) -> JoinHandle<Vec<u64>> {
    thread::spawn(move || {
        // As in the client for HTTP: without it times are a little worse.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS)).ok();
        let mut schedule = Schedule::new(per_s, end_ns);
        let mut turn = shards.iter().cycle();
        let last = Duration::from_nanos(end_ns).saturating_add(grace);
        let mut untold = Vec::new();
        while let Some(next_ns) = schedule.upcoming_ns() {
            let now = begin.elapsed();
            let next = Duration::from_nanos(next_ns);
            if next > now {
                thread::sleep(next - now);
                continue;
            }
            schedule.take_due(next_ns);
            if let Some(shard) = turn.next() {
                if !tell(shard, next_ns, begin, last) {
                    untold.push(next_ns);
                }
            }
        }
        untold
    })
}

/// Posts one; a full mailbox is waited for, since the time that was meant counts all the same.
fn tell(shard: &Address<Order>, intended_ns: u64, begin: Instant, last: Duration) -> bool {
    let mut order = Order::Due(intended_ns);
    while let Err(back) = shard.post(order) {
        if begin.elapsed() >= last {
            return false;
        }
        thread::sleep(Duration::from_millis(POLL_MS));
        order = back;
    }
    true
}
