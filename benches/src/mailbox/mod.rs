//! A message to another shard and its answer, both shards pinned to processors of their own where there are two; beside the parts
//! alone: two threads with a crossbeam queue and an eventfd each, that do nothing but wait for it. Both rest in the kernel until
//! the other has rung, as idle shards do.

mod floor;
mod shards;

use crate::Case;

/// Messages that leave in one turn: one, and what a busy shard sends.
const TURNS: [u64; 2] = [1, 16];

/// What travels: a question, or its answer.
type Numbered = u64;

/// What is answered to a question.
fn answer(question: Numbered) -> Numbered {
    !question
}

/// The cases, each beside its floor.
///
/// # Panics
/// When no shards, threads or eventfds can be had.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for turn in TURNS {
        let what = match turn {
            1 => "a message and its answer".to_owned(),
            _ => format!("{turn} messages and their answers, each"),
        };
        cases.push(Box::new(shards::Exchange::new(&what, turn)));
        cases.push(Box::new(floor::Exchange::new(&what, turn)));
    }
    cases
}

/// The two processors: different ones where there are two.
fn processors() -> [usize; 2] {
    let allowed = flatend::rt::allowed_cpus();
    let first = allowed.first().copied().unwrap_or(0);
    [first, allowed.get(1).copied().unwrap_or(first)]
}
