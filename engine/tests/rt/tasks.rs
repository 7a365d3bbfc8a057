//! Tasks: scheduled, never run inside their spawner; a panic costs one task; the shard never sleeps upon a runnable one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};

use flatend::rt::{self, Flag, TurnEnd, WaitQueue};

use crate::shard;

#[test]
fn spawn_does_not_poll_inside_its_caller() {
    shard::run(|| async {
        let ran = Rc::new(Flag::default());
        let inner = ran.clone();
        rt::spawn(async move { inner.set() });
        assert!(!ran.is_set());
        ran.wait().await;
    });
}

#[test]
fn a_panic_ends_its_task_alone_and_is_counted() {
    let panics = shard::run(|| async {
        let survivor = Rc::new(Flag::default());
        let inner = survivor.clone();
        rt::spawn(async {
            rt::yield_now().await;
            panic!("on purpose");
        });
        rt::spawn(async move {
            for _ in 0..100 {
                rt::yield_now().await;
            }
            inner.set();
        });
        survivor.wait().await;
        rt::stats().panics
    });
    assert_eq!(panics, 1);
}

#[test]
fn a_thread_that_blocks_does_not_hold_the_shard_up() {
    shard::run(|| async {
        // The work ends only when the shard has run another task meanwhile.
        let (send, receive) = mpsc::channel();
        rt::spawn(async move {
            for _ in 0..10 {
                rt::sleep(1).await;
            }
            send.send(42).ok();
        });
        assert_eq!(
            rt::run_blocking(move || receive.recv().ok()).await,
            Ok(Some(42))
        );
    });
}

#[test]
fn a_panic_of_blocking_work_is_an_error_and_given_up_work_harms_nobody() {
    shard::run(|| async {
        let panicked = rt::run_blocking(|| -> u32 { panic!("on purpose") }).await;
        assert!(panicked.is_err());
        for _ in 0..20 {
            let (release, released) = mpsc::channel::<()>();
            let given_up = rt::run_blocking(move || released.recv().ok());
            assert!(rt::timeout(1, given_up).await.is_err());
            // Its bell rings when nobody listens any more, and its key may belong to the next one.
            drop(release);
            assert_eq!(rt::run_blocking(|| 1).await, Ok(1));
        }
    });
}

/// Tasks that pass tokens in a ring, by wakers alone: no timer, no socket. A shard that slept while one was runnable would
/// sleep for ever, and the watchdog of `shard::run` would tell.
#[test]
fn a_ring_of_tasks_that_wake_each_other_never_stands_still() {
    const TASKS: usize = 500;
    const HOPS: usize = 300_000;
    struct Ring {
        waiting: Vec<RefCell<Option<Waker>>>,
        tokens: Vec<Cell<u32>>,
        hops: Cell<usize>,
        over: Flag,
    }
    shard::run(|| async {
        let ring = Rc::new(Ring {
            waiting: (0..TASKS).map(|_| RefCell::new(None)).collect(),
            tokens: (0..TASKS).map(|_| Cell::new(0)).collect(),
            hops: Cell::new(0),
            over: Flag::default(),
        });
        for i in 0..TASKS {
            let ring = ring.clone();
            rt::spawn(std::future::poll_fn(move |cx| {
                while ring.tokens[i].get() > 0 {
                    ring.tokens[i].set(ring.tokens[i].get() - 1);
                    ring.hops.set(ring.hops.get() + 1);
                    if ring.hops.get() >= HOPS {
                        ring.over.set();
                        return Poll::Ready(());
                    }
                    let next = (i * 7 + 1) % TASKS;
                    ring.tokens[next].set(ring.tokens[next].get() + 1);
                    if let Some(waker) = ring.waiting[next].take() {
                        waker.wake();
                    }
                    if next == i {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                *ring.waiting[i].borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }));
        }
        // A few tokens, so that turns with one and with several runnable tasks mix.
        for i in [0, 3, 200] {
            ring.tokens[i].set(1);
        }
        ring.over.wait().await;
    });
}

/// Work that moves on at the end of turns only, as corked links do: the hook wakes a task, the task asks for the next hook.
#[test]
fn what_a_turn_end_wakes_runs_before_the_shard_sleeps() {
    #[derive(Default)]
    struct Hook {
        rounds: Cell<u32>,
        woken: WaitQueue,
    }
    impl TurnEnd for Hook {
        fn turn_end(self: Rc<Self>) {
            self.rounds.set(self.rounds.get() + 1);
            self.woken.wake_all();
        }
    }
    let rounds = shard::run(|| async {
        let hook = Rc::new(Hook::default());
        for round in 1..=20_000 {
            rt::at_turn_end(hook.clone());
            hook.woken
                .until(|| (hook.rounds.get() >= round).then_some(()))
                .await;
        }
        hook.rounds.get()
    });
    assert_eq!(rounds, 20_000);
}

/// Tasks that spawn tasks, across many turns, with timers in between.
#[test]
fn spawned_tasks_all_run() {
    let count = shard::run(|| async {
        let left = Rc::new(Cell::new(50_000u32));
        let over = Rc::new(Flag::default());
        let queue: Rc<RefCell<VecDeque<u32>>> = Rc::default();
        fn grow(
            depth: u32,
            left: Rc<Cell<u32>>,
            over: Rc<Flag>,
            queue: Rc<RefCell<VecDeque<u32>>>,
        ) {
            rt::spawn(async move {
                queue.borrow_mut().push_back(depth);
                if depth % 1_000 == 0 {
                    rt::sleep(1).await;
                }
                if left.get() == 0 {
                    return over.set();
                }
                left.set(left.get() - 1);
                grow(depth + 1, left, over, queue);
            });
        }
        for _ in 0..3 {
            grow(0, left.clone(), over.clone(), queue.clone());
        }
        over.wait().await;
        queue.take().len()
    });
    assert!(count >= 50_000);
}

/// A thread that is no shard knows nothing but the waker. Such a wake does not ring the readiness set: it was seen to take up to
/// 200 ms, which is why shards talk by mailboxes and users' code is run by `rt::hear`; but it must arrive.
#[test]
fn a_wake_from_another_thread_reaches_a_sleeping_shard() {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::Arc;
    shard::run(|| async {
        for _ in 0..3 {
            let done = Arc::new(AtomicBool::new(false));
            let (send, wakers) = mpsc::channel::<Waker>();
            let told = done.clone();
            let thread = std::thread::spawn(move || {
                let waker = wakers.recv().expect("the task parks");
                // Long enough for the shard to fall asleep.
                std::thread::sleep(std::time::Duration::from_millis(2));
                told.store(true, Ordering::SeqCst);
                waker.wake();
            });
            let finished = Rc::new(Flag::default());
            let flag = finished.clone();
            rt::spawn(async move {
                let mut send = Some(send);
                std::future::poll_fn(move |cx| {
                    if let Some(send) = send.take() {
                        send.send(cx.waker().clone()).expect("the thread waits");
                    }
                    if done.load(Ordering::SeqCst) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                flag.set();
            });
            finished.wait().await;
            thread.join().expect("no panic");
        }
    });
}

/// Fifty wakes of another thread, each when the shard has fallen asleep: without a bell they took 2 to 10 s.
#[test]
fn what_is_heard_is_woken_by_other_threads_at_once() {
    let took = shard::run(|| async {
        let (send, wakers) = mpsc::channel::<Waker>();
        let thread = std::thread::spawn(move || {
            for waker in wakers {
                std::thread::sleep(std::time::Duration::from_millis(2));
                waker.wake();
            }
        });
        let begun = std::time::Instant::now();
        rt::hear(async move {
            for _ in 0..50 {
                let mut asked = false;
                std::future::poll_fn(|cx| {
                    if std::mem::replace(&mut asked, true) {
                        return Poll::Ready(());
                    }
                    send.send(cx.waker().clone()).expect("the thread waits");
                    Poll::Pending
                })
                .await;
            }
        })
        .await;
        thread.join().expect("no panic");
        begun.elapsed()
    });
    assert!(took < std::time::Duration::from_millis(1_500), "{took:?}");
}

/// Found by an attacker: a task that yields and is runnable again at once kept the shard from its sockets, timers and flushes.
#[test]
fn a_task_that_always_has_work_starves_nobody() {
    let (rounds, hooks) = shard::run(|| async {
        struct Hook(Cell<u32>);
        impl rt::TurnEnd for Hook {
            fn turn_end(self: Rc<Self>) {
                self.0.set(self.0.get() + 1);
            }
        }
        let (over, rounds) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0u64)));
        let (stop, count) = (over.clone(), rounds.clone());
        rt::spawn(async move {
            while !stop.get() {
                count.set(count.get() + 1);
                rt::yield_now().await;
            }
        });
        let hook = Rc::new(Hook(Cell::new(0)));
        rt::at_turn_end(hook.clone());
        // Neither the timer nor the clock would move.
        let begun = rt::now();
        rt::sleep(50).await;
        assert!(rt::now().0 >= begun.0 + 50);
        over.set(true);
        (rounds.get(), hook.0.get())
    });
    assert!(rounds > 100, "{rounds} rounds");
    assert_eq!(hooks, 1);
}
