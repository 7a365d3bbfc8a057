//! A timer for threads that are no shard and have none: one thread of the process, started when it is first needed, rings each
//! alarm at its time. An alarm that is dropped leaves nothing behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// Rings once, at its time.
pub(super) struct Alarm {
    at: (Instant, u64),
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    rung: bool,
    waker: Option<Waker>,
}

#[derive(Default)]
struct Clock {
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

#[derive(Default)]
struct Alarms {
    next: u64,
    all: BTreeMap<(Instant, u64), Arc<Mutex<State>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing between lock and unlock leaves it half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process's clock; `None` if its thread cannot be started.
fn clock() -> Option<&'static Clock> {
    static CLOCK: OnceLock<Option<&'static Clock>> = OnceLock::new();
    *CLOCK.get_or_init(|| {
        // Once a process, and for as long as it lives.
        let clock: &'static Clock = Box::leak(Box::default());
        let thread = std::thread::Builder::new().name("alarms".to_owned());
        thread.spawn(|| clock.run()).is_ok().then_some(clock)
    })
}

impl Clock {
    fn run(&self) {
        let mut alarms = lock(&self.alarms);
        loop {
            let now = Instant::now();
            let next = alarms.all.first_entry();
            let left = match next {
                Some(first) if first.key().0 <= now => {
                    let state = first.remove();
                    drop(alarms);
                    let mut state = lock(&state);
                    state.rung = true;
                    let waker = state.waker.take();
                    drop(state);
                    waker.into_iter().for_each(Waker::wake);
                    alarms = lock(&self.alarms);
                    continue;
                }
                Some(first) => first.key().0 - now,
                None => Duration::from_secs(3600),
            };
            let waited = self.changed.wait_timeout(alarms, left);
            alarms = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Alarm {
    /// Rings in `wait`. `None`: for ever, or nobody can ring it.
    pub(super) fn after(wait: Duration) -> Option<Alarm> {
        let clock = clock()?;
        let at = Instant::now().checked_add(wait)?;
        let state = Arc::new(Mutex::new(State::default()));
        let mut alarms = lock(&clock.alarms);
        let at = (at, alarms.next);
        alarms.next += 1;
        alarms.all.insert(at, state.clone());
        drop(alarms);
        clock.changed.notify_one();
        Some(Alarm { at, state })
    }

    /// Waits until it rings.
    pub(super) async fn rung(&self) {
        std::future::poll_fn(|cx| {
            let mut state = lock(&self.state);
            if state.rung {
                return Poll::Ready(());
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(clock) = clock() {
            lock(&clock.alarms).all.remove(&self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::block_on;

    #[test]
    fn alarms_ring_in_the_order_of_their_times_and_leave_nothing() {
        let begun = Instant::now();
        let late = Alarm::after(Duration::from_millis(60)).expect("a clock");
        let soon = Alarm::after(Duration::from_millis(20)).expect("a clock");
        let never = Alarm::after(Duration::from_secs(3600)).expect("a clock");
        block_on(soon.rung());
        assert!(begun.elapsed() >= Duration::from_millis(20));
        assert!(!lock(&late.state).rung);
        block_on(late.rung());
        let at = never.at;
        drop((late, soon, never));
        assert!(!lock(&clock().expect("a clock").alarms)
            .all
            .contains_key(&at));
        assert!(Alarm::after(Duration::MAX).is_none(), "for ever");
    }
}
