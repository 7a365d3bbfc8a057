//! What a connection's task and its handler share: the socket, the protocol's state, both buffers and the timers; reading and
//! flushing with the client's timeouts.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::BytesMut;
use flatend::rt::{self, Socket, Timer};
use flatend::Millis;

use super::pace::Pace;
use super::record::Notes;
use super::{BodyRules, Client, OwnAnswer, Timeouts};
use crate::date::DateCache;
use crate::error::RequestError;
use crate::h1::{Answer, Connection};
use crate::limits::{Limits, REST_AFTER_MS, TURN_BYTES_MAX};
use crate::net::buffers;
use crate::net::queue::OutQueue;

/// Read buffer of a connection that uploads.
pub(super) const UPLOAD_BUFFER_BYTES: usize = 128 * 1024;

/// What a connection's task and its handler share.
pub(super) struct Io {
    pub(super) socket: Socket,
    pub(super) client: Client,
    pub(super) http: RefCell<Connection>,
    pub(super) input: RefCell<BytesMut>,
    pub(super) output: RefCell<OutQueue>,
    pub(super) timeouts: Timeouts,
    pub(super) read_timer: Timer,
    pub(super) write_timer: Timer,
    /// Until when a request is awaited.
    pub(super) patience: Cell<Millis>,
    /// Bytes of bodies read since the shard's other tasks last had a turn.
    turn_bytes: Cell<usize>,
    /// Of the current request's body.
    pub(super) pace: Pace,
    /// Of the current request, if it has a body.
    pub(super) body_rules: RefCell<Option<BodyRules>>,
    /// Of the current request, if the handler wants records and one has begun.
    pub(super) notes: RefCell<Option<Box<Notes>>>,
    /// When the first byte of the current head came.
    pub(super) head_began: Cell<Millis>,
    /// The server cut the connection, because it stops.
    pub(super) was_cut: Cell<bool>,
    /// The handler saw the client leave.
    pub(super) client_left: Cell<bool>,
    /// The connection cannot be used any more: reset, or a timeout of the client.
    pub(super) broken: Cell<bool>,
}

thread_local! {
    /// The Date of this second; one a shard.
    static DATES: RefCell<DateCache> = RefCell::new(DateCache::new(0));
}

/// Runs `f` with the current Date field.
pub(super) fn with_date<R>(f: impl FnOnce(&[u8; crate::date::DATE_BYTES]) -> R) -> R {
    DATES.with(|dates| f(dates.borrow_mut().at(rt::unix_seconds())))
}

impl Io {
    pub(super) fn new(socket: Socket, addr: SocketAddr, limits: Limits, timeouts: Timeouts) -> Io {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        Io {
            socket,
            client: Client::new(addr),
            http: RefCell::new(Connection::new(limits)),
            input: RefCell::new(BytesMut::new()),
            output: RefCell::default(),
            timeouts,
            read_timer: Timer::new(),
            write_timer: Timer::new(),
            patience: Cell::new(rt::now()),
            turn_bytes: Cell::new(0),
            pace: Pace::default(),
            body_rules: RefCell::new(None),
            notes: RefCell::new(None),
            head_began: Cell::new(rt::now()),
            was_cut: Cell::new(false),
            client_left: Cell::new(false),
            broken: Cell::new(false),
        }
    }

    /// Adds to the notes of the current request, if they are kept.
    pub(super) fn note(&self, f: impl FnOnce(&mut Notes)) {
        if let Some(notes) = self.notes.borrow_mut().as_mut() {
            f(notes);
        }
    }

    /// Counts bytes of a body.
    pub(super) fn spend(&self, bytes: usize) {
        self.turn_bytes.set(self.turn_bytes.get() + bytes);
    }

    /// Whether it is time to let the shard's other tasks go first; starts counting anew then.
    pub(super) fn is_turn_spent(&self) -> bool {
        let spent = self.turn_bytes.get() >= TURN_BYTES_MAX;
        if spent {
            self.turn_bytes.set(0);
        }
        spent
    }

    /// Reads what is there; waits for bytes. `Ok(0)`: the client's FIN.
    pub(super) fn poll_fill(&self, cx: &Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        loop {
            // Memory only once there is something to read.
            std::task::ready!(self.socket.poll_readable(cx));
            let mut input = self.input.borrow_mut();
            if input.capacity() == 0 {
                *input = buffers::take_input();
            }
            rt::make_room(&mut input, room / 2, room);
            match self.socket.try_recv(&mut input) {
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            if input.is_empty() {
                buffers::give_input(std::mem::take(&mut input));
            }
        }
    }

    /// The server stops: the response that is owed is the last one.
    pub(super) fn stop_after_response(&self) {
        let buffered = self.input.borrow().len();
        self.http.borrow_mut().shut_down(buffered);
    }

    /// A request is awaited from now on, `ms` at most. The timer wakes before that, so that the connection rests.
    pub(super) fn expect_request(&self, ms: u64) {
        self.patience.set(rt::now().after(ms));
        self.read_timer.set_after(ms.min(REST_AFTER_MS));
    }

    /// Gives back what memory is empty: the connection waits for its next request.
    pub(super) fn release_buffers(&self) {
        let mut input = self.input.borrow_mut();
        if input.is_empty() {
            buffers::give_input(std::mem::take(&mut input));
        }
        self.output.borrow_mut().release();
    }

    /// Reads more of a body within our patience. `Ok(0)`: the client's FIN.
    ///
    /// # Errors
    /// The outer one: patience is over, with what to answer. The inner one: the connection is gone.
    pub(super) async fn fill_body(&self, room: usize) -> Result<io::Result<usize>, RequestError> {
        let patience = self.pace.patience(&self.timeouts);
        let began = rt::now();
        self.read_timer.set_after(patience.ms);
        let filled = std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = self.poll_fill(cx, room) {
                return Poll::Ready(Some(result));
            }
            self.read_timer.poll(cx).map(|()| None)
        });
        let filled = filled.await;
        self.read_timer.clear();
        self.pace.waited(rt::now().0.saturating_sub(began.0));
        filled.ok_or(patience.error)
    }

    /// Sends what the socket takes now. `None`: some of it still waits.
    fn try_flush(&self) -> Option<Result<(), ()>> {
        if self.broken.get() {
            return Some(Err(()));
        }
        loop {
            let sent = self.output.borrow_mut().send(&self.socket);
            match sent {
                Ok(true) => {
                    self.write_timer.clear();
                    return Some(Ok(()));
                }
                Ok(false) => self.write_timer.set_after(self.timeouts.write_ms),
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => {
                    self.broken.set(true);
                    return Some(Err(()));
                }
            }
        }
    }

    /// Sends everything that waits, within the write timeout since the client last took something.
    pub(super) async fn flush(&self) -> Result<(), ()> {
        match self.try_flush() {
            Some(result) => result,
            // A client that does not keep up: in memory of its own, so that the usual answer stays small.
            None => Box::pin(self.flush_slowly()).await,
        }
    }

    /// Waits until the socket takes bytes, within the write timeout since the client last took something.
    pub(super) async fn wait_writable(&self) -> Result<(), ()> {
        if !self.write_timer.is_set() {
            self.write_timer.set_after(self.timeouts.write_ms);
        }
        if self.took_in_time().await {
            return Ok(());
        }
        self.broken.set(true);
        Err(())
    }

    /// The client took something that did not go through the queue.
    pub(super) fn took_some(&self) {
        self.write_timer.clear();
    }

    async fn flush_slowly(&self) -> Result<(), ()> {
        loop {
            self.wait_writable().await?;
            if let Some(result) = self.try_flush() {
                return result;
            }
        }
    }

    /// Waits until the socket takes bytes. False when the client took nothing for the write timeout: a slow client frees no
    /// room for a while and still takes some, which the kernel's count of unsent bytes shows.
    async fn took_in_time(&self) -> bool {
        let mut waiting = self.socket.unsent_bytes();
        loop {
            let writable = std::future::poll_fn(|cx| {
                if self.socket.poll_writable(cx).is_ready() {
                    return Poll::Ready(true);
                }
                self.write_timer.poll(cx).map(|()| false)
            });
            if writable.await {
                return true;
            }
            let left = self.socket.unsent_bytes();
            if left >= waiting {
                return false;
            }
            waiting = left;
            self.write_timer.set_after(self.timeouts.write_ms);
        }
    }

    /// Queues an answer of the server's own.
    pub(super) fn queue_answer(&self, answer: &OwnAnswer) {
        let mut output = self.output.borrow_mut();
        let before = output.tail().len();
        let fields: Vec<(&str, &str)> = answer
            .fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let result = with_date(|date| {
            let whole = Answer {
                status: answer.status,
                sentence: &answer.sentence,
                json: answer.json,
                request_id: (!answer.request_id.is_empty()).then_some(&answer.request_id),
                date,
                fields: &fields,
            };
            self.http.borrow_mut().send_answer(output.tail(), &whole)
        });
        output.appended(before);
        match result {
            Ok(()) => self.note(|notes| {
                notes.request_id(&answer.request_id);
                notes.status = Some(answer.status);
                notes.response_bytes = body_bytes(output.tail().get(before..).unwrap_or_default());
                notes.is_finished = true;
            }),
            // A response has begun already: all that is left is to cut it.
            Err(_) => self.http.borrow_mut().abort(),
        }
    }
}

/// Bytes of the body of a whole answer.
fn body_bytes(answer: &[u8]) -> u64 {
    let head_end = memchr::memmem::find(answer, b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    (answer.len() - head_end) as u64
}
