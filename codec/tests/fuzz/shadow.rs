//! What every body is and how much of it may have arrived: the model beside two connections. Each body's bytes follow from its stream,
//! its direction and their place, so that a byte that is lost, doubled or moved shows.

use flatend_codec::{Event, StreamId};
use std::collections::BTreeMap;

/// Which side of the link.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    Dialer = 0,
    Acceptor = 1,
}

impl At {
    pub fn of(byte: u8) -> Self {
        if byte % 2 == 0 {
            Self::Dialer
        } else {
            Self::Acceptor
        }
    }

    fn other(self) -> Self {
        Self::of(1 - self as u8)
    }
}

/// One direction of one stream.
#[derive(Default)]
struct Body {
    sent: usize,
    has_end: bool,
    got: usize,
    got_end: bool,
    /// Arrived, and not taken by its reader.
    unread: usize,
}

struct Stream {
    asker: At,
    /// From the asker, from the provider.
    bodies: [Body; 2],
    /// The provider heard of the request.
    is_known: bool,
    /// The provider may have said "not handled".
    may_be_refused: bool,
    responded: bool,
    /// One side gave it up, or was told so: the rest of it does not count.
    is_cut: bool,
    /// Which side gave it up, and is told nothing more of it.
    has_left: [bool; 2],
}

#[derive(Default)]
pub struct Shadow {
    streams: BTreeMap<StreamId, Stream>,
}

fn byte(stream: StreamId, from: At, at: usize) -> u8 {
    (at.wrapping_mul(31) ^ (at >> 8)).wrapping_add(stream.0 as usize * 7 + from as usize * 101)
        as u8
}

impl Shadow {
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    fn body(&mut self, stream: StreamId, from: At) -> Option<&mut Body> {
        let stream = self.streams.get_mut(&stream)?;
        let at = usize::from(stream.asker != from);
        stream.bodies.get_mut(at)
    }

    pub fn opened(&mut self, stream: StreamId, at: At, end: bool) {
        let mut bodies = [Body::default(), Body::default()];
        bodies[0].has_end = end;
        let before = self.streams.insert(
            stream,
            Stream {
                asker: at,
                bodies,
                is_known: false,
                may_be_refused: false,
                responded: false,
                is_cut: false,
                has_left: [false; 2],
            },
        );
        assert!(before.is_none(), "a number is used once");
    }

    pub fn responded(&mut self, stream: StreamId, at: At, end: bool) {
        let known = self.streams.get_mut(&stream).expect("a request that came");
        assert_ne!(known.asker, at);
        known.responded = true;
        known.bodies[1].has_end = end;
    }

    /// The bytes that a side sends next.
    pub fn next_bytes(&mut self, stream: StreamId, from: At, count: usize) -> Vec<u8> {
        let sent = self.body(stream, from).map_or(0, |body| body.sent);
        (sent..sent + count)
            .map(|at| byte(stream, from, at))
            .collect()
    }

    pub fn sent(&mut self, stream: StreamId, from: At, count: usize) {
        if let Some(body) = self.body(stream, from) {
            assert!(
                count == 0 || !body.has_end,
                "nothing can be sent behind an end"
            );
            body.sent += count;
        }
    }

    pub fn ended(&mut self, stream: StreamId, from: At) {
        if let Some(body) = self.body(stream, from) {
            body.has_end = true;
        }
    }

    /// A side gives a stream up. What it has not heard of it cannot.
    pub fn cut(&mut self, stream: StreamId, at: At, may_be_refused: bool) {
        if let Some(known) = self.heard_of(stream, at) {
            known.is_cut = true;
            known.has_left[at as usize] = true;
            known.may_be_refused |= may_be_refused && known.asker != at;
        }
    }

    /// Refusing does nothing once a response has begun.
    pub fn refused(&mut self, stream: StreamId, at: At) {
        if let Some(known) = self.heard_of(stream, at) {
            if known.asker != at && !known.responded {
                known.is_cut = true;
                known.may_be_refused = true;
                known.has_left[at as usize] = true;
            }
        }
    }

    fn heard_of(&mut self, stream: StreamId, at: At) -> Option<&mut Stream> {
        let known = self.streams.get_mut(&stream)?;
        (known.asker == at || known.is_known).then_some(known)
    }

    pub fn unread(&self, at: At) -> u64 {
        let of = |stream: &Stream| stream.bodies[usize::from(stream.asker == at)].unread as u64;
        self.streams.values().map(of).sum()
    }

    /// What the readers of a side have not taken; now they have.
    pub fn take_unread(&mut self, at: At) -> Vec<(StreamId, usize)> {
        let mut taken = Vec::new();
        for (id, stream) in &mut self.streams {
            let body = &mut stream.bodies[usize::from(stream.asker == at)];
            if body.unread > 0 {
                taken.push((*id, std::mem::take(&mut body.unread)));
            }
        }
        taken
    }

    /// A side is told something.
    pub fn happened(&mut self, at: At, event: &Event<'_>, flatend2: bool) {
        let from = at.other();
        if let Event::Response { stream, .. }
        | Event::Data { stream, .. }
        | Event::End { stream }
        | Event::Trailers { stream, .. }
        | Event::Refused { stream }
        | Event::Reset { stream, .. } = event
        {
            let has_left = self.streams[stream].has_left[at as usize];
            assert!(!has_left, "{event:?} after its own reset");
        }
        match event {
            Event::Request { stream, end, .. } => {
                let known = self.streams.get_mut(stream).expect("nobody made it up");
                assert_eq!(known.asker, from);
                assert!(!known.is_known, "a request comes once");
                known.is_known = true;
                self.end_if(*stream, from, *end);
            }
            Event::Response { stream, end, .. } => {
                assert!(self.streams[stream].responded, "nobody made it up");
                self.end_if(*stream, from, *end);
            }
            Event::Data { stream, bytes } => {
                let body = self.body(*stream, from).expect("nobody made it up");
                assert!(!body.got_end, "data behind the end");
                let at = body.got;
                body.got += bytes.len();
                body.unread += bytes.len();
                assert!(body.got <= body.sent, "more than was sent");
                let expected = (at..).map(|at| byte(*stream, from, at));
                assert!(bytes.iter().copied().eq(expected.take(bytes.len())));
            }
            Event::End { stream } => self.end(*stream, from, flatend2),
            Event::Trailers { stream, .. } => self.end(*stream, from, flatend2),
            Event::Refused { stream } => {
                let known = self.streams.get_mut(stream).expect("nobody made it up");
                assert_eq!(known.asker, at);
                // A legacy provider also says so when it kept back too much (rule G11).
                assert!(
                    known.may_be_refused || !known.is_known || !flatend2,
                    "it was begun, and may not be sent elsewhere"
                );
                known.is_cut = true;
            }
            Event::Reset { stream, .. } => {
                let known = self.streams.get_mut(stream).expect("nobody made it up");
                assert!(known.is_cut, "nobody cut it");
            }
            _ => {}
        }
    }

    fn end_if(&mut self, stream: StreamId, from: At, end: bool) {
        if end {
            self.end(stream, from, true);
        }
    }

    fn end(&mut self, stream: StreamId, from: At, flatend2: bool) {
        let known = self.streams.get_mut(&stream).expect("nobody made it up");
        let asked = known.asker == from;
        // Legacy ends a request that was answered whole or refused, and a response that stays silent for a second (protocol.md 4).
        let early = !flatend2 && (asked || known.bodies[1].got == 0);
        let body = &mut known.bodies[usize::from(!asked)];
        assert!(!body.got_end, "two ends");
        body.got_end = true;
        assert!(
            early || (body.has_end && body.got == body.sent),
            "an end behind {} of {} bytes",
            body.got,
            body.sent
        );
    }

    /// Every body that nobody cut is there, as far as it was sent.
    pub fn check_all_arrived(&self, flatend2: bool) {
        for (id, stream) in &self.streams {
            let [request, response] = &stream.bodies;
            // Legacy keeps a response back until its request is whole, and ends early what was answered whole or stays silent
            // (protocol.md 4).
            let due = [
                flatend2 || !(response.has_end || request.got_end),
                flatend2 || request.has_end && !response.got_end,
            ];
            for (body, due) in stream.bodies.iter().zip(due) {
                let whole = body.got == body.sent && body.got_end == body.has_end;
                assert!(
                    whole || stream.is_cut || !due,
                    "stream {}: {} of {} bytes arrived, end sent {}, arrived {}",
                    id.0,
                    body.got,
                    body.sent,
                    body.has_end,
                    body.got_end
                );
            }
        }
    }
}
