//! A body that is there whole, on its way into a call: sent as the provider takes it, by whoever waits for the response.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::call::Call;
use crate::limits::UPLOAD_PIECE_BYTES;

/// What is left of a body.
pub(super) struct Upload {
    left: Bytes,
    done: bool,
}

impl Upload {
    /// An empty body is none: the request ends with its head.
    pub(super) fn new(body: Bytes) -> Upload {
        Upload {
            done: body.is_empty(),
            left: body,
        }
    }

    /// Bytes that are left to send.
    pub(super) fn len(&self) -> usize {
        self.left.len()
    }

    /// Nothing is left to do.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Sends what there is room for.
    pub(super) fn poll(&mut self, call: &Call, cx: &Context<'_>) {
        while !self.done {
            if self.left.is_empty() {
                call.finish();
                self.done = true;
                return;
            }
            match call.poll_room(cx) {
                Poll::Pending => return,
                // It has answered already, or is gone; the response tells.
                Poll::Ready(Err(_)) => self.done = true,
                Poll::Ready(Ok(())) => {
                    let len = self.left.len().min(UPLOAD_PIECE_BYTES);
                    self.done = call.push(self.left.split_to(len)).is_err();
                }
            }
        }
    }
}
