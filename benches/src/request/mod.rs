//! One whole request in this process, without sockets: from the bytes of an HTTP client over the gateway, a link of flatend/2 and a
//! service, and back to bytes for the client. What runs are the functions of the data path; what does not are the runtime, the
//! call's bookkeeping and the kernel. Alone, and sixteen in a turn, which share a frame each way. The floor is what no such path can
//! do without: httparse, matchit, ring on plaintexts of the same lengths, and a copy wherever bytes change hands.

mod floor;
mod gateway;
mod provider;
mod way;

use crate::{head, router, Case};
use floor::Floor;
pub use way::Way;

/// Requests that one turn gathers.
const TURNS: [usize; 2] = [1, 16];

/// What is asked, among how many routes, and what comes back.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// What it is called.
    pub name: &'static str,
    /// The request's head.
    head: &'static [u8],
    /// How many routes there are.
    routes: usize,
    /// Bytes of the response's body.
    body_bytes: usize,
}

/// A load generator's hello, the same among more routes, and a page for a browser.
pub const WORKLOADS: [Workload; 3] = [
    Workload {
        name: "hello, 24 routes",
        head: head::SMALL,
        routes: router::PATHS.len(),
        body_bytes: 13,
    },
    Workload {
        name: "hello, 200 routes",
        head: head::SMALL,
        routes: 200,
        body_bytes: 13,
    },
    Workload {
        name: "browser, 200 routes, 4 KiB",
        head: head::BROWSER,
        routes: 200,
        body_bytes: 4_096,
    },
];

impl Workload {
    fn body(&self) -> Vec<u8> {
        (b'a'..=b'z').cycle().take(self.body_bytes).collect()
    }
}

/// Each workload in each turn, beside its floor.
///
/// # Panics
/// When the path does not bring back what was asked for.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for workload in WORKLOADS {
        for turn in TURNS {
            let way = Way::new(workload, turn);
            let floor = floor_of(workload, turn);
            cases.push(Box::new(way));
            cases.push(Box::new(floor));
        }
    }
    cases
}

/// The floor of a workload: its frames and answers are as long as those that the path makes.
///
/// # Panics
/// As [`cases`].
pub fn floor_of(workload: Workload, turn: usize) -> Floor {
    let mut way = Way::new(workload, turn);
    way.turn(turn);
    Floor::new(&way)
}

fn name_of(workload: &Workload, turn: usize, how: &str) -> String {
    match turn {
        1 => format!("{}, alone/{how}", workload.name),
        _ => format!("{}, {turn} in a turn/{how}", workload.name),
    }
}
