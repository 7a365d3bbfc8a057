//! What a thread that is no shard and a shard share of one request: the pieces of both bodies on their way, and how it ended.
//! Each side changes it under a lock that is held for a few instructions. The shard wakes the thread's wakers; the thread
//! never touches one of the shard's, which would be slow, but pokes the shard through its mailbox, at most once at a time.
//! The invariant that a change is likeliest to break: a response always ends, whatever becomes of the shard.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use flatend_codec::HeaderBlock;

use super::super::head::ResponseHead;
pub(super) use super::super::written::Written;
use super::super::ProviderInfo;
use super::open::Waited;
use crate::call::BodyRefused;
use crate::error::{CallError, Fault};
use crate::limits::{HANDLE_WINDOW_BYTES, QUEUED_PIECE_BYTES};
use crate::rt::{Address, Pass};
use crate::shard::Message;

/// A request of a thread that is no shard.
pub(crate) struct Exchange {
    /// Unique in the process.
    pub(super) id: u64,
    state: Mutex<State>,
    /// A poke is in the shard's mailbox.
    poked: AtomicBool,
    door: Address<Message>,
}

struct State {
    /// One of the requests that may be under way; goes back when the shard lets go of it, however long its response is kept.
    pass: Option<Pass>,
    // From the thread to the shard.
    body: Queue,
    body_trailers: HeaderBlock,
    written: Written,
    cancelled: bool,
    writer: Option<Waker>,
    // From the shard to the thread.
    answer: Option<Result<Answer, CallError>>,
    answered: bool,
    response: Queue,
    trailers: HeaderBlock,
    end: Option<Result<(), Fault>>,
    /// The shard has nothing to do with it any more.
    let_go: bool,
    reader: Option<Waker>,
}

/// The head of a response, and whose it is.
pub(super) struct Answer {
    pub(super) head: ResponseHead,
    pub(super) provider: Option<ProviderInfo>,
    pub(super) tries: u32,
}

/// What the shard finds of the request's body.
pub(super) enum Next {
    Piece(Bytes),
    /// With the headers behind it.
    End(HeaderBlock),
    /// Nothing yet.
    Nothing,
    /// Nothing ever.
    Gone,
}

/// Pieces of a body, counted with what they cost.
#[derive(Default)]
struct Queue {
    pieces: VecDeque<Bytes>,
    held: usize,
}

impl Queue {
    fn has_room(&self) -> bool {
        self.held < HANDLE_WINDOW_BYTES
    }

    fn push(&mut self, bytes: Bytes) {
        self.held += bytes.len() + QUEUED_PIECE_BYTES;
        self.pieces.push_back(bytes);
    }

    /// The next piece, and whether whoever waits for room should be told: at half, so that small pieces do not wake it each.
    fn pop(&mut self) -> Option<(Bytes, bool)> {
        let bytes = self.pieces.pop_front()?;
        let before = self.held;
        self.held -= bytes.len() + QUEUED_PIECE_BYTES;
        let low = HANDLE_WINDOW_BYTES / 2;
        Some((bytes, before > low && self.held <= low))
    }
}

impl Waited for Exchange {
    fn end(&self) {
        self.abandon();
    }
}

impl Exchange {
    pub(super) fn new(door: Address<Message>, pass: Pass, written: Written) -> Arc<Exchange> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Exchange {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(State {
                pass: Some(pass),
                body: Queue::default(),
                body_trailers: HeaderBlock::new(),
                written,
                cancelled: false,
                writer: None,
                answer: None,
                answered: false,
                response: Queue::default(),
                trailers: HeaderBlock::new(),
                end: None,
                let_go: false,
                reader: None,
            }),
            poked: AtomicBool::new(false),
            door,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing between lock and unlock leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- the thread's side ------------------------------------------------------------------------------------

    /// Has the shard look. The mailbox has room: see `HANDLE_MESSAGES_MAX`.
    fn poke(self: &Arc<Self>) {
        if !self.poked.swap(true, Ordering::SeqCst) {
            self.door.post(Message::Poke(self.clone())).ok();
        }
    }

    /// Nobody reads the response any more.
    pub(super) fn cancel(self: &Arc<Self>) {
        let mut state = self.lock();
        state.cancelled = true;
        let writer = state.writer.take();
        let let_go = state.let_go;
        drop(state);
        writer.into_iter().for_each(Waker::wake);
        if !let_go {
            self.poke();
        }
    }

    /// Ready when the writer may give a piece.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<Result<(), BodyRefused>> {
        let mut state = self.lock();
        if state.cancelled || state.written != Written::Open {
            return Poll::Ready(Err(BodyRefused));
        }
        if state.body.has_room() {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes a piece of the request's body.
    pub(super) fn write(self: &Arc<Self>, bytes: Bytes) {
        self.lock().body.push(bytes);
        self.poke();
    }

    /// Headers behind the body, before its end is told.
    pub(super) fn set_body_trailers(&self, trailers: HeaderBlock) {
        self.lock().body_trailers = trailers;
    }

    /// Headers behind the response.
    pub(super) fn trailers(&self) -> HeaderBlock {
        self.lock().trailers.clone()
    }

    /// The body is over, well or not. Only the first word counts.
    pub(super) fn end_body(self: &Arc<Self>, how: Written) {
        let mut state = self.lock();
        if state.written == Written::Open {
            state.written = how;
            drop(state);
            self.poke();
        }
    }

    /// The head of the response, once.
    pub(super) fn poll_answer(&self, cx: &Context<'_>) -> Poll<Result<Answer, CallError>> {
        let mut state = self.lock();
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The next piece of the response.
    pub(super) fn poll_data(
        self: &Arc<Self>,
        cx: &Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Fault>> {
        let mut state = self.lock();
        if let Some((bytes, has_room_again)) = state.response.pop() {
            let open = state.end.is_none();
            drop(state);
            if has_room_again && open {
                self.poke();
            }
            return Poll::Ready(Ok(Some(bytes)));
        }
        match &state.end {
            Some(Ok(())) => Poll::Ready(Ok(None)),
            Some(Err(fault)) => Poll::Ready(Err(fault.clone())),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    // ---- the shard's side -------------------------------------------------------------------------------------

    /// A poke has arrived; from now on another may be sent.
    pub(crate) fn poke_arrived(&self) {
        self.poked.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    pub(super) fn next_piece(&self) -> Next {
        let mut state = self.lock();
        if let Some((bytes, has_room_again)) = state.body.pop() {
            let writer = state.writer.take_if(|_| has_room_again);
            drop(state);
            writer.into_iter().for_each(Waker::wake);
            return Next::Piece(bytes);
        }
        match state.written {
            Written::Open => Next::Nothing,
            Written::Ended => Next::End(std::mem::take(&mut state.body_trailers)),
            Written::Refused | Written::Dropped => Next::Gone,
        }
    }

    /// The provider takes no more of the body.
    pub(super) fn refuse_body(&self) {
        let mut state = self.lock();
        if matches!(state.written, Written::Open | Written::Ended) {
            state.written = Written::Refused;
        }
        state.body = Queue::default();
        let writer = state.writer.take();
        drop(state);
        writer.into_iter().for_each(Waker::wake);
    }

    /// Whether its writer left before the end.
    pub(super) fn is_body_dropped(&self) -> bool {
        self.lock().written == Written::Dropped
    }

    /// Tells the head of the response, or that there is none.
    pub(super) fn answer(&self, answer: Result<Answer, CallError>) {
        let mut state = self.lock();
        if state.answered {
            return;
        }
        state.answered = true;
        if answer.is_err() {
            state.end = Some(Err(Fault::ShuttingDown));
            state.written = Written::Refused;
        }
        state.answer = Some(answer);
        let wakers = [state.reader.take(), state.writer.take()];
        drop(state);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    /// Whether a piece of the response may be put in.
    pub(super) fn has_room(&self) -> bool {
        self.lock().response.has_room()
    }

    /// Puts a piece of the response in; its reader is told with [`Exchange::wake_reader`].
    pub(super) fn push(&self, bytes: Bytes) {
        self.lock().response.push(bytes);
    }

    pub(super) fn wake_reader(&self) {
        let reader = self.lock().reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    /// Headers behind the response, before its end is told.
    pub(super) fn set_trailers(&self, trailers: HeaderBlock) {
        self.lock().trailers = trailers;
    }

    /// The response is over, well or not. Only the first word counts.
    pub(super) fn end(&self, how: Result<(), Fault>) {
        self.lock().end.get_or_insert(how);
        self.wake_reader();
    }

    /// The shard lets go of it: whatever was not said is said now.
    pub(super) fn abandon(&self) {
        self.answer(Err(CallError::Broken(Fault::ShuttingDown)));
        self.end(Err(Fault::ShuttingDown));
        self.refuse_body();
        let mut state = self.lock();
        state.let_go = true;
        let pass = state.pass.take();
        drop(state);
        // Whoever gets it is woken, which nobody does under a lock.
        drop(pass);
    }
}
