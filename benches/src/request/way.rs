//! All steps of a turn's requests, one after the other.

use std::time::Duration;

use flatend_codec::{Connection as Link, Messages, Opened};
use flatend_http::date::DateCache;

use super::gateway::{decode_response, serialise, Client, Gateway};
use super::provider::{decode_request, encode_response, Provider};
use super::{name_of, Workload};
use crate::link::{Pair, NOW};
use crate::{router, timed, Case};

/// Sun, 06 Nov 1994 08:49:37 GMT
const UNIX_SECONDS: u64 = 784_111_777;

/// Both ends of a link, a service, a gateway and its clients.
pub struct Way {
    pub(super) workload: Workload,
    pub(super) turn: usize,
    gateway: Gateway,
    clients: Vec<Client>,
    pair: Pair,
    provider: Provider,
    /// Plaintext bytes of the last turn, there and back.
    pub(super) plaintext: [usize; 2],
}

impl Way {
    /// A way on which `turn` requests go at once.
    ///
    /// # Panics
    /// When its parts cannot be made.
    pub fn new(workload: Workload, turn: usize) -> Way {
        let clients = std::iter::repeat_with(|| Client::new(workload.head));
        Way {
            workload,
            turn,
            gateway: Gateway {
                routes: router::flatend(workload.routes),
                steps: Default::default(),
                dates: DateCache::new(UNIX_SECONDS),
            },
            clients: clients.take(turn).collect(),
            pair: Pair::flatend2(0),
            provider: Provider::new(workload.body()),
            plaintext: [0; 2],
        }
    }

    /// So many requests at once, `turn` at most.
    ///
    /// # Panics
    /// When one of them does not come back as it should.
    pub fn turn(&mut self, size: usize) {
        let clients = &mut self.clients[..size];
        for client in &mut *clients {
            self.gateway.take(client, &mut self.pair.dialer);
        }
        seal(&mut self.pair.dialer);
        let (link, frames) = self.pair.at_acceptor();
        self.plaintext[0] = open_each(link, frames, |link, messages| {
            decode_request(link, messages, &mut self.provider);
        });
        encode_response(&mut self.pair.acceptor, &mut self.provider);
        seal(&mut self.pair.acceptor);
        let (link, frames) = self.pair.at_dialer();
        self.plaintext[1] = open_each(link, frames, |link, messages| {
            decode_response(link, messages, clients);
        });
        for client in clients {
            serialise(&self.gateway, client);
        }
    }

    /// What the first client of the last turn got.
    pub(super) fn output(&self) -> &[u8] {
        &self.clients[0].output
    }

    /// Whether each client of a turn of this size got what it should, to the byte.
    fn is_right(&self, size: usize) -> bool {
        let body = self.workload.body();
        self.clients[..size].iter().all(|client| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nx-request-id: {}\r\n\
                 date: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-length: {}\r\n\r\n",
                client.request_id,
                body.len()
            );
            client.output == [head.as_bytes(), &body].concat()
        })
    }
}

#[inline(never)]
fn seal(link: &mut Link) {
    link.seal();
}

#[inline(never)]
fn open<'a>(link: &mut Link, frames: &'a mut [u8]) -> (usize, Messages<'a>) {
    match link.open(NOW, frames).expect("an honest peer") {
        Opened::Frame { consumed, messages } => (consumed, messages),
        Opened::Incomplete { .. } => panic!("frames are whole"),
    }
}

/// Opens frame after frame; gives the bytes of their plaintexts.
fn open_each(
    link: &mut Link,
    frames: &mut [u8],
    mut each: impl FnMut(&mut Link, &mut Messages<'_>),
) -> usize {
    /// Beside its plaintext a frame has a length and a tag.
    const FRAME_OVERHEAD_BYTES: usize = 4 + 16;
    let (mut taken, mut plaintext) = (0, 0);
    while taken < frames.len() {
        let (consumed, mut messages) = open(link, &mut frames[taken..]);
        each(link, &mut messages);
        taken += consumed;
        plaintext += consumed - FRAME_OVERHEAD_BYTES;
    }
    plaintext
}

impl Case for Way {
    fn name(&self) -> String {
        name_of(&self.workload, self.turn, "flatend")
    }

    fn time(&mut self, iterations: u64) -> Duration {
        let turn = self.turn as u64;
        let (time, last) = timed(|| {
            let mut left = iterations;
            while left > turn {
                self.turn(self.turn);
                left -= turn;
            }
            self.turn(left as usize);
            left as usize
        });
        // Each turn has been looked at on its way; the last one is compared to the byte.
        assert!(self.is_right(last), "responses as they should be");
        time
    }
}
