//! A ring of our own. Owns its queues and the ways to wait; refuses to know what operations mean.
//!
//! The invariant that a change is likeliest to break: memory that an entry names stays where it is, and is not touched by us, until the
//! kernel has said that the operation ended.

pub(crate) mod buffers;
pub(crate) mod bulk;
pub(crate) mod entries;
mod key;
mod link;
pub(crate) mod requests;

use std::io;

use io_uring::squeue::Entry;
use io_uring::types::SubmitArgs;
use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter};

use crate::counters::{CALLS, TURNS};
use crate::limits::{BUSY_EVENTS_MIN, COMPLETIONS_MAX, RING_ENTRIES};
use crate::spec::Batch;

/// Makes a ring; it belongs to this thread from now on.
///
/// # Errors
/// The system has no such ring.
pub(crate) fn make(defer: bool) -> Result<IoUring, String> {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_cqsize(COMPLETIONS_MAX)
        .setup_submit_all()
        .setup_single_issuer()
        // Says whether an enter would find anything to do.
        .setup_taskrun_flag();
    if defer {
        builder.setup_defer_taskrun();
    } else {
        builder.setup_coop_taskrun();
    }
    builder.build(RING_ENTRIES).map_err(|error| {
        format!("cannot make a ring: {error}; Linux 6.12 is wanted, and kernel.io_uring_disabled=0")
    })
}

/// A ring's parts, in use.
pub(crate) struct Ring<'r> {
    pub(crate) submitter: Submitter<'r>,
    entries: SubmissionQueue<'r>,
    completions: CompletionQueue<'r>,
    batch: Option<Batch>,
    /// Operations to hand over that most probably end at once.
    quick: usize,
}

/// An operation has ended, or has come so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completion {
    pub(crate) key: u64,
    pub(crate) result: i32,
    pub(crate) flags: u32,
}

impl Completion {
    /// More completions of the same operation follow.
    pub(crate) fn more(self) -> bool {
        io_uring::cqueue::more(self.flags)
    }

    /// The kernel holds the memory of a zero-copy send no longer.
    pub(crate) fn is_notice(self) -> bool {
        io_uring::cqueue::notif(self.flags)
    }

    /// The provided buffer that was filled.
    pub(crate) fn buffer(self) -> Option<u16> {
        io_uring::cqueue::buffer_select(self.flags)
    }
}

impl<'r> Ring<'r> {
    /// # Errors
    /// The system cannot register the ring's own descriptor.
    pub(crate) fn new(uring: &'r mut IoUring, batch: Option<Batch>) -> Result<Ring<'r>, String> {
        let (mut submitter, entries, completions) = uring.split();
        submitter
            .register_ring_fd()
            .map_err(|error| format!("cannot register the ring's descriptor: {error}"))?;
        Ok(Ring {
            submitter,
            entries,
            completions,
            batch,
            quick: 0,
        })
    }

    /// Queues an operation for the next turn.
    ///
    /// # Safety
    /// What it points to has to live, and to be left alone, until it has ended.
    ///
    /// # Errors
    /// The queue is full and the kernel takes nothing.
    pub(crate) unsafe fn push(&mut self, entry: &Entry) -> Result<(), String> {
        // SAFETY: our caller's promise.
        if unsafe { self.entries.push(entry) }.is_ok() {
            return Ok(());
        }
        self.enter(0)?;
        // SAFETY: as above.
        unsafe { self.entries.push(entry) }
            .map_err(|_| format!("the kernel takes none of {RING_ENTRIES} operations"))
    }

    /// As [`Ring::push`] for a send: it ends while it is handed over if the socket has room, and that is not what a wait is for.
    ///
    /// # Safety
    /// As [`Ring::push`].
    ///
    /// # Errors
    /// As [`Ring::push`].
    pub(crate) unsafe fn push_quick(&mut self, entry: &Entry) -> Result<(), String> {
        // SAFETY: our caller's promise.
        unsafe { self.push(entry) }?;
        self.quick += 1;
        Ok(())
    }

    /// Hands everything over by one call and waits for nothing.
    ///
    /// # Errors
    /// The kernel does not take all.
    pub(crate) fn hand_over(&mut self) -> Result<(), String> {
        self.entries.sync();
        CALLS.add(1);
        self.quick = 0;
        let taken = self.submitter.submit();
        self.entries.sync();
        self.completions.sync();
        match taken {
            Ok(_) if self.entries.is_empty() => Ok(()),
            Ok(_) => Err(format!(
                "the kernel leaves {} operations",
                self.entries.len()
            )),
            Err(error) => Err(format!("cannot enter the ring: {error}")),
        }
    }

    /// Hands everything over, and takes what has ended without waiting; no call if there is nothing to do.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        self.entries.sync();
        if self.entries.is_empty() && !self.entries.taskrun() {
            self.completions.sync();
            return Ok(());
        }
        self.enter(0)
    }

    /// Hands everything over and waits for something to end; behind a busy turn for a batch, sends not counted. Without a batch sends
    /// do count, and the wait behind them returns at once: counting on them takes a timer for those that do not end, and a timer costs
    /// more (36 to 41 µs a request became 50 at one connection).
    pub(crate) fn wait(&mut self, came: usize) -> Result<(), String> {
        match self.batch.filter(|_| came >= BUSY_EVENTS_MIN) {
            Some(Batch { us, events }) => {
                let want = self.quick + events.map_or(1, |events| events.min(came));
                let args = SubmitArgs::new().min_wait_usec(us);
                self.enter_with(|submitter| submitter.submit_with_args(want, &args))
            }
            None => self.enter(1),
        }
    }

    fn enter(&mut self, want: usize) -> Result<(), String> {
        self.enter_with(|submitter| submitter.submit_and_wait(want))
    }

    fn enter_with(
        &mut self,
        enter: impl FnOnce(&Submitter<'_>) -> io::Result<usize>,
    ) -> Result<(), String> {
        self.entries.sync();
        TURNS.add(1);
        CALLS.add(1);
        self.quick = 0;
        let entered = enter(&self.submitter);
        self.entries.sync();
        self.completions.sync();
        match entered {
            Ok(_) => Ok(()),
            // Interrupted, or nothing came in time: the next turn looks again. Busy: completions wait to be taken.
            Err(error) if is_passing(&error) => Ok(()),
            Err(error) => Err(format!("cannot enter the ring: {error}")),
        }
    }

    /// The next completion; after the last one the kernel may use their room again.
    pub(crate) fn next(&mut self) -> Option<Completion> {
        let Some(entry) = self.completions.next() else {
            self.completions.sync();
            return None;
        };
        Some(Completion {
            key: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        })
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN)
    )
}
