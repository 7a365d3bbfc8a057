//! Wakes from other threads. glommio takes one that comes to a shard in `epoll_wait` for up to 200 ms later; code of users may await
//! anything, a channel of a tokio program say. So what they write gets wakers that ring a bell of the shard when they are woken
//! elsewhere. The shard's own wakes go where they went, after a look at a number of the thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};

use super::limits::HEARD_WAKES_MAX;
use super::mailbox::{mailboxes_of, Address};

thread_local! {
    /// The number of this thread's shard; 0: none.
    static HERE: Cell<u64> = const { Cell::new(0) };
    static BELL: RefCell<Option<Address<Arc<Heard>>>> = const { RefCell::new(None) };
}

/// A task's waker that may be woken anywhere.
struct Heard {
    waker: Waker,
    home: u64,
    bell: Address<Arc<Heard>>,
    /// It is on its way to the shard.
    waiting: AtomicBool,
}

impl Wake for Heard {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if HERE.get() == self.home {
            return self.waker.wake_by_ref();
        }
        if self.waiting.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Err(back) = self.bell.post(self.clone()) {
            // So many wait that the shard is busy, and looks soon.
            back.waiting.store(false, Ordering::SeqCst);
            back.waker.wake_by_ref();
        }
    }
}

/// Gives the shard of this thread its bell.
///
/// # Errors
/// When there is no descriptor to be had.
pub(super) fn install() -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let made = mailboxes_of::<Arc<Heard>>(1, HEARD_WAKES_MAX)?.pop();
    let Some((inbox, bell)) = made else {
        return Ok(());
    };
    HERE.set(NEXT.fetch_add(1, Ordering::Relaxed));
    BELL.with(|place| *place.borrow_mut() = Some(bell));
    super::spawn(async move {
        let served = inbox.serve(|heard: Arc<Heard>| {
            // Before the wake: who wakes it meanwhile is heard again.
            heard.waiting.store(false, Ordering::SeqCst);
            heard.waker.wake_by_ref();
        });
        if let Err(err) = served.await {
            eprintln!("a shard does not hear of other threads at once: {err}");
        }
    });
    Ok(())
}

pub(super) fn uninstall() {
    HERE.set(0);
    BELL.with(|place| place.borrow_mut().take());
}

/// `future`, which may be woken by other threads too, and runs at once then. Handlers, tasks of
/// [`on_each_shard`](crate::NodeBuilder::on_each_shard) and submitted closures are run so; a task of [`spawn`](super::spawn) that awaits
/// what another thread wakes wants it: `rt::spawn(rt::hear(async { … }))`.
///
/// # Panics
/// When polled on a thread that is no shard.
pub async fn hear<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut made: Option<(Arc<Heard>, Waker)> = None;
    std::future::poll_fn(|cx| {
        if let Some((_, waker)) = made
            .as_ref()
            .filter(|(heard, _)| heard.waker.will_wake(cx.waker()))
        {
            return future.as_mut().poll(&mut Context::from_waker(waker));
        }
        // Most futures that are over at once keep no waker; what is not kept need not be made.
        let lent = Lent::new(cx.waker());
        let polled = lent.lend(|waker| future.as_mut().poll(&mut Context::from_waker(waker)));
        made = lent.made.into_inner().map(|heard| {
            let waker = Waker::from(heard.clone());
            (heard, waker)
        });
        polled
    })
    .await
}

/// A waker for one poll, which becomes a [`Heard`] when somebody keeps it. Whatever thread does so.
struct Lent<'a> {
    waker: &'a Waker,
    home: u64,
    bell: Address<Arc<Heard>>,
    made: OnceLock<Arc<Heard>>,
}

impl<'a> Lent<'a> {
    fn new(waker: &'a Waker) -> Lent<'a> {
        let Some(bell) = BELL.with(|place| place.borrow().clone()) else {
            panic!("rt::hear was polled outside a shard: tasks live on the shard that made them");
        };
        Lent {
            waker,
            home: HERE.get(),
            bell,
            made: OnceLock::new(),
        }
    }

    /// Lends the waker to `f`.
    fn lend<T>(&self, f: impl FnOnce(&Waker) -> T) -> T {
        let raw = RawWaker::new(std::ptr::from_ref(self).cast(), &LENT);
        // SAFETY: `LENT` takes the pointer for the `Lent` that it is. It is lent as a reference that ends before `self` does,
        // and is never dropped; who wants to keep it clones it, and gets a `Heard`, which owns what it needs. `Lent` is `Sync`,
        // as a waker must be, which the compiler has checked below.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw) });
        f(&waker)
    }

    fn heard(&self) -> Arc<Heard> {
        let made = self.made.get_or_init(|| {
            Arc::new(Heard {
                waker: self.waker.clone(),
                home: self.home,
                bell: self.bell.clone(),
                waiting: AtomicBool::new(false),
            })
        });
        made.clone()
    }
}

const _: fn() = || {
    fn is_sync<T: Sync>() {}
    is_sync::<Lent<'static>>();
};

static LENT: RawWakerVTable = RawWakerVTable::new(keep, wake, wake, forget);

/// # Safety
/// `lent` points to a [`Lent`] that lives.
unsafe fn keep(lent: *const ()) -> RawWaker {
    // SAFETY: as the caller promises.
    let lent = unsafe { &*lent.cast::<Lent<'_>>() };
    let kept = ManuallyDrop::new(Waker::from(lent.heard()));
    // Its reference count goes with the new one.
    RawWaker::new(kept.data(), kept.vtable())
}

/// # Safety
/// As [`keep`].
unsafe fn wake(lent: *const ()) {
    // SAFETY: as the caller promises.
    let lent = unsafe { &*lent.cast::<Lent<'_>>() };
    if HERE.get() == lent.home {
        lent.waker.wake_by_ref();
    } else {
        lent.heard().wake();
    }
}

/// The lender owns it.
unsafe fn forget(_lent: *const ()) {}
