//! The gateway's steps. Each is a function that is never inlined, so that a profile has one row a step.

use flatend::{header_block, recycle, HeaderBlock};
use flatend_codec::{Ask, Connection as Link, Event, Messages, StreamId};
use flatend_gateway::gateway::steps::{Mapped, Steps};
use flatend_http::date::DateCache;
use flatend_http::h1::{Connection, FieldScratch, Parsed, RequestHead, ResponseHead};
use flatend_http::limits::Limits;
use flatend_http::router::{Match, Router};
use flatend_http::server::RequestId;

use crate::link::{NOW, SERVICE};

/// The connection of one client, and its request under way.
pub(super) struct Client {
    http: Connection,
    /// What the client has sent.
    input: &'static [u8],
    /// What it gets.
    pub(super) output: Vec<u8>,
    pub(super) request_id: RequestId,
    stream: Option<StreamId>,
    response: HeaderBlock,
    body: Vec<u8>,
    ended: bool,
}

impl Client {
    pub(super) fn new(input: &'static [u8]) -> Client {
        Client {
            http: Connection::new(Limits::default()),
            input,
            output: Vec::new(),
            request_id: RequestId::default(),
            stream: None,
            response: HeaderBlock::new(),
            body: Vec::new(),
            ended: false,
        }
    }
}

/// What the gateway's shard has.
pub(super) struct Gateway {
    pub(super) routes: Router<usize>,
    pub(super) steps: Steps,
    pub(super) dates: DateCache,
}

impl Gateway {
    /// From the bytes of a client to a request in the link's output. Panics if there is no such request.
    pub(super) fn take(&self, client: &mut Client, link: &mut Link) {
        let mut scratch = FieldScratch::new();
        let input = std::hint::black_box(client.input);
        let head = parse(&mut client.http, input, &mut scratch);
        let matched = route(self, &head).expect("there is a route");
        let mapped = map(self, &head, &matched).expect("a head for a service");
        client.stream = Some(encode(link, &mapped));
        client.request_id = mapped.request_id;
        recycle(mapped.headers);
        recycle(mapped.extras);
    }
}

#[inline(never)]
fn parse<'b: 's, 's>(
    http: &mut Connection,
    input: &'b [u8],
    scratch: &'s mut FieldScratch<'b>,
) -> RequestHead<'s> {
    match http.recv_head(input, scratch) {
        Ok(Parsed::Head(head, consumed)) if consumed == input.len() => head,
        other => panic!("the head is whole and right: {other:?}"),
    }
}

#[inline(never)]
fn route<'t, 'p>(gateway: &'t Gateway, head: &RequestHead<'p>) -> Option<Match<'t, 'p, usize>> {
    gateway.steps.route(&gateway.routes, head)
}

#[inline(never)]
fn map(
    gateway: &Gateway,
    head: &RequestHead<'_>,
    matched: &Match<'_, '_, usize>,
) -> Option<Mapped> {
    gateway.steps.map(head, matched, "127.0.0.1")
}

#[inline(never)]
fn encode(link: &mut Link, mapped: &Mapped) -> StreamId {
    let ask = Ask {
        headers: &mapped.headers,
        extras: &mapped.extras,
        deadline_ms: None,
        end: true,
    };
    link.ask(NOW, [SERVICE], ask).expect("it is granted")
}

/// Takes the events of a frame to the clients that they are for.
#[inline(never)]
pub(super) fn decode_response(
    link: &mut Link,
    messages: &mut Messages<'_>,
    clients: &mut [Client],
) {
    while let Some(event) = link.next_event(NOW, messages).expect("an honest peer") {
        match event {
            Event::Response {
                stream, headers, ..
            } => {
                let client = of(clients, stream);
                client.response = header_block();
                client.response.copy_from(headers);
            }
            Event::Data { stream, bytes } => of(clients, stream).body.extend_from_slice(bytes),
            Event::End { stream } => of(clients, stream).ended = true,
            _ => panic!("nothing else was said"),
        }
    }
}

/// Whose response it is; a turn's streams are numbered in the order of its clients.
fn of(clients: &mut [Client], stream: StreamId) -> &mut Client {
    let first = clients.first().and_then(|client| client.stream);
    let first = first.expect("the turn has begun").0;
    // Two ends share the numbers.
    let client = &mut clients[((stream.0 - first) / 2) as usize];
    assert_eq!(client.stream, Some(stream));
    client
}

/// Writes the response for the client.
#[inline(never)]
pub(super) fn serialise(gateway: &Gateway, client: &mut Client) {
    assert!(client.ended, "a whole response");
    let Client { http, output, .. } = client;
    output.clear();
    let status = gateway.steps.reply_status(&client.response);
    let fields = gateway.steps.reply_fields(&client.response);
    let head = ResponseHead {
        status: status.expect("a response"),
        body_bytes: None,
        date: gateway.dates.text(),
        request_id: Some(&client.request_id),
    };
    http.send_head(output, &head, fields).expect("sound fields");
    let piece = http
        .send_data(client.body.len())
        .expect("as long as it says");
    output.extend_from_slice(piece.prefix());
    output.extend_from_slice(&client.body);
    output.extend_from_slice(piece.suffix());
    output.extend_from_slice(http.send_end().expect("as long as it says"));
    recycle(std::mem::take(&mut client.response));
    client.body.clear();
    (client.ended, client.stream) = (false, None);
}
