//! A bounded number of passes for threads that are no shard: who comes when there are none waits in line, whatever drives its
//! future. Owns no work. As [`Permits`](super::Permits), but `Send`: a lock, taken for a few instructions. The line is as long as the
//! futures that the program keeps waiting, and costs each its place's logarithm.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A counted supply of passes.
#[derive(Clone)]
pub(crate) struct Gate {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    free: usize,
    closed: bool,
    next: u64,
    /// Who waits, by the order of asking.
    line: BTreeMap<u64, Waker>,
    /// Places whose pass is theirs and who have not looked yet.
    granted: HashSet<u64>,
}

/// The right to do one thing; goes back on drop, straight to the one who waited longest.
pub(crate) struct Pass {
    gate: Gate,
}

/// No pass is given any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Gate {
    pub(crate) fn new(passes: usize) -> Gate {
        Gate {
            inner: Arc::new(Mutex::new(Inner {
                free: passes,
                ..Inner::default()
            })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing between lock and unlock leaves it half changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a pass, in the order of asking.
    pub(crate) fn take(&self) -> Take {
        Take {
            gate: self.clone(),
            place: None,
        }
    }

    /// Gives no pass any more. Those that are out stay valid; who waits is told.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let line = std::mem::take(&mut inner.line);
        drop(inner);
        line.into_values().for_each(Waker::wake);
    }

    fn give_back(&self) {
        let mut inner = self.lock();
        match inner.line.pop_first() {
            None => inner.free += 1,
            Some((place, waker)) => {
                inner.granted.insert(place);
                drop(inner);
                waker.wake();
            }
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.give_back();
    }
}

/// The wait for a pass.
pub(crate) struct Take {
    gate: Gate,
    place: Option<u64>,
}

impl Future for Take {
    type Output = Result<Pass, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Pass, Closed>> {
        let gate = self.gate.clone();
        let mut inner = gate.lock();
        if inner.closed {
            return Poll::Ready(Err(Closed));
        }
        match self.place {
            Some(place) if inner.granted.remove(&place) => {}
            Some(place) => {
                if let Some(waker) = inner.line.get_mut(&place) {
                    waker.clone_from(cx.waker());
                }
                return Poll::Pending;
            }
            None if inner.free > 0 => inner.free -= 1,
            None => {
                let place = inner.next;
                inner.next += 1;
                inner.line.insert(place, cx.waker().clone());
                self.place = Some(place);
                return Poll::Pending;
            }
        }
        drop(inner);
        self.place = None;
        Poll::Ready(Ok(Pass { gate }))
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        let Some(place) = self.place else {
            return;
        };
        let mut inner = self.gate.lock();
        if inner.granted.remove(&place) {
            drop(inner);
            self.gate.give_back();
        } else {
            inner.line.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(take: &mut Take) -> Poll<Result<Pass, Closed>> {
        Pin::new(take).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn passes_go_to_the_one_who_waited_longest_and_past_one_who_left() {
        let gate = Gate::new(1);
        let Poll::Ready(Ok(first)) = poll(&mut gate.take()) else {
            panic!("one is free");
        };
        let mut waiting: Vec<Take> = (0..3).map(|_| gate.take()).collect();
        assert!(waiting.iter_mut().all(|take| poll(take).is_pending()));
        let mut second = waiting.remove(1);
        drop(first);
        // Granted to the first in line, who leaves before it looks: the next one gets it.
        drop(waiting.remove(0));
        let second = poll(&mut second);
        assert!(second.is_ready());
        assert!(poll(&mut waiting[0]).is_pending());
        drop(second);
        let last = poll(&mut waiting[0]);
        assert!(last.is_ready());
        drop((last, waiting));
        let inner = gate.lock();
        assert_eq!(
            (inner.free, inner.line.len(), inner.granted.len()),
            (1, 0, 0)
        );
    }

    #[test]
    fn a_closed_gate_lets_nobody_through_and_tells_who_waits() {
        let gate = Gate::new(1);
        let pass = poll(&mut gate.take());
        let mut waiting = gate.take();
        assert!(poll(&mut waiting).is_pending());
        gate.close();
        assert!(matches!(poll(&mut waiting), Poll::Ready(Err(Closed))));
        drop(pass);
        assert!(matches!(poll(&mut gate.take()), Poll::Ready(Err(Closed))));
    }

    #[test]
    fn no_more_than_the_passes_are_out_whatever_threads_do() {
        let (gate, out) = (Gate::new(3), Arc::new(Mutex::new((0, 0))));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (gate, out) = (gate.clone(), out.clone());
                std::thread::spawn(move || {
                    for _ in 0..200 {
                        let pass = futures_lite::future::block_on(gate.take());
                        let mut count = out.lock().expect("the count");
                        count.0 += 1;
                        count.1 = count.0.max(count.1);
                        drop(count);
                        std::thread::yield_now();
                        out.lock().expect("the count").0 -= 1;
                        drop(pass);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("it ends");
        }
        let most = out.lock().expect("the count").1;
        assert!((1..=3).contains(&most), "{most}");
        assert_eq!(gate.lock().free, 3);
    }
}
