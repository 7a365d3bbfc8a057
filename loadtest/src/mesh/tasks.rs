//! The client's tasks on one shard: each has one call or stream under way.
//!
//! Closed loop: a task begins the next when the last has ended. Open loop: the [`pacer`](super::pacer) says when, and what finds no
//! task at rest waits in line, its latency counting from when it was meant. Owns the shard's [`Tally`]. Invariant: whatever was begun
//! or meant is told to the tally once.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::sync::mpsc::Sender;
use std::task::Poll;
use std::time::Instant;

use flatend::{rt, Client};

use super::work::{Doing, Moved};
use crate::client::{Tally, Times, Window};
use crate::limits::RETRY_PAUSE_MS;

/// What other threads tell a shard.
pub(super) enum Order {
    /// One is meant to begin at this time.
    Due(u64),
    /// Give what was found if nothing is under way; with `cut`, whatever is.
    Collect {
        cut: bool,
        to: Sender<Option<Tally>>,
    },
}

/// The tasks of one shard.
pub(super) struct Tasks {
    client: Client,
    doing: Doing,
    begin: Instant,
    window: Window,
    tally: RefCell<Tally>,
    /// What each task has under way.
    flights: RefCell<Vec<Option<Times>>>,
    /// Tasks at rest, of an open loop.
    resting: RefCell<Vec<usize>>,
    /// Meant, and not begun.
    backlog: RefCell<VecDeque<u64>>,
    turns: Cell<u64>,
    collected: Cell<bool>,
}

impl Tasks {
    pub(super) fn new(
        client: Client,
        doing: Doing,
        tasks: usize,
        begin: Instant,
        window: Window,
    ) -> Rc<Tasks> {
        Rc::new(Tasks {
            client,
            doing,
            begin,
            window,
            tally: RefCell::new(Tally::new(window)),
            flights: RefCell::new(vec![None; tasks]),
            resting: RefCell::new((0..tasks).collect()),
            backlog: RefCell::default(),
            turns: Cell::new(0),
            collected: Cell::new(false),
        })
    }

    /// Begins a closed loop.
    pub(super) fn loop_closed(self: &Rc<Self>) {
        for task in self.resting.take() {
            let all = self.clone();
            rt::spawn(async move {
                while all.now_ns() < all.window.end_ns && !all.collected.get() {
                    all.once(task, None).await;
                }
            });
        }
    }

    /// Does as it is told until what was found has been given.
    pub(super) async fn serve(self: Rc<Self>, inbox: rt::Inbox<Order>) {
        let all = self.clone();
        let mut serving = std::pin::pin!(inbox.serve(move |order| match order {
            Order::Due(intended_ns) => all.due(intended_ns),
            Order::Collect { cut, to } => {
                // Nobody listens only if the process ends.
                to.send(all.collect(cut)).ok();
            }
        }));
        // Its only error is that of the system, which whoever waits for an answer then misses.
        std::future::poll_fn(|cx| match self.collected.get() {
            true => Poll::Ready(()),
            false => serving.as_mut().poll(cx).map(drop),
        })
        .await;
    }

    fn due(self: &Rc<Self>, intended_ns: u64) {
        let Some(task) = self.resting.borrow_mut().pop() else {
            self.backlog.borrow_mut().push_back(intended_ns);
            return;
        };
        let all = self.clone();
        rt::spawn(async move {
            let mut next = Some(intended_ns);
            while next.is_some() && !all.collected.get() {
                all.once(task, next).await;
                next = all.backlog.borrow_mut().pop_front();
            }
            all.resting.borrow_mut().push(task);
        });
    }

    async fn once(&self, task: usize, intended_ns: Option<u64>) {
        let sent_ns = self.now_ns();
        let times = Times {
            origin_ns: intended_ns.unwrap_or(sent_ns),
            sent_ns,
        };
        self.fly(task, Some(times));
        let turn = self.turns.get();
        self.turns.set(turn + 1);
        let moved = |way| {
            let now_ns = self.now_ns();
            match way {
                Moved::Sent(bytes) => self.tally.borrow_mut().send(bytes, now_ns),
                Moved::Received(bytes) => self.tally.borrow_mut().receive(bytes, now_ns),
            }
        };
        let done = self.doing.once(&self.client, turn, &moved).await;
        self.fly(task, None);
        match done {
            Ok(()) => self.tally.borrow_mut().answer(times, self.now_ns()),
            Err(sentence) => {
                self.tally.borrow_mut().failure(&sentence);
                // What fails at once must not fail a million times.
                rt::sleep(RETRY_PAUSE_MS).await;
            }
        }
    }

    fn fly(&self, task: usize, times: Option<Times>) {
        if let Some(flight) = self.flights.borrow_mut().get_mut(task) {
            *flight = times;
        }
    }

    fn collect(&self, cut: bool) -> Option<Tally> {
        let now_ns = self.now_ns();
        let flights = self.flights.borrow();
        let mut under_way = flights.iter().flatten().peekable();
        let waits = under_way.peek().is_some() || !self.backlog.borrow().is_empty();
        if !cut && (waits || now_ns < self.window.end_ns) {
            return None;
        }
        self.collected.set(true);
        let mut tally = self.tally.replace(Tally::new(self.window));
        under_way.for_each(|times| tally.leave_unanswered(*times, now_ns));
        for intended_ns in self.backlog.take() {
            tally.leave_unsent(intended_ns, now_ns);
        }
        Some(tally)
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
