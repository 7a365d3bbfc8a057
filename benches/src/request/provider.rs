//! The service's steps, each never inlined.

use flatend::HeaderBlock;
use flatend_codec::{Connection as Link, Event, Messages, StreamId};

use crate::link::NOW;

/// A request as its handler has it.
pub(super) struct Asked {
    stream: StreamId,
    headers: HeaderBlock,
}

/// The service, and what it was asked in this turn.
pub(super) struct Provider {
    pub(super) asked: Vec<Asked>,
    /// Memory for the next request's headers.
    spare: Vec<HeaderBlock>,
    response: HeaderBlock,
    body: Vec<u8>,
    body_bytes: String,
}

impl Provider {
    pub(super) fn new(body: Vec<u8>) -> Provider {
        Provider {
            asked: Vec::new(),
            spare: Vec::new(),
            response: HeaderBlock::new(),
            body_bytes: body.len().to_string(),
            body,
        }
    }
}

/// Takes the requests of a frame.
#[inline(never)]
pub(super) fn decode_request(
    link: &mut Link,
    messages: &mut Messages<'_>,
    provider: &mut Provider,
) {
    while let Some(event) = link.next_event(NOW, messages).expect("an honest peer") {
        let Event::Request {
            stream,
            headers,
            end: true,
            ..
        } = event
        else {
            panic!("nothing else was said");
        };
        let mut block = provider.spare.pop().unwrap_or_default();
        block.copy_from(headers);
        provider.asked.push(Asked {
            stream,
            headers: block,
        });
    }
}

/// Answers all that was asked, in order.
#[inline(never)]
pub(super) fn encode_response(link: &mut Link, provider: &mut Provider) {
    let Provider {
        asked,
        spare,
        response,
        body,
        body_bytes,
    } = provider;
    for Asked { stream, headers } in asked.drain(..) {
        assert_eq!(headers.get(b":method"), Some(&b"GET"[..]));
        response.clear();
        response
            .push(b"content-type", b"text/plain; charset=utf-8")
            .and_then(|()| response.push(b"content-length", body_bytes.as_bytes()))
            .expect("short enough");
        link.respond(NOW, stream, response, false)
            .and_then(|()| link.send_data(NOW, stream, body))
            .and_then(|()| link.send_end(NOW, stream))
            .expect("the request has come");
        spare.push(headers);
    }
}
