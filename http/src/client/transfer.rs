//! One request and its response over one connection, both directions at once in the connection's task.

use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::task::{ready, Context, Poll};

use bytes::{Buf, BytesMut};
use flatend::rt::{self, make_room};
use flatend::{header_block, Fault};

use super::connection::Wire;
use super::exchange::Job;
use super::upstream::Inner;
use super::UpstreamEvent;
use crate::error::{ResponseError, UpstreamError};
use crate::h1::{ClientNext, FieldScratch, ParsedResponse, Version};
use crate::limits::{SLICE_BYTES_MIN, TURN_BYTES_MAX};

/// First read buffer of a response; most are one read of it.
pub(super) const READ_BUFFER_BYTES: usize = 16 * 1024;

/// Read buffer while a large body comes.
const BULK_BUFFER_BYTES: usize = 128 * 1024;

/// Output gathered before it is sent.
const GATHER_BYTES: usize = 64 * 1024;

/// How a request's time on a connection ended.
pub(super) enum End {
    /// The connection may take another request.
    Idle { keep_alive_s: Option<u64> },
    /// No byte of the request left, and none came: nobody has seen it.
    Unsent,
    /// The connection died before a byte of the response came.
    Unanswered,
    /// The connection must be closed; the response has its end or its fault.
    Closed,
}

/// What a step left to do.
enum Step {
    End(End),
    /// Other tasks first.
    GiveWay,
}

struct Transfer<'a> {
    upstream: &'a Inner,
    wire: &'a mut Wire,
    job: &'a mut Job,
    /// A byte of the request left.
    sent: bool,
    /// A byte of the response came.
    received: bool,
    head_received: bool,
    /// The upstream takes no more of the request.
    write_broken: bool,
    /// The last read filled the buffer.
    bulk: bool,
    turn_bytes: usize,
}

/// Carries `job` over `wire`.
pub(super) async fn run(upstream: &Rc<Inner>, wire: &mut Wire, job: &mut Job) -> End {
    let mut transfer = Transfer {
        upstream,
        wire,
        job,
        sent: false,
        received: false,
        head_received: false,
        write_broken: false,
        bulk: false,
        turn_bytes: 0,
    };
    loop {
        match std::future::poll_fn(|cx| transfer.poll(cx)).await {
            Step::End(end) => {
                if !matches!(end, End::Unsent | End::Unanswered) {
                    transfer.job.exchange.close();
                }
                return end;
            }
            Step::GiveWay => rt::yield_now().await,
        }
    }
}

impl Transfer<'_> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Step> {
        self.turn_bytes = 0;
        if self.job.exchange.is_given_up() || self.job.response.is_abandoned() {
            if !self.job.http.is_sent() || self.job.output.len() > 0 {
                // A request that is not whole: it must not look as if it were.
                self.wire.socket.reset_on_close();
            }
            return Poll::Ready(Step::End(End::Closed));
        }
        if self.job.exchange.is_ousted() {
            self.wire.socket.reset_on_close();
            self.job.response.fail(Fault::LinkLost { left: self.sent });
            return Poll::Ready(Step::End(End::Closed));
        }
        self.job.exchange.park_task(cx);
        if let Some(end) = self.write(cx) {
            return Poll::Ready(Step::End(end));
        }
        self.read(cx)
    }

    /// Sends what there is of the request. Gives an end only for a fault of the caller's.
    fn write(&mut self, cx: &Context<'_>) -> Option<End> {
        while !self.write_broken {
            if let Err(error) = self.gather() {
                // The caller broke its own content-length: the upstream sees a cut, never a whole request.
                self.wire.socket.reset_on_close();
                let what = match error {
                    ResponseError::BodyTooLong => "its body is longer than its content-length",
                    ResponseError::BodyTooShort => "its body is shorter than its content-length",
                    _ => "its body cannot be framed",
                };
                self.job
                    .response
                    .fail(Fault::RequestBroken(what.to_owned()));
                return Some(End::Closed);
            }
            let waiting = self.job.output.len();
            if waiting == 0 {
                return None;
            }
            match self.job.output.send(&self.wire.socket) {
                Ok(_) => {
                    self.sent = true;
                    self.job.exchange.open();
                    self.job.exchange.moved();
                    self.turn_bytes += waiting - self.job.output.len();
                    if self.turn_bytes >= TURN_BYTES_MAX {
                        return None;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.wire.socket.poll_writable(cx).is_pending() {
                        return None;
                    }
                }
                Err(_) => {
                    // It may have answered before it closed; reading tells.
                    self.write_broken = true;
                    if self.sent {
                        self.job.exchange.close();
                    }
                }
            }
        }
        None
    }

    /// Frames pieces of the body into the output until enough waits there.
    fn gather(&mut self) -> Result<(), ResponseError> {
        while self.job.output.len() < GATHER_BYTES {
            let Some(bytes) = self.job.exchange.take() else {
                if self.job.exchange.is_drained() && !self.job.http.is_sent() {
                    let last = self.job.http.send_end()?;
                    self.job.output.push(last);
                }
                return Ok(());
            };
            let piece = self.job.http.send_data(bytes.len())?;
            if piece.carries_data() {
                self.job.output.push(piece.prefix());
                self.job.output.push_slice(bytes);
                self.job.output.push(piece.suffix());
            }
        }
        Ok(())
    }

    fn read(&mut self, cx: &Context<'_>) -> Poll<Step> {
        loop {
            if self.turn_bytes >= TURN_BYTES_MAX {
                return Poll::Ready(Step::GiveWay);
            }
            match self.decode() {
                Ok(true) => return Poll::Ready(Step::End(self.answered())),
                Ok(false) => {}
                Err(error) => return Poll::Ready(Step::End(self.malformed(&error))),
            }
            // Bytes are read only while the caller has room for what they bring.
            ready!(self.job.response.poll_room(cx));
            if self.job.response.is_abandoned() {
                return Poll::Ready(Step::End(End::Closed));
            }
            let room = if self.bulk {
                BULK_BUFFER_BYTES
            } else {
                READ_BUFFER_BYTES
            };
            make_room(&mut self.wire.input, room / 2, room);
            let spare = self.wire.input.capacity() - self.wire.input.len();
            match ready!(self.wire.socket.poll_recv(cx, &mut self.wire.input)) {
                Ok(0) => return Poll::Ready(Step::End(self.ended(None))),
                Ok(bytes) => {
                    self.received = true;
                    self.job.exchange.moved();
                    self.bulk = bytes >= spare / 2;
                    self.turn_bytes += bytes;
                }
                Err(error) => return Poll::Ready(Step::End(self.ended(Some(&error)))),
            }
        }
    }

    /// Hands on what is in the read buffer. True: the response is complete.
    fn decode(&mut self) -> Result<bool, UpstreamError> {
        while !self.head_received {
            if self.wire.input.is_empty() {
                return Ok(false);
            }
            let mut scratch = FieldScratch::new();
            let consumed = match self.job.http.recv_head(&self.wire.input, &mut scratch)? {
                ParsedResponse::Partial => return Ok(false),
                ParsedResponse::Interim(consumed) => consumed,
                ParsedResponse::Head(head, consumed) => {
                    let mut block = header_block();
                    head.to_block(&mut block)?;
                    self.upstream.note_version(head.version == Version::Http10);
                    self.job.response.head(block);
                    self.head_received = true;
                    consumed
                }
            };
            self.wire.input.advance(consumed);
        }
        let mut small = BytesMut::new();
        let done = self.decode_body(&mut small);
        self.hand_on(&mut small);
        done
    }

    /// Hands on what is in the read buffer of the body, but for the last small pieces, which are left in `small`: a server that
    /// sends chunks of a byte must not make a piece of each.
    fn decode_body(&mut self, small: &mut BytesMut) -> Result<bool, UpstreamError> {
        loop {
            let step = self.job.http.recv_body(&self.wire.input)?;
            if step.data.len() < SLICE_BYTES_MIN {
                let data = self.wire.input.get(step.data).unwrap_or_default();
                if small.is_empty() {
                    *small = BytesMut::from(data);
                } else {
                    small.extend_from_slice(data);
                }
                self.wire.input.advance(step.consumed);
            } else {
                self.hand_on(small);
                let taken = self.wire.input.split_to(step.consumed).freeze();
                self.job.response.data(taken.slice(step.data));
            }
            if step.done || step.consumed == 0 {
                return Ok(step.done);
            }
        }
    }

    fn hand_on(&self, small: &mut BytesMut) {
        if !small.is_empty() {
            self.job.response.data(small.split().freeze());
        }
    }

    /// The response is complete.
    fn answered(&mut self) -> End {
        self.job.response.finish();
        let left = self.wire.input.len();
        if left > 0 {
            self.upstream.report(UpstreamEvent::LeftOver {
                upstream: self.upstream.label(),
            });
        }
        match self.job.http.next(left) {
            ClientNext::Idle if self.job.output.len() == 0 && !self.write_broken => End::Idle {
                keep_alive_s: self.job.http.keep_alive_s(),
            },
            _ => End::Closed,
        }
    }

    fn malformed(&mut self, error: &UpstreamError) -> End {
        self.wire.socket.reset_on_close();
        self.upstream.report(UpstreamEvent::BadResponse {
            upstream: self.upstream.label(),
            what: error.to_string(),
        });
        self.job.response.fail(Fault::Malformed(error.to_string()));
        End::Closed
    }

    /// The connection came to its end: FIN, or an error of the system.
    fn ended(&mut self, error: Option<&io::Error>) -> End {
        if !self.sent && !self.received {
            return End::Unsent;
        }
        if !self.received {
            return End::Unanswered;
        }
        // A reset is no end of a body that the end of the connection ends.
        if error.is_none() && self.job.http.recv_end().is_ok() {
            self.job.response.finish();
        } else {
            self.job.response.fail(Fault::LinkLost { left: self.sent });
        }
        End::Closed
    }
}
