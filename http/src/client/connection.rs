//! The task of one connection: dials, carries one request at a time, rests in the pool between two.
//!
//! ```text
//!  dial ──▶ transfer ──▶ rest ──next request──▶ still open? ──yes──▶ transfer
//!    ▲                     │ old, FIN, bytes        │ no, or the first write failed: nothing was read there
//!    └─────────────────────┼────────────────────────┘
//!                          ▼
//!                        close
//! ```

use std::future::Future;
use std::io::ErrorKind;
use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::BytesMut;
use flatend::rt::{make_room, Socket, Timer};
use flatend::Fault;

use super::connect;
use super::exchange::Job;
use super::transfer::{self, End, READ_BUFFER_BYTES};
use super::upstream::Inner;
use super::UpstreamEvent;
use crate::limits::{BODILESS_REST_MS, IDLE_CONNECTION_MS, IDLE_MARGIN_MS};
use crate::net::queue::OutQueue;

/// A connection and what was read from it and not used yet.
pub(super) struct Wire {
    pub(super) socket: Socket,
    pub(super) input: BytesMut,
}

/// Room to look for what an idle connection should not send.
const LOOK_BYTES: usize = 64;

impl Wire {
    /// Ready when an idle connection is not silent, as it should be.
    fn poll_stale(&mut self, cx: &Context<'_>) -> Poll<Stale> {
        loop {
            ready!(self.socket.poll_readable(cx));
            if let Some(stale) = self.look() {
                return Poll::Ready(stale);
            }
        }
    }

    /// What an idle connection has to say: `None` if nothing, as it should be.
    fn look(&mut self) -> Option<Stale> {
        make_room(&mut self.input, LOOK_BYTES, LOOK_BYTES);
        match self.socket.try_recv(&mut self.input) {
            Ok(0) => Some(Stale::Gone),
            Ok(_) => Some(Stale::LeftOver),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(_) => Some(Stale::Gone),
        }
    }
}

/// Why an idle connection cannot be used again.
enum Stale {
    /// FIN or reset.
    Gone,
    /// It sent bytes that nobody asked for.
    LeftOver,
}

/// Runs a connection from its first request to its end.
pub(super) async fn run(upstream: Rc<Inner>, first: Job) {
    let counted = upstream.pool.count();
    let mut job = first;
    let mut kept: Option<Wire> = None;
    loop {
        counted.carries(Some(&job.exchange));
        let reused = kept.is_some();
        let mut wire = match kept.take() {
            Some(wire) => wire,
            None => match dial(&upstream, &job).await {
                Some(Ok(socket)) => Wire {
                    socket,
                    input: BytesMut::new(),
                },
                Some(Err(())) => {
                    job.exchange.close();
                    job.response.fail(Fault::LinkLost { left: false });
                    return;
                }
                // Given up before there was a connection.
                None => return,
            },
        };
        match transfer::run(&upstream, &mut wire, &mut job).await {
            // The upstream had closed it before a byte of the request left: a fresh one, whatever the method.
            End::Unsent if reused => continue,
            End::Unsent => {
                job.exchange.close();
                job.response.fail(Fault::LinkLost { left: false });
                return;
            }
            End::Unanswered => {
                // It was kept, and may have died of age: once more over a fresh one, if that does no harm.
                let Some(head) = job.again.take().filter(|_| reused) else {
                    job.exchange.close();
                    job.response.fail(Fault::LinkLost { left: true });
                    return;
                };
                job.output = OutQueue::default();
                job.output.push(&head);
                job.http.repeat();
                continue;
            }
            End::Closed => return,
            End::Idle { keep_alive_s } => {
                let bodiless = job.http.is_bodiless();
                drop(job);
                counted.carries(None);
                if bodiless && !stays_silent(&upstream, &mut wire).await {
                    return;
                }
                let keep_ms = keep_alive_s.map_or(IDLE_CONNECTION_MS, |seconds| {
                    let theirs = seconds.saturating_mul(1_000);
                    theirs
                        .saturating_sub(IDLE_MARGIN_MS)
                        .min(IDLE_CONNECTION_MS)
                });
                match rest(&upstream, &mut wire, keep_ms).await {
                    Some(next) => job = next,
                    None => return,
                }
            }
        }
        // One receive more a request: without it a FIN of this very turn would cost a request that may not be repeated.
        wire.socket.look_again();
        kept = match wire.look() {
            None => Some(wire),
            Some(stale) => {
                tell(&upstream, &stale);
                None
            }
        };
    }
}

/// Connects; `None` if the request was given up meanwhile.
async fn dial(upstream: &Rc<Inner>, job: &Job) -> Option<Result<Socket, ()>> {
    let mut dialing = std::pin::pin!(connect::dial(upstream));
    std::future::poll_fn(|cx| {
        if job.exchange.is_given_up() {
            return Poll::Ready(None);
        }
        job.exchange.park_task(cx);
        // The reason was told by who dialed.
        dialing
            .as_mut()
            .poll(cx)
            .map(|result| Some(result.map_err(drop)))
    })
    .await
}

/// Waits for the next request. `None`: the connection is too old, gone, or not wanted.
async fn rest(upstream: &Rc<Inner>, wire: &mut Wire, keep_ms: u64) -> Option<Job> {
    if wire.input.capacity() > 2 * READ_BUFFER_BYTES {
        // An idle connection holds no large buffer.
        wire.input = BytesMut::new();
    }
    let resting = upstream.pool.rest()?;
    let timer = Timer::new();
    timer.set_after(keep_ms);
    std::future::poll_fn(|cx| {
        if let Some(job) = resting.idle.take() {
            return Poll::Ready(Some(job));
        }
        if let Poll::Ready(stale) = wire.poll_stale(cx) {
            tell(upstream, &stale);
            return Poll::Ready(None);
        }
        resting.idle.park(cx);
        timer.poll(cx).map(|()| None)
    })
    .await
}

/// Whether nothing comes for a moment, as it should be.
async fn stays_silent(upstream: &Rc<Inner>, wire: &mut Wire) -> bool {
    let timer = Timer::new();
    timer.set_after(BODILESS_REST_MS);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(stale) = wire.poll_stale(cx) {
            tell(upstream, &stale);
            return Poll::Ready(false);
        }
        timer.poll(cx).map(|()| true)
    })
    .await
}

fn tell(upstream: &Inner, stale: &Stale) {
    if let Stale::LeftOver = stale {
        upstream.report(UpstreamEvent::LeftOver {
            upstream: upstream.label(),
        });
    }
}
