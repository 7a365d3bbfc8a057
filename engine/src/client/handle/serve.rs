//! A foreign thread's request on its shard: one task that drives the call and moves both bodies, woken by the call and by
//! pokes.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use flatend_codec::Millis;

use super::super::head::ResponseHead;
use super::super::request::{Body, Request};
use super::super::upload::Upload;
use super::exchange::{Answer, Exchange, Next};
use crate::call::Call;
use crate::error::{CallError, Fault};
use crate::idmap::IdMap;
use crate::routing::ProviderKey;
use crate::rt::{self, Timer};
use crate::shard::{Shard, Work};

/// Tasks of a shard that wait for pokes, by the number of their exchange.
#[derive(Default)]
pub(crate) struct Served(RefCell<IdMap<u64, Waker>>);

impl Served {
    /// Wakes the task of an exchange, if it has not ended.
    pub(crate) fn poke(&self, exchange: &Exchange) {
        exchange.poke_arrived();
        let waker = self.0.borrow_mut().remove(&exchange.id);
        waker.into_iter().for_each(Waker::wake);
    }
}

/// A request on its way to its shard. If it never arrives, because the shard has ended, who waits is told.
pub(super) struct Starting {
    pub(super) exchange: Arc<Exchange>,
    /// Until it is served.
    pub(super) request: Option<Request>,
    pub(super) at: Option<ProviderKey>,
    pub(super) begun: Instant,
    pub(super) streamed: bool,
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.exchange.abandon();
    }
}

impl Starting {
    /// Serves it as a task of `shard`.
    pub(super) fn start(mut self, shard: &Rc<Shard>) {
        let Some(request) = self.request.take() else {
            return;
        };
        let (shard, work) = (shard.clone(), Work::begin(shard));
        rt::spawn(async move {
            let _work = work;
            let task = Task {
                shard: &shard,
                exchange: &self.exchange,
            };
            task.run(&self, request).await;
            // Dropped with what it has: a response that was not ended is ended by that.
        });
    }
}

struct Task<'a> {
    shard: &'a Rc<Shard>,
    exchange: &'a Arc<Exchange>,
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        let waker = self.shard.served.0.borrow_mut().remove(&self.exchange.id);
        drop(waker);
    }
}

/// Where the request's body comes from.
enum Source {
    Whole(Upload),
    Streamed { done: bool },
}

impl Task<'_> {
    async fn run(&self, starting: &Starting, request: Request) {
        let mut request = request.waited(starting.begun.elapsed());
        let body = std::mem::take(&mut request.body);
        let until = request.until();
        let kind = match (starting.streamed, body.len()) {
            (true, _) => Body::Streamed,
            (false, 0) => Body::None,
            (false, len) => Body::Whole(len),
        };
        let set = match starting.at {
            None => self.shard.client().set_for(&request),
            Some(at) => self.shard.set_at(request.names().clone(), at),
        };
        let call = match self.shard.client().start(request, set, kind) {
            Ok(call) => call,
            Err(error) => return self.exchange.answer(Err(error)),
        };
        let mut source = match kind {
            Body::Streamed => Source::Streamed { done: false },
            Body::None | Body::Whole(_) => Source::Whole(Upload::new(body)),
        };
        match self.answered(&call, &mut source).await {
            None => return,
            Some(Err(error)) => return self.exchange.answer(Err(error)),
            Some(Ok(answer)) => self.exchange.answer(Ok(answer)),
        }
        self.pass_on(&call, &mut source, until).await;
    }

    /// The head of the response; `None` if nobody waits for it any more.
    async fn answered(
        &self,
        call: &Call,
        source: &mut Source,
    ) -> Option<Result<Answer, CallError>> {
        let mut response = std::pin::pin!(call.response());
        let headers = std::future::poll_fn(|cx| {
            self.park(cx);
            if self.exchange.is_cancelled() {
                return Poll::Ready(None);
            }
            if self.exchange.is_body_dropped() {
                let dropped = CallError::Broken(Fault::BodyDropped);
                return Poll::Ready(Some(Err(dropped)));
            }
            let polled = response.as_mut().poll(cx);
            if polled.is_pending() {
                source.pump(self.exchange, call, cx);
            }
            polled.map(Some)
        });
        let head = match headers.await? {
            Ok(headers) => ResponseHead::new(headers).inspect_err(|_| call.blame_provider()),
            Err(error) => Err(error),
        };
        Some(head.map(|head| Answer {
            head,
            provider: call.provider_info(),
            tries: call.tries(),
        }))
    }

    /// Moves both bodies until they are over.
    async fn pass_on(&self, call: &Call, source: &mut Source, until: Option<Millis>) {
        let timer = Timer::new();
        let mut ended = false;
        std::future::poll_fn(|cx| {
            self.park(cx);
            if self.exchange.is_cancelled() {
                return Poll::Ready(());
            }
            let body_is_over = source.pump(self.exchange, call, cx);
            if !ended && self.is_given_up(call, until, &timer, cx) {
                return Poll::Ready(());
            }
            if !ended {
                ended = self.pump_response(call, cx).is_ready();
            }
            match ended && body_is_over {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Whether our own side ends the response before its end.
    fn is_given_up(
        &self,
        call: &Call,
        until: Option<Millis>,
        timer: &Timer,
        cx: &mut Context<'_>,
    ) -> bool {
        if self.exchange.is_body_dropped() && !call.has_ended() {
            self.exchange.end(Err(Fault::BodyDropped));
            return true;
        }
        let Some(until) = until else {
            return false;
        };
        timer.set(until);
        if rt::now() < until && timer.poll(cx).is_pending() {
            return false;
        }
        self.exchange.end(Err(Fault::DeadlinePassed));
        true
    }

    /// Ready when all of the response has been handed over.
    fn pump_response(&self, call: &Call, cx: &Context<'_>) -> Poll<()> {
        let mut any = false;
        let end = loop {
            if !self.exchange.has_room() {
                break None;
            }
            match call.poll_data(cx) {
                Poll::Ready(Ok(Some(bytes))) => {
                    self.exchange.push(bytes);
                    any = true;
                }
                Poll::Ready(Ok(None)) => break Some(Ok(())),
                Poll::Ready(Err(fault)) => break Some(Err(fault)),
                Poll::Pending => break None,
            }
        };
        match end {
            Some(end) => {
                if call.has_trailers() {
                    self.exchange.set_trailers(call.trailers());
                }
                self.exchange.end(end);
                Poll::Ready(())
            }
            None => {
                if any {
                    self.exchange.wake_reader();
                }
                Poll::Pending
            }
        }
    }

    /// Pokes find the task.
    fn park(&self, cx: &Context<'_>) {
        let mut served = self.shard.served.0.borrow_mut();
        match served.get(&self.exchange.id) {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => {
                served.insert(self.exchange.id, cx.waker().clone());
            }
        }
    }
}

impl Source {
    /// Sends what there is and what the provider takes. True when nothing is left to do.
    fn pump(&mut self, exchange: &Exchange, call: &Call, cx: &Context<'_>) -> bool {
        let done = match self {
            Source::Whole(upload) => {
                upload.poll(call, cx);
                return upload.is_done();
            }
            Source::Streamed { done } => done,
        };
        while !*done {
            match call.poll_room(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => {
                    exchange.refuse_body();
                    *done = true;
                }
                Poll::Ready(Ok(())) => match exchange.next_piece() {
                    Next::Piece(bytes) => send(exchange, call, bytes),
                    Next::Nothing => break,
                    Next::Gone => *done = true,
                    Next::End(trailers) => {
                        call.finish_with(trailers);
                        *done = true;
                    }
                },
            }
        }
        *done
    }
}

fn send(exchange: &Exchange, call: &Call, bytes: Bytes) {
    if call.push(bytes).is_err() {
        exchange.refuse_body();
    }
}
