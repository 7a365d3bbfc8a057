//! Calls in, sealed bytes out.

use super::{Ask, Connection, Protocol};
use crate::error::{OpenError, SendError};
use crate::event::{GoodbyeCode, ResetCode, Token};
use crate::header::HeaderBlock;
use crate::limits::GO_DATA_BYTES_MAX;
use crate::node_id::NodeId;
use crate::{Millis, StreamId};
use std::borrow::Borrow;

impl Connection {
    // ---- bytes for the socket

    /// Seals what was gathered of flatend/2's messages, so that [`transmit`](Self::transmit) gives it: call it when nothing more is
    /// to be said for now. Legacy messages are sealed as they come.
    pub fn seal(&mut self) {
        match &mut self.protocol {
            Protocol::Agreeing(_) => {}
            Protocol::Legacy(link) => link.seal(),
            Protocol::Flatend2(link) => link.0.seal(&mut self.shared),
        }
    }

    /// Sealed bytes that wait for the socket.
    #[must_use]
    pub fn transmit(&self) -> &[u8] {
        self.shared.out.waiting()
    }

    /// The socket took `count` of them.
    pub fn transmitted(&mut self, count: usize) {
        match &self.protocol {
            Protocol::Flatend2(link) => link.0.transmitted(&mut self.shared, count),
            Protocol::Agreeing(_) | Protocol::Legacy(_) => self.shared.out.transmitted(count),
        }
    }

    /// How many bytes wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.shared.out.waiting_len()
    }

    /// Bytes ever queued. Noted before [`open_stream`](Self::open_stream), it tells later whether any byte of that request has left:
    /// none has while [`bytes_transmitted`](Self::bytes_transmitted) has not passed it.
    #[must_use]
    pub fn bytes_queued(&self) -> u64 {
        self.shared.out.queued_total()
    }

    /// Bytes ever taken by the socket.
    #[must_use]
    pub fn bytes_transmitted(&self) -> u64 {
        self.shared.out.transmitted_total()
    }

    // ---- requests that we make

    /// Asks for the first of `services` that the peer has. Encodes `headers`, then `extras`; where the peer's frame cannot hold both,
    /// `extras` are left out first. Names that a Go peer did not announce are left out too (rule G10).
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was sent.
    pub fn open_stream<'n>(
        &mut self,
        now: Millis,
        services: impl IntoIterator<Item = &'n str, IntoIter: Clone>,
        headers: &HeaderBlock,
        extras: &HeaderBlock,
        end: bool,
    ) -> Result<StreamId, OpenError> {
        let ask = Ask {
            headers,
            extras,
            deadline_ms: None,
            end,
        };
        self.ask(now, services, ask)
    }

    /// As [`open_stream`](Self::open_stream), with all that a request can say.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was sent.
    pub fn ask<'n>(
        &mut self,
        now: Millis,
        services: impl IntoIterator<Item = &'n str, IntoIter: Clone>,
        ask: Ask<'_>,
    ) -> Result<StreamId, OpenError> {
        let result = match &mut self.protocol {
            _ if self.shared.failed => Err(OpenError::Retiring),
            Protocol::Agreeing(_) => Err(OpenError::NotReady),
            Protocol::Legacy(link) => {
                let Ask {
                    headers,
                    extras,
                    end,
                    ..
                } = ask;
                link.open_stream(&mut self.shared, now, services, headers, extras, end)
            }
            Protocol::Flatend2(link) => link.0.open_stream(&mut self.shared, services, ask),
        };
        self.check_invariants();
        result
    }

    // ---- both sides

    /// Largest payload of one Data to this peer: 2,048 to Go or an unknown one, about 64 KiB to Node.
    #[must_use]
    pub fn data_bytes_max(&self) -> usize {
        match &self.protocol {
            Protocol::Agreeing(_) => GO_DATA_BYTES_MAX,
            Protocol::Legacy(_) | Protocol::Flatend2(_) => self.dialect().data_bytes_max,
        }
    }

    /// Sends a piece of a body, split as needed. No bytes are no Data: an empty one would end the direction.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent. [`SendError::StreamGone`] after an early answer or a reset.
    pub fn send_data(
        &mut self,
        now: Millis,
        stream: StreamId,
        bytes: &[u8],
    ) -> Result<(), SendError> {
        self.send(
            |link, shared| link.send_data(shared, now, stream, bytes),
            |link, shared| link.send_data(shared, stream, bytes),
        )
    }

    /// Ends our direction of the stream. Only for a body that is complete: to cut one, [`reset`](Self::reset) it.
    ///
    /// # Errors
    /// As [`send_data`](Self::send_data).
    pub fn send_end(&mut self, now: Millis, stream: StreamId) -> Result<(), SendError> {
        self.send(
            |link, shared| link.send_end(shared, now, stream),
            |link, shared| link.send_end(shared, stream),
        )
    }

    /// Cuts a stream; no event about it follows. On legacy links there is no way to say so. A request of ours whose body is incomplete
    /// is abandoned (protocol.md 4); one whose body is complete only loses its response. A request of theirs that has no response
    /// head on the wire yet is answered "not handled" (for which its caller may try another provider: who has begun to work on it
    /// should respond with an error instead); after that it is abandoned, never ended as if it were whole.
    pub fn reset(&mut self, now: Millis, stream: StreamId, code: ResetCode, reason: &str) {
        match &mut self.protocol {
            _ if self.shared.failed => {}
            Protocol::Agreeing(_) => {}
            Protocol::Legacy(link) => link.reset(&mut self.shared, now, stream),
            Protocol::Flatend2(link) => link.0.reset(&mut self.shared, stream, code, reason),
        }
        // Nor one that waits to be polled.
        self.shared
            .events
            .retain(|event| event.stream() != Some(stream));
        self.check_invariants();
    }

    /// Headers behind a body.
    ///
    /// # Errors
    /// [`SendError::Unsupported`] on legacy links.
    pub fn trailers(
        &mut self,
        now: Millis,
        stream: StreamId,
        trailers: &HeaderBlock,
    ) -> Result<(), SendError> {
        let _ = now;
        self.send(
            |_, _| Err(SendError::Unsupported),
            |link, shared| link.trailers(shared, stream, trailers),
        )
    }

    /// The reader of a stream took `bytes`; more than has arrived counts as all of it. Nothing on legacy links: TCP is the only flow control (rule B05).
    pub fn credit(&mut self, now: Millis, stream: StreamId, bytes: usize) {
        if let Protocol::Flatend2(link) = &mut self.protocol {
            if !self.shared.failed {
                link.0.credit(&mut self.shared, now, stream, bytes);
            }
        }
        self.check_invariants();
    }

    /// What may be sent on a stream now. Unbounded on legacy links (rule B05): mind [`queued_bytes`](Self::queued_bytes). Unbounded
    /// too for a stream that is gone: the next piece is told so.
    #[must_use]
    pub fn send_capacity(&self, stream: StreamId) -> usize {
        match &self.protocol {
            Protocol::Agreeing(_) | Protocol::Legacy(_) => usize::MAX,
            Protocol::Flatend2(link) => link.0.send_capacity(stream),
        }
    }

    /// Whether a stream is known to be over on both sides, or cut. A legacy caller that has gone cannot say so.
    #[must_use]
    pub fn is_gone(&self, stream: StreamId) -> bool {
        match &self.protocol {
            _ if self.shared.failed => true,
            Protocol::Agreeing(_) | Protocol::Legacy(_) => false,
            Protocol::Flatend2(link) => link.0.is_gone(stream),
        }
    }

    // ---- requests that they make

    /// Answers a request with a response head, and with an empty body if `end`.
    ///
    /// # Errors
    /// See [`SendError`]; nothing was sent.
    pub fn respond(
        &mut self,
        now: Millis,
        stream: StreamId,
        headers: &HeaderBlock,
        end: bool,
    ) -> Result<(), SendError> {
        self.send(
            |link, shared| link.respond(shared, now, stream, headers, end),
            |link, shared| link.respond(shared, stream, headers, end),
        )
    }

    /// Answers "not handled": the caller may try elsewhere. Nothing happens if a response has begun or the stream is gone.
    pub fn refuse(&mut self, now: Millis, stream: StreamId) {
        let _ = now;
        match &mut self.protocol {
            _ if self.shared.failed => {}
            Protocol::Agreeing(_) => {}
            Protocol::Legacy(link) => link.refuse(&mut self.shared, stream),
            Protocol::Flatend2(link) => link.0.refuse(&mut self.shared, stream),
        }
        self.check_invariants();
    }

    // ---- discovery, farewell

    /// Asks the peer for nodes close to a key.
    ///
    /// # Errors
    /// [`SendError::NotReady`] before the handshake or with 64 questions open, [`SendError::Full`].
    pub fn find_node(&mut self, now: Millis, target: [u8; 32]) -> Result<Token, SendError> {
        let _ = now;
        self.send(
            |link, shared| link.find_node(shared, target),
            |link, shared| link.find_node(shared, target),
        )
    }

    /// Answers a lookup. Of `ids`, closest first, the first 16 are named that can be: each key once a minute and link (rule N04), so
    /// that asking again brings the next ones (give all that you know), 64 in all to the target that was asked for first; never the
    /// peer's own, none with an unspecified address or port 0 (pass those on with the address that their link came from), none with an
    /// IPv6 address to Node or an unknown peer (rule N09). No id at all is an answer too.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownToken`](crate::ApiMisuse::UnknownToken), [`SendError::Full`].
    pub fn nodes<I: Borrow<NodeId>>(
        &mut self,
        now: Millis,
        token: Token,
        ids: impl Iterator<Item = I>,
    ) -> Result<(), SendError> {
        let result = match &mut self.protocol {
            _ if self.shared.failed => Err(SendError::StreamGone),
            Protocol::Agreeing(_) => Err(SendError::NotReady),
            Protocol::Legacy(link) => link.nodes(&mut self.shared, now, token, ids),
            Protocol::Flatend2(link) => link.0.legacy_nodes(&mut self.shared, now, token, ids),
        };
        self.check_invariants();
        result
    }

    /// Answers a lookup of a peer on flatend/2 with signed records of others, closest first: the first 16 of those that were not
    /// named on this link within the last minute. Peers without one, those that speak legacy alone, are named before with
    /// [`nodes`](Self::nodes), after which the peer still waits for the records.
    ///
    /// # Errors
    /// As [`nodes`](Self::nodes); [`SendError::Unsupported`] on legacy links.
    pub fn records<R: AsRef<[u8]>>(
        &mut self,
        now: Millis,
        token: Token,
        records: impl IntoIterator<Item = R>,
    ) -> Result<(), SendError> {
        self.send(
            |_, _| Err(SendError::Unsupported),
            |link, shared| link.records(shared, now, token, records),
        )
    }

    /// Begins the end of the link. A peer on flatend/2 is told, and its requests are refused from now on; our caller may ask on until
    /// its own work is done. Legacy peers cannot be told: nothing goes on the wire, requests of theirs still come (refuse them), and
    /// none are taken from our caller any more. Finish what is in flight, then FIN.
    pub fn goodbye(&mut self, now: Millis, code: GoodbyeCode, reason: &str) {
        let _ = now;
        match &mut self.protocol {
            Protocol::Agreeing(_) => {}
            Protocol::Legacy(link) => link.goodbye(),
            Protocol::Flatend2(link) => link.0.goodbye(&mut self.shared, code, 0, reason),
        }
    }

    fn send<T>(
        &mut self,
        legacy: impl FnOnce(&mut crate::legacy::Link, &mut super::Shared) -> Result<T, SendError>,
        flatend2: impl FnOnce(&mut crate::flatend2::Link, &mut super::Shared) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let result = match &mut self.protocol {
            _ if self.shared.failed => Err(SendError::StreamGone),
            Protocol::Agreeing(_) => Err(SendError::NotReady),
            Protocol::Legacy(link) => legacy(link, &mut self.shared),
            Protocol::Flatend2(link) => flatend2(&mut link.0, &mut self.shared),
        };
        self.check_invariants();
        result
    }
}
