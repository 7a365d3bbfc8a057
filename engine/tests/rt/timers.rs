//! Deadlines fire in order, never early, and a cleared or dropped one not at all.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use flatend::rt::{self, Timer};

use crate::shard;

/// How late a timer may be on a loaded machine; the wheel itself is 16 ms coarse.
const LATE: Duration = Duration::from_secs(2);

#[test]
fn a_sleep_is_never_early_and_an_idle_shard_wakes_for_it() {
    for ms in [0, 1, 15, 16, 17, 100, 250] {
        let took = shard::run(move || async move {
            let begun = Instant::now();
            rt::sleep(ms).await;
            begun.elapsed()
        });
        // The turn's clock counts whole milliseconds.
        let least = Duration::from_millis(ms.saturating_sub(1));
        assert!(
            took >= least && took < least + LATE,
            "{ms} ms took {took:?}"
        );
    }
}

#[test]
fn timers_fire_in_order_of_their_deadlines() {
    let order = shard::run(|| async {
        let order = Rc::new(RefCell::new(Vec::new()));
        let done = Rc::new(rt::WaitQueue::default());
        for ms in [120, 40, 200, 80] {
            let (order, done) = (order.clone(), done.clone());
            rt::spawn(async move {
                rt::sleep(ms).await;
                order.borrow_mut().push(ms);
                done.wake_all();
            });
        }
        done.until(|| (order.borrow().len() == 4).then_some(()))
            .await;
        order.take()
    });
    assert_eq!(order, [40, 80, 120, 200]);
}

#[test]
fn a_timeout_ends_what_takes_too_long_and_lets_the_rest_pass() {
    struct Dropped(Rc<RefCell<bool>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            *self.0.borrow_mut() = true;
        }
    }
    shard::run(|| async {
        assert_eq!(rt::timeout(10_000, async { 7 }).await, Ok(7));
        let dropped = Rc::new(RefCell::new(false));
        let guard = Dropped(dropped.clone());
        let forever = async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        };
        assert_eq!(rt::timeout(30, forever).await, Err(rt::TimedOut));
        assert!(*dropped.borrow(), "the future goes with its time");
    });
}

#[test]
fn a_moved_timer_fires_at_the_later_time_and_a_cleared_one_never() {
    shard::run(|| async {
        let (moved, cleared) = (Timer::new(), Timer::new());
        moved.set_after(30);
        cleared.set_after(30);
        let begun = Instant::now();
        moved.set_after(120);
        cleared.clear();
        std::future::poll_fn(|cx| moved.poll(cx)).await;
        assert!(begun.elapsed() >= Duration::from_millis(119));
        assert!(moved.has_fired() && !moved.is_set());
        assert!(!cleared.has_fired() && !cleared.is_set());
        // To an earlier time, too.
        moved.set_after(60_000);
        moved.set_after(20);
        std::future::poll_fn(|cx| moved.poll(cx)).await;
        assert!(begun.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn ten_thousand_timers_at_once_all_fire() {
    let fired = shard::run(|| async {
        let sleeps = (0..10_000).map(|i| rt::sleep(i % 300)).collect();
        rt::join_all(sleeps).await;
        10_000
    });
    assert_eq!(fired, 10_000);
}
