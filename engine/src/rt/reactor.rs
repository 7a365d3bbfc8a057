//! The shard's readiness set and its pump. Owns the epoll descriptor, the slot of every registered descriptor, the
//! turn's clock and the hooks that run at a turn's end. Refuses to do I/O itself.
//!
//! Life of a turn: `epoll_wait` returns → ready flags are set and wakers woken → tasks run until a round of the run queue
//! polls none → hooks flush what was corked → `epoll_wait` again.

use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Instant;

use flatend_codec::Millis;
use rustix::event::epoll;

use super::limits::READY_EVENTS_MAX;
use super::timer::Wheel;

/// Something that is flushed once, when nothing else of the turn is runnable.
pub trait TurnEnd {
    /// Does the work; wakes of tasks are allowed.
    fn turn_end(self: Rc<Self>);
}

/// What a shard's runtime counted since it started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Turns of the loop, each one `epoll_wait`.
    pub turns: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Tasks spawned.
    pub spawned: u64,
    /// Panics caught at a task's edge.
    pub panics: u64,
    /// Turns in which a task held the core for more than 100 ms.
    pub stalls: u64,
}

/// Readiness of one descriptor. Flags are set by the pump and cleared by the reader or writer that met `EAGAIN`.
#[derive(Default)]
pub(crate) struct Slot {
    pub(crate) readable: Cell<bool>,
    pub(crate) writable: Cell<bool>,
    /// The peer sent FIN or the connection is gone: a short read no longer means empty.
    pub(crate) hang_up: Cell<bool>,
    /// The connection is gone in both directions (reset, or both FINs).
    pub(crate) gone: Cell<bool>,
    pub(crate) reader: Place,
    pub(crate) writer: Place,
    /// A third party that wants to know when the connection is gone, while nobody reads.
    pub(crate) watcher: Place,
}

impl Slot {
    fn set(&self, flags: epoll::EventFlags) {
        let gone = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        let hang_up = gone || flags.contains(epoll::EventFlags::RDHUP);
        if gone {
            self.gone.set(true);
        }
        if hang_up {
            self.hang_up.set(true);
            self.watcher.wake();
        }
        if hang_up || flags.contains(epoll::EventFlags::IN) {
            self.readable.set(true);
            self.reader.wake();
        }
        if gone || flags.contains(epoll::EventFlags::OUT) {
            self.writable.set(true);
            self.writer.wake();
        }
    }
}

/// Where one task waits; a word less than what [`park`] needs, for what there is one of for each connection.
#[derive(Default)]
pub(crate) struct Place(Cell<Option<Waker>>);

impl Place {
    /// As [`park`].
    pub(crate) fn park(&self, cx: &Context<'_>) {
        let waker = match self.0.take() {
            Some(waker) if waker.will_wake(cx.waker()) => waker,
            _ => cx.waker().clone(),
        };
        self.0.set(Some(waker));
    }

    /// As [`wake`].
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}

/// Keeps the first waker when the same task asks again.
pub fn park(place: &RefCell<Option<Waker>>, cx: &Context<'_>) {
    let mut place = place.borrow_mut();
    match place.as_ref() {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *place = Some(cx.waker().clone()),
    }
}

/// Wakes who was parked at `place`, once.
pub fn wake(place: &RefCell<Option<Waker>>) {
    if let Some(waker) = place.take() {
        waker.wake();
    }
}

/// Takes the text of a panic.
type Report = Box<dyn Fn(&str)>;

struct Reactor {
    epoll: OwnedFd,
    slots: RefCell<Vec<Option<Rc<Slot>>>>,
    vacant: RefCell<Vec<usize>>,
    epoch: Instant,
    /// Wall clock minus monotone clock is looked up anew every second.
    unix_ms: Cell<u64>,
    unix_read_at: Cell<u64>,
    wheel: RefCell<Wheel>,
    /// Where `epoll_wait` puts what is ready.
    events: RefCell<Vec<epoll::Event>>,
    /// Events of the last wait.
    last_ready: Cell<usize>,
    hooks: RefCell<Vec<Rc<dyn TurnEnd>>>,
    /// The memory of the hooks of the turn before.
    spare_hooks: RefCell<Vec<Rc<dyn TurnEnd>>>,
    stats: RefCell<Stats>,
    on_panic: RefCell<Option<Report>>,
}

thread_local! {
    /// The turn's clock and the count of polls stand apart: they are asked for many times a request.
    static NOW: Cell<Millis> = const { Cell::new(Millis(0)) };
    static NOW_US: Cell<u64> = const { Cell::new(0) };
    static POLLS: Cell<u64> = const { Cell::new(0) };
    static REACTOR: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// The shard's reactor. Runtime calls outside a shard are a fault of our own caller, and say so.
fn with<R>(f: impl FnOnce(&Rc<Reactor>) -> R) -> R {
    REACTOR.with(|cell| {
        let reactor = cell.borrow().as_ref().cloned();
        match reactor {
            Some(reactor) => f(&reactor),
            None => panic!("engine::rt was called outside a shard: sockets, timers and tasks live on the shard that made them"),
        }
    })
}

pub(crate) fn install() {
    let epoll = match epoll::create(epoll::CreateFlags::CLOEXEC) {
        Ok(fd) => fd,
        Err(err) => panic!(
            "cannot make an epoll descriptor: {err}; raise the limit of open files (ulimit -n)"
        ),
    };
    let reactor = Rc::new(Reactor {
        epoll,
        slots: RefCell::default(),
        vacant: RefCell::default(),
        epoch: process_epoch(),
        unix_ms: Cell::new(0),
        unix_read_at: Cell::new(0),
        wheel: RefCell::new(Wheel::new()),
        events: RefCell::new(vec![nothing_ready(); READY_EVENTS_MAX]),
        last_ready: Cell::new(0),
        hooks: RefCell::default(),
        spare_hooks: RefCell::default(),
        stats: RefCell::default(),
        on_panic: RefCell::new(None),
    });
    reactor.read_clock();
    super::timer::forget_idle();
    REACTOR.with(|cell| *cell.borrow_mut() = Some(reactor));
    if let Err(err) = super::hear::install() {
        panic!("cannot make a bell: {err}; raise the limit of open files (ulimit -n)");
    }
}

pub(crate) fn uninstall() {
    super::ring::close();
    super::hear::uninstall();
    REACTOR.with(|cell| cell.borrow_mut().take());
}

/// Whether this thread is a shard that has not ended.
pub(crate) fn is_installed() -> bool {
    REACTOR.with(|cell| cell.borrow().is_some())
}

fn nothing_ready() -> epoll::Event {
    epoll::Event {
        flags: epoll::EventFlags::empty(),
        data: epoll::EventData::new_u64(0),
    }
}

/// One epoch for the process, so that times of different shards can be compared.
fn process_epoch() -> Instant {
    static EPOCH: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *EPOCH.get_or_init(Instant::now)
}

/// As [`with`], for calls that may come from a drop: when a shard has ended, what is left of its tasks is dropped, and
/// there is nothing to do any more.
fn if_installed<R>(f: impl FnOnce(&Rc<Reactor>) -> R) -> Option<R> {
    REACTOR.with(|cell| {
        let reactor = cell.borrow().as_ref().cloned();
        reactor.as_ref().map(f)
    })
}

/// The turn's clock: read once a turn, so cheap, and at most one turn old. Zero after the shard has ended.
pub fn now() -> Millis {
    NOW.get()
}

/// As [`now`], in microseconds, for what a millisecond does not tell apart.
pub fn now_us() -> u64 {
    NOW_US.get()
}

/// The wall clock in seconds since 1970, as of this turn: for Date fields and logs.
///
/// # Panics
/// On a thread that is no shard.
pub fn unix_seconds() -> u64 {
    unix_millis() / 1000
}

/// The wall clock in milliseconds since 1970, as of this turn.
///
/// # Panics
/// On a thread that is no shard.
pub fn unix_millis() -> u64 {
    with(|reactor| reactor.unix_ms.get())
}

/// What this shard's runtime counted so far.
///
/// # Panics
/// On a thread that is no shard.
pub fn stats() -> Stats {
    with(|reactor| Stats {
        polls: POLLS.get(),
        ..*reactor.stats.borrow()
    })
}

/// Asks for `hook` to run once at the end of this turn.
pub fn at_turn_end(hook: Rc<dyn TurnEnd>) {
    if_installed(|reactor| reactor.hooks.borrow_mut().push(hook));
}

/// Where the text of a panic caught at a task's edge goes; without one it goes to standard error.
pub(crate) fn on_panic(report: impl Fn(&str) + 'static) {
    with(|reactor| *reactor.on_panic.borrow_mut() = Some(Box::new(report)));
}

pub(crate) fn note_poll() {
    POLLS.set(POLLS.get() + 1);
}

pub(crate) fn note_spawn() {
    with(|reactor| reactor.stats.borrow_mut().spawned += 1);
}

pub(crate) fn count_panic() {
    with(|reactor| reactor.stats.borrow_mut().panics += 1);
}

pub(crate) fn note_panic(text: &str) {
    count_panic();
    with(|reactor| match reactor.on_panic.borrow().as_ref() {
        Some(report) => report(text),
        None => eprintln!("a task panicked: {text}"),
    });
}

/// Registers a descriptor for good, edge-triggered, both directions.
pub(crate) fn register(fd: impl AsFd) -> std::io::Result<(usize, Rc<Slot>)> {
    register_for(fd, epoll::EventFlags::OUT | epoll::EventFlags::RDHUP)
}

/// As [`register`], for a descriptor that is only read.
pub(crate) fn register_input(fd: impl AsFd) -> std::io::Result<(usize, Rc<Slot>)> {
    register_for(fd, epoll::EventFlags::empty())
}

fn register_for(fd: impl AsFd, more: epoll::EventFlags) -> std::io::Result<(usize, Rc<Slot>)> {
    with(|reactor| {
        let mut slots = reactor.slots.borrow_mut();
        let key = reactor.vacant.borrow_mut().pop().unwrap_or_else(|| {
            slots.push(None);
            slots.len() - 1
        });
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET | more;
        match epoll::add(
            &reactor.epoll,
            fd,
            epoll::EventData::new_u64(key as u64),
            flags,
        ) {
            Ok(()) => {
                let slot = Rc::new(Slot::default());
                slots[key] = Some(slot.clone());
                Ok((key, slot))
            }
            Err(err) => {
                reactor.vacant.borrow_mut().push(key);
                Err(err.into())
            }
        }
    })
}

/// Takes a descriptor that stays open out of the set; its slot is to be forgotten with [`deregister`].
pub(crate) fn unwatch(fd: impl AsFd) -> std::io::Result<()> {
    if_installed(|reactor| epoll::delete(&reactor.epoll, fd))
        .transpose()
        .map(|_| ())
        .map_err(Into::into)
}

/// Forgets a descriptor that is about to be closed. Works after the shard has ended, when there is nothing to forget.
pub(crate) fn deregister(key: usize) {
    REACTOR.with(|cell| {
        if let Some(reactor) = cell.borrow().as_ref() {
            reactor.slots.borrow_mut()[key] = None;
            reactor.vacant.borrow_mut().push(key);
        }
    });
}

pub(crate) fn with_wheel(f: impl FnOnce(&mut Wheel)) {
    if_installed(|reactor| f(&mut reactor.wheel.borrow_mut()));
}

impl Reactor {
    fn read_clock(&self) {
        let now_us = self.epoch.elapsed().as_micros() as u64;
        let now_ms = now_us / 1_000;
        NOW_US.set(now_us);
        let passed_ms = now_ms - NOW.get().0;
        NOW.set(Millis(now_ms));
        if self.unix_ms.get() == 0 || now_ms - self.unix_read_at.get() >= 200 {
            let unix = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            self.unix_ms.set(unix.as_millis() as u64);
            self.unix_read_at.set(now_ms);
        } else {
            self.unix_ms.set(self.unix_ms.get() + passed_ms);
        }
    }

    /// Runs the hooks of this turn. True if there was one, so that the tasks it woke run before the shard sleeps.
    fn end_turn(&self) -> bool {
        let mut hooks = self.hooks.replace(self.spare_hooks.take());
        let any = !hooks.is_empty();
        for hook in hooks.drain(..) {
            hook.turn_end();
        }
        self.spare_hooks.replace(hooks);
        any
    }

    /// Whether something is corked, and events come several at a time.
    fn is_busy(&self) -> bool {
        self.last_ready.get() >= BUSY_EVENTS_MIN && !self.hooks.borrow().is_empty()
    }

    /// Waits for a descriptor or a timer; at most `at_most_ms` if given.
    fn wait(&self, at_most_ms: Option<Millis>) {
        let before = NOW.get();
        self.read_clock();
        let held_ms = NOW.get().0.saturating_sub(before.0);
        {
            let mut stats = self.stats.borrow_mut();
            stats.turns += 1;
            stats.stalls += u64::from(held_ms > 100);
        }
        let due_ms = self
            .wheel
            .borrow_mut()
            .next_after(NOW.get())
            .map(|at| at.0.saturating_sub(NOW.get().0));
        let timeout_ms = at_most_ms.map(|ms| ms.0).into_iter().chain(due_ms).min();
        let timeout = timeout_ms.map(|ms| rustix::event::Timespec {
            tv_sec: (ms / 1000) as i64,
            tv_nsec: (ms % 1000 * 1_000_000) as _,
        });
        let mut events = self.events.borrow_mut();
        // EINTR comes from glommio's completions and from signals; either way the next turn looks again.
        let ready = epoll::wait(&self.epoll, &mut events[..], timeout.as_ref()).unwrap_or(0);
        self.last_ready.set(ready);
        self.read_clock();
        let slots = self.slots.borrow();
        for event in &events[..ready] {
            let (flags, data) = (event.flags, event.data);
            if let Some(Some(slot)) = slots.get(data.u64() as usize) {
                slot.set(flags);
            }
        }
        drop(slots);
        let due = self.wheel.borrow_mut().expire(NOW.get());
        for waker in due {
            waker.wake();
        }
    }
}

/// Rounds of the run queue after which the shard looks at its descriptors although tasks are still runnable: a task that
/// always has work must not keep the others from theirs.
const BUSY_ROUNDS_MAX: u32 = 16;

/// How often a busy turn looks for more before it flushes.
const LOOKS_MAX: u32 = 1;

/// Events of one `epoll_wait` that make a turn a busy one: a single connection is never made to look twice.
const BUSY_EVENTS_MIN: usize = 3;

/// Runs the shard's loop until the main future has ended.
pub(crate) async fn pump(finished: &Cell<bool>) {
    let reactor = with(Rc::clone);
    let mut polls = POLLS.get();
    let (mut rounds, mut looks) = (0, 0);
    loop {
        futures_lite::future::yield_now().await;
        let after = POLLS.get();
        if after != polls {
            polls = after;
            rounds += 1;
            if rounds == BUSY_ROUNDS_MAX {
                rounds = 0;
                reactor.end_turn();
                reactor.wait(Some(Millis(0)));
            }
            continue;
        }
        rounds = 0;
        // Before what was corked leaves: when events came several at a time, more of them are there by now, and what they add
        // travels in the same writes.
        if looks < LOOKS_MAX && reactor.is_busy() {
            looks += 1;
            reactor.wait(Some(Millis(0)));
            continue;
        }
        if reactor.end_turn() {
            continue;
        }
        if finished.get() {
            return;
        }
        reactor.wait(None);
        looks = 0;
    }
}
