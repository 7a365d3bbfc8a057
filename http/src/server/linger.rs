//! The end of a connection whose client may still be sending (RFC 9112 9.6). A close with unread bytes is a reset, and a
//! reset can destroy the answer on its way: so our FIN goes first, and what comes is read and dropped, within bounds.

use std::rc::Rc;
use std::task::Poll;

use flatend::rt::{self, Timer};

use super::io::Io;
use crate::limits::{LINGER_BYTES_MAX, LINGER_IDLE_MS, LINGER_TIMEOUT_MS};

/// Room for what is read and dropped.
const SCRAP_BYTES: usize = 16 * 1024;

/// Whether the client may be sending although the connection is over for us.
pub(super) fn is_due(io: &Io) -> bool {
    let http = io.http.borrow();
    if !http.is_response_begun() || io.socket.hung_up() {
        // Idle, or the client's FIN is here: nothing of ours can be lost.
        return false;
    }
    // It did not ask for the end itself, or it sent more though it did.
    http.facts().keep_alive || !io.input.borrow().is_empty() || !io.socket.is_drained()
}

/// Sends what waits and our FIN, then reads and drops until the client's FIN or a bound.
pub(super) async fn linger(io: &Rc<Io>) {
    if io.flush().await.is_err() {
        return;
    }
    io.socket.shutdown_write();
    io.read_timer.set_after(LINGER_IDLE_MS);
    let total = Timer::new();
    total.set_after(LINGER_TIMEOUT_MS);
    let mut left = LINGER_BYTES_MAX;
    while left > 0 {
        io.input.borrow_mut().clear();
        let read = std::future::poll_fn(|cx| {
            if total.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(result) = io.poll_fill(cx, SCRAP_BYTES) {
                return Poll::Ready(result.ok());
            }
            io.read_timer.poll(cx).map(|()| None)
        });
        match read.await {
            // The client's FIN, a reset, or the end of patience.
            None | Some(0) => return,
            Some(bytes) => {
                left = left.saturating_sub(bytes as u64);
                io.read_timer.set_after(LINGER_IDLE_MS);
                io.spend(bytes);
            }
        }
        if io.is_turn_spent() {
            rt::yield_now().await;
        }
    }
}
