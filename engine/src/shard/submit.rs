//! Closures that run on another shard, from a shard and back to it. The closure and its result travel; its future stays where it
//! runs and need not be `Send`. The invariant that a change is likeliest to break: who waits is always answered, by a panic and
//! by a shard that ends too.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::task::Poll;

use futures_lite::FutureExt;

use super::{Message, Shard};
use crate::idmap::IdMap;
use crate::limits::SUBMITS_MAX;
use crate::node::NodeEvent;
use crate::rt::{self, park, wake, Address, Outbox, Permits};

/// Why work that was submitted to a shard gave no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// There is no such shard.
    NoShard {
        /// The number that was asked for.
        index: usize,
        /// How many there are; their numbers begin at 0.
        count: usize,
    },
    /// It panicked; the text is the panic's.
    Panicked(String),
    /// The node is shutting down, and the shard ended before the work did.
    ShuttingDown,
    /// A [`Handle`](crate::Handle) was used on a shard, which waits for nobody outside.
    OnShard,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::NoShard { index, count } => write!(
                f,
                "there is no shard {index}: this node has {count}, numbered from 0"
            ),
            SubmitError::Panicked(text) => write!(f, "the work on the shard panicked: {text}"),
            SubmitError::ShuttingDown => {
                f.write_str("this node is shutting down: the shard ended before the work did")
            }
            SubmitError::OnShard => f.write_str(
                "a Handle is for threads that are no shard: on a shard use Shard::submit_to",
            ),
        }
    }
}

impl std::error::Error for SubmitError {}

type Outcome = Result<Box<dyn Any + Send>, SubmitError>;

/// What a shard has submitted to others.
pub(crate) struct Submits {
    next: Cell<u64>,
    waiting: RefCell<IdMap<u64, Rc<Answer>>>,
    permits: Permits,
    /// Work of other shards that runs here: whom to tell if it does not end.
    serving: RefCell<HashMap<(usize, u64), Address<Message>>>,
}

impl Default for Submits {
    fn default() -> Self {
        Submits {
            next: Cell::new(0),
            waiting: RefCell::default(),
            permits: Permits::new(SUBMITS_MAX),
            serving: RefCell::default(),
        }
    }
}

#[derive(Default)]
struct Answer {
    outcome: RefCell<Option<Outcome>>,
    waker: RefCell<Option<std::task::Waker>>,
}

impl Shard {
    /// Runs `work` on the shard with this number, this one included, and gives its result. Beyond
    /// [`SUBMITS_MAX`](crate::limits::SUBMITS_MAX) at a time, further ones wait here, unless the shard runs work that was submitted
    /// to it just then: such work may submit further without a deadlock. Dropping the future does not stop work that
    /// has begun.
    ///
    /// # Errors
    /// [`SubmitError`]: a panic in it among others.
    pub fn submit_to<T, F, Fut>(
        self: &Rc<Self>,
        index: usize,
        work: F,
    ) -> impl Future<Output = Result<T, SubmitError>> + 'static
    where
        T: Send + 'static,
        F: FnOnce(Rc<Shard>) -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let shard = self.clone();
        async move {
            let count = shard.count();
            if index >= count {
                return Err(SubmitError::NoShard { index, count });
            }
            // Work that was submitted itself never waits here: it could hold the very permits that it waits for.
            let is_serving = !shard.submits.serving.borrow().is_empty();
            let _permit = match is_serving {
                true => None,
                false => Some(shard.submits.permits.take().await),
            };
            let waiting = Waiting::new(&shard);
            let (home, id) = (shard.index, waiting.id);
            let reply = Reply {
                to: Some(shard.outbox(home).address()),
                id,
            };
            shard
                .outbox(index)
                .send(Message::Run(Box::new(move |there| {
                    let serving = &there.submits.serving;
                    serving
                        .borrow_mut()
                        .extend(reply.to.clone().map(|to| ((home, id), to)));
                    let shard = there.clone();
                    run_caught(there, work, move |result| {
                        shard.submits.serving.borrow_mut().remove(&(home, id));
                        reply.send(shard.outbox(home), result);
                    });
                })));
            let outcome = std::future::poll_fn(|cx| match waiting.answer.outcome.take() {
                Some(outcome) => Poll::Ready(outcome),
                None => {
                    park(&waiting.answer.waker, cx);
                    Poll::Pending
                }
            });
            let value = outcome.await?.downcast::<T>();
            // Its own work answers this number, and nobody else.
            value
                .map(|value| *value)
                .map_err(|_| SubmitError::ShuttingDown)
        }
    }

    /// The shard ends: tells other shards of the work that has not. Its tasks are dropped some time, or never.
    pub(crate) fn end_submits(&self) {
        for ((_, id), to) in self.submits.serving.take() {
            to.post_at_last(answer(id, Err(SubmitError::ShuttingDown)));
        }
    }

    fn submit_answered(&self, id: u64, outcome: Outcome) {
        // Nobody waits any more if the future was dropped.
        if let Some(answer) = self.submits.waiting.borrow().get(&id) {
            *answer.outcome.borrow_mut() = Some(outcome);
            wake(&answer.waker);
        }
    }
}

fn answer(id: u64, outcome: Outcome) -> Message {
    Message::Run(Box::new(move |home| home.submit_answered(id, outcome)))
}

/// A wait for an answer; takes itself out.
struct Waiting<'a> {
    shard: &'a Shard,
    id: u64,
    answer: Rc<Answer>,
}

impl<'a> Waiting<'a> {
    fn new(shard: &'a Shard) -> Waiting<'a> {
        let id = shard.submits.next.get();
        shard.submits.next.set(id + 1);
        let answer = Rc::new(Answer::default());
        shard
            .submits
            .waiting
            .borrow_mut()
            .insert(id, answer.clone());
        Waiting { shard, id, answer }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shard.submits.waiting.borrow_mut().remove(&self.id);
    }
}

/// Tells the shard that submitted, whatever becomes of the work.
struct Reply {
    /// `None`: it has been told.
    to: Option<Address<Message>>,
    id: u64,
}

impl Reply {
    fn send<T: Send + 'static>(
        mut self,
        outbox: &Rc<Outbox<Message>>,
        result: Result<T, SubmitError>,
    ) {
        self.to = None;
        let outcome = result.map(|value| Box::new(value) as Box<dyn Any + Send>);
        outbox.send(answer(self.id, outcome));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(to) = self.to.take() {
            to.post_at_last(answer(self.id, Err(SubmitError::ShuttingDown)));
        }
    }
}

/// Runs `work` as a task of the shard and gives `done` its result, or its panic.
pub(crate) fn run_caught<T, F, Fut>(
    shard: &Rc<Shard>,
    work: F,
    done: impl FnOnce(Result<T, SubmitError>) + 'static,
) where
    T: 'static,
    F: FnOnce(Rc<Shard>) -> Fut + 'static,
    Fut: Future<Output = T> + 'static,
{
    let (shard, told) = (shard.clone(), shard.clone());
    rt::spawn(async move {
        // The closure itself may panic too, before there is a future.
        let outcome = AssertUnwindSafe(rt::hear(async move { work(shard).await }))
            .catch_unwind()
            .await;
        done(outcome.map_err(|panic| {
            let error = SubmitError::Panicked(rt::count_panic(panic.as_ref()));
            told.emit(NodeEvent::Trouble(format!("shard {}: {error}", told.index)));
            error
        }));
    });
}
