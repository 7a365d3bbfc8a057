//! The shard's own io_uring, for files: opening and reading them may wait for a disk, which a shard must not. Owns the ring,
//! and everything that the kernel reads or writes for an operation until that has ended: paths, buffers, descriptors.
//! Refuses sockets. Made at the first use.
//!
//! Each operation is submitted at once. What the caches hold is done within the same call and costs no further turn; what has
//! to wait ends later, and the ring's descriptor in the shard's epoll set says so.
//!
//! The invariant that a change is likeliest to break: the memory of an operation whose future was dropped stays where it is
//! until the kernel says that it is done with it.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use io_uring::types::{Fd, OpenHow, SubmitArgs, Timespec};
use io_uring::{opcode, squeue, IoUring, Probe};

use super::limits::{FILE_OPS_MAX, RING_SETTLE_MS, RING_SUBMIT_AGAIN_MS};
use super::permits::{Permit, Permits};
use super::reactor::{self, Slot};
use super::{executor, timer};

/// What an operation keeps alive.
pub(super) enum Work {
    /// `openat2(2)`: the result is a descriptor.
    Open {
        /// Where a relative path begins; `None`: the working directory.
        from: Option<Rc<OwnedFd>>,
        path: CString,
        how: Box<OpenHow>,
    },
    /// A read into the spare room of `buffer`: the result is a count.
    Read {
        file: Rc<OwnedFd>,
        offset: u64,
        buffer: Vec<u8>,
    },
}

/// ```text
///  Waiting ──▶ Done ──▶ taken by its future
///     └─ future dropped ─▶ Abandoned ──▶ cleared away
/// ```
enum State {
    Waiting(Option<Waker>),
    Done(i32),
    Abandoned,
}

struct Op {
    state: State,
    work: Work,
    _permit: Permit,
}

struct Ring {
    uring: RefCell<IoUring>,
    ops: RefCell<Vec<Option<Op>>>,
    vacant: RefCell<Vec<usize>>,
    permits: Permits,
    key: Cell<Option<usize>>,
    slot: RefCell<Option<Rc<Slot>>>,
    /// Something was not taken by the kernel for want of memory.
    unsubmitted: Cell<bool>,
}

thread_local! {
    static RING: RefCell<Option<Rc<Ring>>> = const { RefCell::new(None) };
}

/// Runs `work` and gives it back with its result.
///
/// # Errors
/// As the system says.
pub(super) async fn run(work: Work) -> io::Result<(u32, Work)> {
    let ring = ring()?;
    let permit = ring.permits.take().await;
    let key = ring.begin(work, permit)?;
    let mut waiting = Waiting {
        ring,
        key: Some(key),
    };
    let (result, work) = std::future::poll_fn(|cx| waiting.ring.poll(key, cx)).await;
    // Taken: the number may be another operation's from now on.
    waiting.key = None;
    match u32::try_from(result) {
        Ok(result) => Ok((result, work)),
        Err(_) => Err(io::Error::from_raw_os_error(-result)),
    }
}

/// Whether a ring can be made here and knows the operations.
///
/// # Errors
/// As the system says; `Unsupported` if an operation is missing.
pub(super) fn probe() -> io::Result<()> {
    let uring = make()?;
    let mut probe = Probe::new();
    uring.submitter().register_probe(&mut probe)?;
    let known = [opcode::OpenAt2::CODE, opcode::Read::CODE].map(|code| probe.is_supported(code));
    if known == [true, true] {
        Ok(())
    } else {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Ends the ring of a shard that ends.
pub(super) fn close() {
    // What futures still hold of it is gone with them.
    let ring = RING.with(|cell| cell.borrow_mut().take());
    if let Some(ring) = ring {
        ring.settle();
    }
}

fn make() -> io::Result<IoUring> {
    // Completions need not interrupt what runs: the next system call of the turn picks them up. Kernels before 5.19 do not
    // know the flag.
    let entries = FILE_OPS_MAX as u32;
    match IoUring::builder()
        .dontfork()
        .setup_coop_taskrun()
        .build(entries)
    {
        Err(err) if err.kind() == io::ErrorKind::InvalidInput => {
            IoUring::builder().dontfork().build(entries)
        }
        made => made,
    }
}

fn ring() -> io::Result<Rc<Ring>> {
    if let Some(ring) = RING.with(|cell| cell.borrow().clone()) {
        return Ok(ring);
    }
    if !reactor::is_installed() {
        return Err(io::Error::other("the shard has ended"));
    }
    let uring = make()?;
    // SAFETY: the descriptor is the ring's, which lives beyond this call.
    let fd = unsafe { BorrowedFd::borrow_raw(uring.as_raw_fd()) };
    let (key, slot) = reactor::register_input(fd)?;
    let ring = Rc::new(Ring {
        uring: RefCell::new(uring),
        ops: RefCell::default(),
        vacant: RefCell::default(),
        permits: Permits::new(FILE_OPS_MAX),
        key: Cell::new(Some(key)),
        slot: RefCell::new(Some(slot.clone())),
        unsubmitted: Cell::new(false),
    });
    RING.with(|cell| *cell.borrow_mut() = Some(ring.clone()));
    executor::spawn(drive(Rc::downgrade(&ring), slot));
    Ok(ring)
}

/// Takes what has ended whenever the ring's descriptor says that something did.
async fn drive(ring: Weak<Ring>, slot: Rc<Slot>) {
    loop {
        std::future::poll_fn(|cx| {
            let again = ring.upgrade().is_some_and(|ring| ring.unsubmitted.get());
            if slot.readable.replace(false) || again {
                return Poll::Ready(());
            }
            slot.reader.park(cx);
            Poll::Pending
        })
        .await;
        let Some(ring) = ring.upgrade() else { return };
        if ring.unsubmitted.get() {
            timer::sleep(RING_SUBMIT_AGAIN_MS).await;
            ring.submit();
        }
        ring.reap();
    }
}

/// A future's hold on its operation.
struct Waiting {
    ring: Rc<Ring>,
    key: Option<usize>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.ring.abandon(key);
        }
    }
}

impl Ring {
    fn begin(&self, mut work: Work, permit: Permit) -> io::Result<usize> {
        let key = {
            let mut ops = self.ops.borrow_mut();
            self.vacant.borrow_mut().pop().unwrap_or_else(|| {
                ops.push(None);
                ops.len() - 1
            })
        };
        // Pointers into memory of its own, which does not move when `work` does.
        let entry = work.entry().user_data(key as u64);
        let op = Op {
            state: State::Waiting(None),
            work,
            _permit: permit,
        };
        self.ops.borrow_mut()[key] = Some(op);
        let pushed = {
            let mut uring = self.uring.borrow_mut();
            let mut queue = uring.submission();
            // SAFETY: what the entry points to is owned by the operation, which stays in `ops` until the kernel has answered.
            unsafe { queue.push(&entry) }
        };
        if pushed.is_err() {
            // As many entries as permits: only entries that the kernel would not take can fill the queue.
            self.forget(key);
            return Err(io::Error::other("the file ring is full"));
        }
        self.submit();
        self.reap();
        Ok(key)
    }

    fn submit(&self) {
        loop {
            match self.uring.borrow().submit() {
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                // What was not taken is seen below.
                Ok(_) | Err(_) => break,
            }
        }
        let left = !self.uring.borrow_mut().submission().is_empty();
        if left && !self.unsubmitted.get() {
            if let Some(slot) = self.slot.borrow().as_ref() {
                slot.reader.wake();
            }
        }
        self.unsubmitted.set(left);
    }

    /// Takes what has ended.
    fn reap(&self) {
        loop {
            let next = {
                let mut uring = self.uring.borrow_mut();
                let next = uring.completion().next();
                next
            };
            let Some(ended) = next else { return };
            self.ended(ended.user_data() as usize, ended.result());
        }
    }

    fn ended(&self, key: usize, result: i32) {
        let woken = {
            let mut ops = self.ops.borrow_mut();
            let Some(Some(op)) = ops.get_mut(key) else {
                debug_assert!(false, "an operation ended twice");
                return;
            };
            match std::mem::replace(&mut op.state, State::Done(result)) {
                State::Waiting(waker) => Some(waker),
                State::Done(_) | State::Abandoned => None,
            }
        };
        match woken {
            Some(waker) => waker.into_iter().for_each(Waker::wake),
            None => self.abandon(key),
        }
    }

    fn poll(&self, key: usize, cx: &Context<'_>) -> Poll<(i32, Work)> {
        let result = {
            let mut ops = self.ops.borrow_mut();
            match ops.get_mut(key) {
                Some(Some(op)) => match &mut op.state {
                    State::Done(result) => *result,
                    State::Waiting(waker) => {
                        if !waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
                            *waker = Some(cx.waker().clone());
                        }
                        return Poll::Pending;
                    }
                    // The shard has ended, and this task is polled a last time.
                    State::Abandoned => return Poll::Pending,
                },
                _ => return Poll::Pending,
            }
        };
        match self.forget(key) {
            Some(op) => Poll::Ready((result, op.work)),
            None => Poll::Pending,
        }
    }

    fn forget(&self, key: usize) -> Option<Op> {
        let op = self.ops.borrow_mut().get_mut(key).and_then(Option::take);
        if op.is_some() {
            self.vacant.borrow_mut().push(key);
        }
        op
    }

    /// Nobody waits for it any more: gone at once if it has ended, else when it does. A descriptor that it opened is closed.
    fn abandon(&self, key: usize) {
        let ended = {
            let mut ops = self.ops.borrow_mut();
            let Some(Some(op)) = ops.get_mut(key) else {
                return;
            };
            match std::mem::replace(&mut op.state, State::Abandoned) {
                State::Done(result) => Some(result),
                State::Waiting(_) | State::Abandoned => None,
            }
        };
        let Some(result) = ended else { return };
        let Some(op) = self.forget(key) else { return };
        if let (Work::Open { .. }, 0..) = (&op.work, result) {
            // SAFETY: the kernel has just made this descriptor for us, and nobody else knows its number.
            drop(unsafe { OwnedFd::from_raw_fd(result) });
        }
    }

    fn in_flight(&self) -> usize {
        self.ops.borrow().len() - self.vacant.borrow().len()
    }

    /// Waits for what is in flight, since the kernel may still write to it; what does not end is left in memory for good.
    fn settle(&self) {
        if let Some(key) = self.key.take() {
            reactor::deregister(key);
            self.slot.take();
        }
        let all = self.ops.borrow().len();
        for key in 0..all {
            self.abandon(key);
        }
        let patience = Timespec::new().nsec((RING_SETTLE_MS * 1_000_000) as u32);
        let args = SubmitArgs::new().timespec(&patience);
        while self.in_flight() > 0 {
            let waited = self.uring.borrow().submitter().submit_with_args(1, &args);
            let before = self.in_flight();
            self.reap();
            let interrupted =
                matches!(&waited, Err(err) if err.kind() == io::ErrorKind::Interrupted);
            if self.in_flight() == before && !interrupted {
                let stuck = std::mem::take(&mut *self.ops.borrow_mut());
                self.vacant.borrow_mut().clear();
                Box::leak(Box::new(stuck));
            }
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.settle();
    }
}

impl Work {
    fn entry(&mut self) -> squeue::Entry {
        match self {
            Work::Open { from, path, how } => {
                let from = from.as_ref().map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
                let how: *const OpenHow = &**how;
                opcode::OpenAt2::new(Fd(from), path.as_ptr(), how).build()
            }
            Work::Read {
                file,
                offset,
                buffer,
            } => {
                let spare = buffer.spare_capacity_mut();
                let len = u32::try_from(spare.len()).unwrap_or(u32::MAX);
                opcode::Read::new(Fd(file.as_raw_fd()), spare.as_mut_ptr().cast(), len)
                    .offset(*offset)
                    .build()
            }
        }
    }
}
