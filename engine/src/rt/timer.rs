//! Coarse deadlines: a hashed wheel a shard with 4 ms slots. Setting a timer later costs a store; the wheel notices when
//! the old slot comes round and files the entry again. Owns entries, never tasks.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use flatend_codec::Millis;

use super::limits::{IDLE_TIMERS_MAX, TIMER_SLOTS, TIMER_TICK_MS};
use super::reactor;

const NEVER: u64 = u64::MAX;
const FIRED: u64 = NEVER - 1;

struct Entry {
    /// When it is due; `NEVER` while unset, `FIRED` after it fired.
    deadline_ms: Cell<u64>,
    /// The tick of the earliest slot that holds it; `NEVER` if none.
    filed_tick: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Entry {
    fn new() -> Rc<Entry> {
        Rc::new(Entry {
            deadline_ms: Cell::new(NEVER),
            filed_tick: Cell::new(NEVER),
            waker: RefCell::new(None),
        })
    }

    fn has_fired(&self) -> bool {
        self.deadline_ms.get() == FIRED
    }
}

thread_local! {
    /// Entries of dropped timers, most of them still filed: a timer made for each call would fill the wheel with them, so
    /// they are used again instead.
    static IDLE: RefCell<Vec<Rc<Entry>>> = const { RefCell::new(Vec::new()) };
}

/// A new wheel knows none of the entries that an old one had.
pub(super) fn forget_idle() {
    IDLE.with(|idle| idle.borrow_mut().clear());
}

/// A deadline that can be moved at the price of a store. Fires at most 4 ms late, never early. Costs a word until it is set or waited
/// for.
#[derive(Default)]
pub struct Timer {
    entry: OnceCell<Rc<Entry>>,
}

impl Timer {
    /// A timer that is not set.
    pub const fn new() -> Timer {
        Timer {
            entry: OnceCell::new(),
        }
    }

    fn entry(&self) -> &Rc<Entry> {
        self.entry.get_or_init(|| {
            let used = IDLE.with(|idle| idle.borrow_mut().pop());
            used.unwrap_or_else(Entry::new)
        })
    }

    /// Due at `at`; replaces what was set before.
    pub fn set(&self, at: Millis) {
        let entry = self.entry();
        // The last moments of time are no deadlines.
        entry.deadline_ms.set(at.0.min(FIRED - 1));
        let tick = tick_of(at.0);
        if tick < entry.filed_tick.get() {
            reactor::with_wheel(|wheel| wheel.file(entry, tick));
        }
    }

    /// Due `after_ms` from this turn's clock.
    pub fn set_after(&self, after_ms: u64) {
        self.set(Millis(reactor::now().0.saturating_add(after_ms)));
    }

    /// Not due any more.
    pub fn clear(&self) {
        if let Some(entry) = self.entry.get() {
            entry.deadline_ms.set(NEVER);
        }
    }

    /// Whether it is set and has not fired.
    pub fn is_set(&self) -> bool {
        let entry = self.entry.get();
        entry.is_some_and(|entry| entry.deadline_ms.get() < FIRED)
    }

    /// Whether it is neither set nor has fired: nobody needs to wait for it, as long as it is set by who would wait.
    pub fn is_idle(&self) -> bool {
        let entry = self.entry.get();
        entry.is_none_or(|entry| entry.deadline_ms.get() == NEVER)
    }

    /// True once it has fired and until it is set or cleared again.
    pub fn has_fired(&self) -> bool {
        self.entry.get().is_some_and(|entry| entry.has_fired())
    }

    /// Whether `at` has passed; if not, who asks is woken then.
    pub fn is_due(&self, at: Millis, cx: &Context<'_>) -> bool {
        if reactor::now() >= at {
            return true;
        }
        self.set(at);
        self.poll(cx).is_ready()
    }

    /// Ready once it has fired.
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let entry = self.entry();
        if entry.has_fired() {
            return Poll::Ready(());
        }
        reactor::park(&entry.waker, cx);
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let Some(entry) = self.entry.take() else {
            return;
        };
        entry.deadline_ms.set(NEVER);
        entry.waker.take();
        // Without the list, as at a thread's end, the entry goes with its slot.
        let _ = IDLE.try_with(|idle| {
            let mut idle = idle.borrow_mut();
            if idle.len() < IDLE_TIMERS_MAX {
                idle.push(entry);
            }
        });
    }
}

/// Waits for `ms` milliseconds.
///
/// # Panics
/// On a thread that is no shard.
pub async fn sleep(ms: u64) {
    let timer = Timer::new();
    timer.set_after(ms);
    std::future::poll_fn(|cx| timer.poll(cx)).await;
}

/// The time given to [`timeout`] was over first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

/// `future`, or [`TimedOut`] after `ms` milliseconds.
///
/// # Errors
/// [`TimedOut`]; `future` is dropped then.
///
/// # Panics
/// On a thread that is no shard.
pub async fn timeout<T>(ms: u64, future: impl Future<Output = T>) -> Result<T, TimedOut> {
    let timer = Timer::new();
    timer.set_after(ms);
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(value) = Pin::as_mut(&mut future).poll(cx) {
            return Poll::Ready(Ok(value));
        }
        timer.poll(cx).map(|()| Err(TimedOut))
    })
    .await
}

/// The tick in which a deadline is over: rounded up, so that nothing fires early.
fn tick_of(ms: u64) -> u64 {
    ms.div_ceil(TIMER_TICK_MS)
}

pub(crate) struct Wheel {
    slots: Vec<Vec<Rc<Entry>>>,
    /// One bit a slot that holds entries.
    occupied: [u64; TIMER_SLOTS / 64],
    /// The last tick that was expired.
    done_tick: u64,
}

impl Wheel {
    pub(crate) fn new() -> Wheel {
        Wheel {
            slots: (0..TIMER_SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; TIMER_SLOTS / 64],
            done_tick: 0,
        }
    }

    fn file(&mut self, entry: &Rc<Entry>, tick: u64) {
        // Past ticks fire at the next; far ones go round.
        let tick = tick.clamp(self.done_tick + 1, self.done_tick + TIMER_SLOTS as u64);
        entry.filed_tick.set(tick);
        let slot = (tick % TIMER_SLOTS as u64) as usize;
        self.slots[slot].push(entry.clone());
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// When the next slot that holds entries comes round; `None` if the wheel is empty.
    pub(crate) fn next_after(&mut self, now: Millis) -> Option<Millis> {
        let first = self.done_tick + 1;
        let mut tick = first;
        while tick < first + TIMER_SLOTS as u64 {
            let slot = (tick % TIMER_SLOTS as u64) as usize;
            let word = self.occupied[slot / 64] >> (slot % 64);
            if word != 0 {
                return Some(Millis(
                    ((tick + u64::from(word.trailing_zeros())) * TIMER_TICK_MS).max(now.0),
                ));
            }
            tick += (64 - slot % 64) as u64;
        }
        None
    }

    /// Takes out what is due at `now` and files again what was moved.
    pub(crate) fn expire(&mut self, now: Millis) -> Vec<Waker> {
        let now_tick = now.0 / TIMER_TICK_MS;
        let mut due = Vec::new();
        // After a long sleep one revolution visits every slot.
        let first = (self.done_tick + 1).max(now_tick.saturating_sub(TIMER_SLOTS as u64 - 1));
        let mut again = Vec::new();
        for tick in first..=now_tick {
            let slot = (tick % TIMER_SLOTS as u64) as usize;
            if self.occupied[slot / 64] & (1 << (slot % 64)) == 0 {
                continue;
            }
            self.occupied[slot / 64] &= !(1 << (slot % 64));
            again.append(&mut self.slots[slot]);
        }
        self.done_tick = self.done_tick.max(now_tick);
        for entry in again {
            let deadline_ms = entry.deadline_ms.get();
            // An entry can be filed twice after it was moved to an earlier time; the later copy finds nothing to do.
            if entry.filed_tick.get() > self.done_tick && entry.filed_tick.get() != NEVER {
                continue;
            }
            entry.filed_tick.set(NEVER);
            if deadline_ms >= FIRED {
                continue;
            }
            if deadline_ms <= now.0 {
                entry.deadline_ms.set(FIRED);
                due.extend(entry.waker.take());
            } else {
                self.file(&entry, tick_of(deadline_ms));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(deadline_ms: u64) -> Rc<Entry> {
        Rc::new(Entry {
            deadline_ms: Cell::new(deadline_ms),
            filed_tick: Cell::new(NEVER),
            waker: RefCell::new(None),
        })
    }

    #[test]
    fn fires_never_early_and_at_most_a_tick_late() {
        for deadline in [1, 3, 4, 5, 100, 1_000, 8_192, 8_200, 40_000, 100_000] {
            let mut wheel = Wheel::new();
            let entry = entry(deadline);
            wheel.file(&entry, tick_of(deadline));
            let mut now = 0;
            while !entry.has_fired() {
                let next = wheel.next_after(Millis(now)).map(|at| at.0);
                now = next.unwrap_or_else(|| panic!("the wheel forgot the deadline {deadline}"));
                wheel.expire(Millis(now));
            }
            assert!(
                now >= deadline && now < deadline + TIMER_TICK_MS,
                "{deadline} fired at {now}"
            );
            assert_eq!(wheel.next_after(Millis(now)), None);
        }
    }

    #[test]
    fn a_moved_deadline_is_filed_again_and_a_cleared_one_is_dropped() {
        let mut wheel = Wheel::new();
        let entry = entry(100);
        wheel.file(&entry, tick_of(100));
        entry.deadline_ms.set(5_000);
        wheel.expire(Millis(200));
        assert!(!entry.has_fired());
        wheel.expire(Millis(5_020));
        assert!(entry.has_fired());
        let cleared = entry;
        cleared.deadline_ms.set(NEVER);
        wheel.file(&cleared, tick_of(6_000));
        wheel.expire(Millis(7_000));
        assert!(!cleared.has_fired());
        assert_eq!(wheel.next_after(Millis(7_000)), None);
    }
}
