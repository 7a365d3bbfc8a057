//! Shards as pinned glommio executors, and the tasks on them. Owns nothing after start; refuses to run a task whose
//! panic could end its neighbours: a panic is caught at the task's edge and reported.

use std::cell::Cell;
use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use glommio::{GlommioError, LocalExecutorBuilder, Placement};

use super::limits::{RINGS_LOOK_MS, RINGS_RELEASE_MS, RING_DEPTH, RING_MEMORY_BYTES};
use super::reactor;

/// A running shard: join it to wait for its main future.
pub struct ShardThread {
    handle: std::thread::JoinHandle<Result<(), String>>,
}

impl ShardThread {
    /// Waits until the shard's main future has returned.
    ///
    /// # Errors
    /// A sentence, when the shard panicked outside a task or its executor could not be made (memlock, io_uring).
    pub fn join(self) -> Result<(), String> {
        self.handle
            .join()
            .unwrap_or_else(|panic| Err(panic_text(panic.as_ref())))
    }
}

/// The processors that this process may run on, in ascending order, from its affinity mask: cgroup cpusets and
/// `taskset` are respected, which glommio's own placement does not do.
pub fn allowed_cpus() -> Vec<usize> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU)
            .filter(|&cpu| set.is_set(cpu))
            .collect(),
        Err(_) => vec![0],
    }
}

/// Starts a shard on `cpu` (`None`: unpinned) and runs `main` on it until it returns. `ended` is called on the shard's
/// thread when the shard is over, whatever the reason: a shard that dies must not do so in silence.
///
/// # Errors
/// A sentence, when the thread could not be started.
pub fn start_shard<F, Fut>(
    cpu: Option<usize>,
    name: &str,
    ended: impl FnOnce(&Result<(), String>) + Send + 'static,
    main: F,
) -> Result<ShardThread, String>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let placement = cpu.map_or(Placement::Unbound, Placement::Fixed);
    let thread_name = name.to_owned();
    let run = move || {
        // The preempt timer stays at its default of 100 ms: with 2 ms, glommio was seen to sleep upon runnable tasks.
        let make = || {
            LocalExecutorBuilder::new(placement.clone())
                .name(&thread_name)
                .io_memory(RING_MEMORY_BYTES)
                .ring_depth(RING_DEPTH)
                .make()
        };
        let mut waited_ms = 0;
        let executor = loop {
            match make() {
                Ok(executor) => break executor,
                Err(err) if is_out_of_memory(&err) && waited_ms < RINGS_RELEASE_MS => {
                    std::thread::sleep(Duration::from_millis(RINGS_LOOK_MS));
                    waited_ms += RINGS_LOOK_MS;
                }
                Err(err) => return Err(format!("cannot start {thread_name}: {err}; if it is memory, raise the limit of locked memory (ulimit -l, LimitMEMLOCK)")),
            }
        };
        executor.run(live(main));
        Ok(())
    };
    let handle = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
                Err(format!(
                    "the shard panicked: {}",
                    panic_text(panic.as_ref())
                ))
            });
            ended(&result);
            result
        })
        .map_err(|err| format!("cannot start {name}: {err}"))?;
    Ok(ShardThread { handle })
}

fn is_out_of_memory(err: &GlommioError<()>) -> bool {
    let nomem = rustix::io::Errno::NOMEM.raw_os_error();
    matches!(err, GlommioError::IoError(err) if err.raw_os_error() == Some(nomem))
}

async fn live<F, Fut>(main: F)
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = ()> + 'static,
{
    reactor::install();
    let finished = std::rc::Rc::new(Cell::new(false));
    let done = finished.clone();
    let main = main();
    let counted = Counted {
        future: Box::pin(async move {
            main.await;
            done.set(true);
        }),
    };
    let task = glommio::spawn_local(counted);
    reactor::pump(&finished).await;
    task.await;
    reactor::uninstall();
}

/// Runs `future` as a task of this shard. Its first poll comes later in the turn, never inside the caller. A panic in it
/// is caught, counted and handed to the node's reporter (`on_panic`); it ends this task alone.
///
/// # Panics
/// On a thread that is no shard.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    reactor::note_spawn();
    glommio::spawn_local(Guarded {
        future: Box::pin(future),
        has_begun: false,
    })
    .detach();
}

/// Lets the other runnable tasks of the shard go first.
pub async fn yield_now() {
    futures_lite::future::yield_now().await;
}

/// Counts and reports a panic that the caller caught.
pub fn report_panic(panic: &(dyn std::any::Any + Send)) {
    reactor::note_panic(&panic_text(panic));
}

/// Counts a panic that the caller caught and reports itself; gives its text.
pub(crate) fn count_panic(panic: &(dyn std::any::Any + Send)) -> String {
    reactor::count_panic();
    panic_text(panic)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a text".to_owned()
    }
}

/// A task with its edge: begins later in the turn, and catches panics. Not written as a future around a future, which would hold the
/// inner one twice.
struct Guarded {
    future: Pin<Box<dyn Future<Output = ()>>>,
    has_begun: bool,
}

impl Future for Guarded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        reactor::note_poll();
        if !self.has_begun {
            self.has_begun = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let this = &mut *self;
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let polled = this.future.as_mut().poll(cx);
            if polled.is_ready() {
                this.let_go();
            }
            polled
        }));
        polled.unwrap_or_else(|panic| {
            report_panic(panic.as_ref());
            // What a broken task holds may break too.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| this.let_go())) {
                report_panic(panic.as_ref());
            }
            Poll::Ready(())
        })
    }
}

impl Guarded {
    /// Drops what the task holds.
    fn let_go(&mut self) {
        self.future = Box::pin(std::future::ready(()));
    }
}

/// Counts polls, so that the pump knows whether a round of the run queue ran anything.
struct Counted {
    future: Pin<Box<dyn Future<Output = ()>>>,
}

impl Future for Counted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        reactor::note_poll();
        self.future.as_mut().poll(cx)
    }
}
