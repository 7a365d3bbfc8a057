//! The same between two plain threads: a bounded queue and an eventfd in each direction, and a `read` that blocks.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use rustix::event::EventfdFlags;
use rustix::thread::CpuSet;

use super::{answer, processors, Numbered};
use crate::{timed, Case};

/// Messages that fit; as many as into a mailbox.
const MESSAGES_MAX: usize = 16_384;
/// Not a question: the thread that answers ends.
const END: Numbered = u64::MAX;

/// One direction.
struct Way {
    queue: ArrayQueue<Numbered>,
    bell: OwnedFd,
}

impl Way {
    fn new() -> Arc<Way> {
        let bell = rustix::event::eventfd(0, EventfdFlags::CLOEXEC);
        Arc::new(Way {
            queue: ArrayQueue::new(MESSAGES_MAX),
            bell: bell.expect("descriptors"),
        })
    }

    fn push(&self, message: Numbered) {
        self.queue.push(message).expect("a turn fits");
    }

    fn ring(&self) {
        rustix::io::write(&self.bell, &1u64.to_ne_bytes()).expect("a count far from its end");
    }

    /// Sleeps until the bell is rung.
    fn wait(&self) {
        let mut count = [0; 8];
        rustix::io::retry_on_intr(|| rustix::io::read(&self.bell, &mut count)).expect("a bell");
    }
}

pub(super) struct Exchange {
    name: String,
    turn: u64,
    there: Arc<Way>,
    back: Arc<Way>,
    answers: Option<JoinHandle<()>>,
}

impl Exchange {
    pub(super) fn new(what: &str, turn: u64) -> Exchange {
        let (there, back) = (Way::new(), Way::new());
        let ways = (there.clone(), back.clone());
        let [_, processor] = processors();
        let answers = std::thread::Builder::new()
            .name("answers".to_owned())
            .spawn(move || {
                pin(processor);
                answer_all(&ways.0, &ways.1);
            });
        Exchange {
            name: format!("{what}/floor: crossbeam and eventfd"),
            turn,
            there,
            back,
            answers: Some(answers.expect("a thread starts")),
        }
    }

    /// Asks all questions; whether all answers were right.
    fn ask(&self, questions: u64) -> bool {
        let (mut asked, mut right) = (0, true);
        while asked < questions {
            let size = self.turn.min(questions - asked);
            (asked..asked + size).for_each(|question| self.there.push(question));
            self.there.ring();
            let mut left = size;
            while left > 0 {
                self.back.wait();
                while let Some(number) = self.back.queue.pop() {
                    right &= number == answer(asked);
                    asked += 1;
                    left -= 1;
                }
            }
        }
        right
    }
}

fn answer_all(there: &Way, back: &Way) {
    loop {
        there.wait();
        let mut any = false;
        while let Some(question) = there.queue.pop() {
            if question == END {
                return;
            }
            back.push(answer(question));
            any = true;
        }
        if any {
            back.ring();
        }
    }
}

impl Case for Exchange {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn time(&mut self, iterations: u64) -> Duration {
        // The thread of the bench is not ours to pin.
        let (time, right) = std::thread::scope(|scope| {
            let ask = scope.spawn(|| {
                pin(processors()[0]);
                timed(|| self.ask(iterations))
            });
            ask.join().expect("it asks")
        });
        assert!(right, "answers in their order");
        time
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.there.push(END);
        self.there.ring();
        if let Some(answers) = self.answers.take() {
            let ended = answers.join();
            debug_assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

fn pin(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    rustix::thread::sched_setaffinity(None, &set).expect("a processor that is allowed");
}
