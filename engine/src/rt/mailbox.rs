//! Messages between shards: a bounded queue a receiver, one wake (an eventfd write) a turn of the sender. Order between two
//! shards is kept. What does not fit stays with its sender, in order, until its next turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::task::Poll;

use crossbeam::queue::ArrayQueue;
use rustix::event::EventfdFlags;

use super::limits::{MAILBOX_MESSAGES_MAX, MAILBOX_TURN_MAX};
use super::reactor::{self, TurnEnd};
use super::timer;

struct Shared<M> {
    queue: ArrayQueue<M>,
    bell: OwnedFd,
    /// The bell was rung and the receiver has not looked yet.
    rung: AtomicBool,
    /// The receiver has gone.
    closed: AtomicBool,
}

/// The sending end towards one shard, for one sender shard. Cheap to use: a message costs a push, a turn one wake.
pub struct Outbox<M> {
    shared: Arc<Shared<M>>,
    overflow: RefCell<VecDeque<M>>,
    armed: Cell<bool>,
}

/// The receiving end of a shard.
pub struct Inbox<M> {
    shared: Arc<Shared<M>>,
}

/// What a sender needs to make an [`Outbox`] on its own shard, or to post from a thread that is no shard.
pub struct Address<M> {
    shared: Arc<Shared<M>>,
}

impl<M> Clone for Address<M> {
    fn clone(&self) -> Self {
        Address {
            shared: self.shared.clone(),
        }
    }
}

/// One mailbox a shard: its inbox, and the address that others send to.
///
/// # Errors
/// When no eventfd can be made (out of descriptors).
pub fn mailboxes<M: Send>(shards: usize) -> std::io::Result<Vec<(Inbox<M>, Address<M>)>> {
    mailboxes_of(shards, MAILBOX_MESSAGES_MAX)
}

/// As [`mailboxes`], with room for so many messages each.
///
/// # Errors
/// As [`mailboxes`].
pub(crate) fn mailboxes_of<M: Send>(
    shards: usize,
    messages: usize,
) -> std::io::Result<Vec<(Inbox<M>, Address<M>)>> {
    (0..shards)
        .map(|_| {
            let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            let shared = Arc::new(Shared {
                queue: ArrayQueue::new(messages),
                bell,
                rung: AtomicBool::new(false),
                closed: AtomicBool::new(false),
            });
            Ok((
                Inbox {
                    shared: shared.clone(),
                },
                Address { shared },
            ))
        })
        .collect()
}

impl<M> Shared<M> {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            // The counter cannot overflow: it is rung at most once before each look.
            rustix::io::write(&self.bell, &1u64.to_ne_bytes()).ok();
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.empty();
    }

    /// Drops all that waits.
    fn empty(&self) {
        while self.queue.pop().is_some() {}
    }
}

impl<M: Send + 'static> Address<M> {
    /// The sending end for the shard that calls.
    pub fn outbox(&self) -> Rc<Outbox<M>> {
        Rc::new(Outbox {
            shared: self.shared.clone(),
            overflow: RefCell::default(),
            armed: Cell::new(false),
        })
    }

    /// Posts from any thread, at once. A message to a shard that has ended is dropped.
    ///
    /// # Errors
    /// The message comes back if the mailbox is full.
    pub fn post(&self, message: M) -> Result<(), M> {
        let result = self.shared.queue.push(message);
        self.shared.ring();
        if self.shared.closed.load(Ordering::SeqCst) {
            // Either we see that it is closed, or who closes it sees the message.
            self.shared.empty();
            return Ok(());
        }
        result
    }

    /// The shard has ended, or ends now: nothing is taken any more, and what waits is dropped.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Posts from any thread, and if the mailbox is full from one that waits for room. For what comes at the end of something.
    pub(crate) fn post_at_last(&self, message: M) {
        let Err(message) = self.post(message) else {
            return;
        };
        let to = self.clone();
        let wait = move || {
            let mut pending = message;
            // A full mailbox empties within a turn of its shard.
            while let Err(back) = to.post(pending) {
                pending = back;
                std::thread::yield_now();
            }
        };
        let thread = std::thread::Builder::new().name("post".to_owned());
        // Without a thread the message is lost, as so much is on a machine that can make none.
        thread.spawn(wait).ok();
    }
}

impl<M> Drop for Inbox<M> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<M: Send + 'static> Outbox<M> {
    /// Where it sends to.
    pub(crate) fn address(&self) -> Address<M> {
        Address {
            shared: self.shared.clone(),
        }
    }

    /// Sends a message; the receiver is woken at the end of this turn.
    pub fn send(self: &Rc<Self>, message: M) {
        let mut overflow = self.overflow.borrow_mut();
        if !overflow.is_empty() {
            overflow.push_back(message);
        } else if let Err(message) = self.shared.queue.push(message) {
            overflow.push_back(message);
        }
        drop(overflow);
        if !self.armed.replace(true) {
            reactor::at_turn_end(self.clone());
        }
    }
}

impl<M: Send + 'static> TurnEnd for Outbox<M> {
    fn turn_end(self: Rc<Self>) {
        self.armed.set(false);
        let mut overflow = self.overflow.borrow_mut();
        if self.shared.closed.load(Ordering::SeqCst) {
            // Nobody takes them any more; some tell when they are dropped.
            let lost = std::mem::take(&mut *overflow);
            drop(overflow);
            drop(lost);
            return self.shared.empty();
        }
        while let Some(message) = overflow.pop_front() {
            if let Err(message) = self.shared.queue.push(message) {
                overflow.push_front(message);
                break;
            }
        }
        let waiting = !overflow.is_empty();
        drop(overflow);
        self.shared.ring();
        if waiting && !self.armed.replace(true) {
            // The receiver is busy: try again after a tick instead of spinning.
            let this = self;
            super::spawn(async move {
                timer::sleep(1).await;
                reactor::at_turn_end(this);
            });
        }
    }
}

impl<M: Send + 'static> Inbox<M> {
    /// Hands over messages as they come, a bounded batch a turn, for as long as the future lives. Run it on the shard that
    /// owns the inbox.
    ///
    /// # Errors
    /// When the bell cannot be registered with this shard.
    pub async fn serve(self, mut deliver: impl FnMut(M)) -> std::io::Result<()> {
        let shared = &self.shared;
        let (key, slot) = reactor::register(&shared.bell)?;
        let _registered = Registered(key);
        loop {
            std::future::poll_fn(|cx| {
                if !shared.queue.is_empty() {
                    return Poll::Ready(());
                }
                slot.readable.set(false);
                shared.rung.store(false, Ordering::SeqCst);
                // Whoever pushed before it saw the bell as rung is seen here.
                if !shared.queue.is_empty() {
                    return Poll::Ready(());
                }
                slot.reader.park(cx);
                Poll::Pending
            })
            .await;
            for _ in 0..MAILBOX_TURN_MAX {
                match shared.queue.pop() {
                    Some(message) => deliver(message),
                    None => break,
                }
            }
            super::yield_now().await;
        }
    }
}

/// Forgets the bell with the future that served it.
struct Registered(usize);

impl Drop for Registered {
    fn drop(&mut self) {
        reactor::deregister(self.0);
    }
}
