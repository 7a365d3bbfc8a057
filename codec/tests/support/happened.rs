//! Events that outlive their input, so that scripts can be compared.

use flatend_codec::{
    Connection, Event, HeadersRef, Millis, NodeId, Opened, PeerKind, ProtocolError, ResetCode,
    StreamId, Token,
};

pub type Pairs = Vec<(String, String)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    Handshake {
        again: bool,
    },
    Request {
        stream: StreamId,
        services: Vec<String>,
        headers: Pairs,
    },
    Response {
        stream: StreamId,
        headers: Pairs,
    },
    Refused(StreamId),
    Data(StreamId, Vec<u8>),
    End(StreamId),
    Reset(StreamId, ResetCode),
    FindNode(Token, [u8; 32]),
    Nodes(Token, Vec<NodeId>),
    Other(String),
}

fn pairs(headers: HeadersRef<'_>) -> Pairs {
    assert_eq!(headers.iter().count(), usize::from(headers.count()));
    headers
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Happened {
    pub fn from_event(event: &Event<'_>) -> Self {
        match event {
            Event::Handshake { again } => Self::Handshake { again: *again },
            Event::Request {
                stream,
                services,
                headers,
                ..
            } => {
                assert_eq!(services.iter().count(), services.len());
                Self::Request {
                    stream: *stream,
                    services: services.iter().map(text).collect(),
                    headers: pairs(*headers),
                }
            }
            Event::Response {
                stream, headers, ..
            } => Self::Response {
                stream: *stream,
                headers: pairs(*headers),
            },
            Event::Refused { stream } => Self::Refused(*stream),
            Event::Data { stream, bytes } => {
                assert!(!bytes.is_empty(), "an empty Data is an End");
                Self::Data(*stream, bytes.to_vec())
            }
            Event::End { stream } => Self::End(*stream),
            Event::Reset { stream, code, .. } => Self::Reset(*stream, *code),
            Event::FindNode { token, target } => Self::FindNode(*token, *target),
            Event::Nodes { token, ids } => {
                assert_eq!(ids.iter().count(), ids.len());
                Self::Nodes(*token, ids.iter().collect())
            }
            other => Self::Other(format!("{other:?}")),
        }
    }
}

/// Joins neighbouring Data of one stream: how a body was cut does not count.
pub fn joined(events: &[Happened]) -> Vec<Happened> {
    let mut out: Vec<Happened> = Vec::new();
    for event in events {
        if let (Some(Happened::Data(last, bytes)), Happened::Data(stream, more)) =
            (out.last_mut(), event)
        {
            if last == stream {
                bytes.extend_from_slice(more);
                continue;
            }
        }
        out.push(event.clone());
    }
    out
}

/// Opens all that `input` holds, as the engine does; bytes used up leave it.
pub fn drain(
    conn: &mut Connection,
    now: Millis,
    input: &mut Vec<u8>,
    happened: &mut Vec<Happened>,
) -> Result<(), ProtocolError> {
    loop {
        let range = input.as_ptr_range();
        let consumed = match conn.open(now, input)? {
            Opened::Incomplete { at_least } => {
                assert!(at_least > input.len(), "more is needed than there is");
                break;
            }
            Opened::Frame {
                consumed,
                mut messages,
            } => {
                while let Some(event) = conn.next_event(now, &mut messages)? {
                    if let Event::Data { bytes, .. } = &event {
                        let data = bytes.as_ptr_range();
                        assert!(
                            range.start <= data.start && data.end <= range.end,
                            "Data lies within the input"
                        );
                    }
                    happened.push(Happened::from_event(&event));
                    if let Event::Request { stream, end, .. }
                    | Event::Response { stream, end, .. } = &event
                    {
                        if *end {
                            // Legacy has no such thing; here it reads as the same two events.
                            assert_eq!(conn.peer_kind(), PeerKind::Flatend2);
                            happened.push(Happened::End(*stream));
                        }
                    }
                }
                consumed
            }
        };
        input.drain(..consumed);
    }
    while let Some(event) = conn.poll_event() {
        happened.push(Happened::from_event(&event));
    }
    Ok(())
}
