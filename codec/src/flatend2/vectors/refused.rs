//! What ends a link, each form once: a receiver, what it was told before, the frame that it refuses, and why. Beside them what looks
//! odd and is taken.

use serde_json::{json, Value};

use super::peer::{message, Peer, NOW};
use super::{fault, hex, role_name};
use crate::connection::Role;
use crate::HeaderBlock;

/// An unanswered request of the dialer, without body and with one to come.
const REQUEST: &[u8] = b"\0\0\0\0\x01\x04echo\0\0";

struct Case {
    what: &'static str,
    receiver: Role,
    /// Requests that the receiver has made, without a body.
    asked: u32,
    before: Vec<Vec<u8>>,
    plaintext: Vec<u8>,
}

fn case(what: &'static str, receiver: Role, plaintext: Vec<u8>) -> Case {
    Case {
        what,
        receiver,
        asked: 0,
        before: Vec::new(),
        plaintext,
    }
}

impl Case {
    fn after(mut self, before: Vec<Vec<u8>>) -> Self {
        self.before = before;
        self
    }

    fn asked(mut self, asked: u32) -> Self {
        self.asked = asked;
        self
    }

    fn play(&self) -> Value {
        let mut peer = Peer::up(self.receiver);
        for _ in 0..self.asked {
            let none = HeaderBlock::new();
            peer.conn
                .open_stream(NOW, ["echo"], &none, &none, true)
                .unwrap();
        }
        for plaintext in &self.before {
            peer.send(plaintext).unwrap();
        }
        let refused = peer.send(&self.plaintext).err();
        json!({
            "what": self.what,
            "receiver": role_name(self.receiver),
            "requests_made": self.asked,
            "before": self.before.iter().map(|plaintext| shown(plaintext)).collect::<Vec<_>>(),
            "frame": shown(&self.plaintext),
            "refused": refused.map(|error| fault(&error)),
        })
    }
}

/// The plaintext of a frame: zeros at its end are left out.
fn shown(plaintext: &[u8]) -> Value {
    let zeros = plaintext.iter().rev().take_while(|byte| **byte == 0);
    let begins = &plaintext[..plaintext.len() - zeros.count()];
    json!({ "bytes": plaintext.len(), "begins": hex(begins) })
}

pub(super) fn vectors() -> Value {
    let mut all = of_frames();
    all.extend(of_bodies());
    all.extend(of_streams());
    all.extend(of_links());
    all.iter().map(Case::play).collect::<Vec<_>>().into()
}

fn of_frames() -> Vec<Case> {
    use Role::Acceptor;
    let ping = message(7, 0, 0, b"8 bytes!");
    vec![
        case("a message that is cut", Acceptor, ping[..15].to_vec()),
        case(
            "a second message that is cut",
            Acceptor,
            [&ping[..], &[0, 0, 8, 7, 0]].concat(),
        ),
        case(
            "an unknown type below 128 is skipped",
            Acceptor,
            message(127, 0xff, 9, b"later"),
        ),
        case(
            "an unknown type from 128 on",
            Acceptor,
            message(128, 0, 0, b""),
        ),
        case(
            "unknown flags are ignored",
            Acceptor,
            message(7, 0xfe, 0, b"8 bytes!"),
        ),
        case(
            "a link message on a stream",
            Acceptor,
            message(7, 0, 1, b"8 bytes!"),
        ),
        case(
            "a stream message on the link",
            Acceptor,
            message(3, 0, 0, b"data"),
        ),
        case("a second HELLO", Acceptor, message(0, 0, 0, b"")),
    ]
}

fn of_bodies() -> Vec<Case> {
    use Role::{Acceptor, Dialer};
    let opened = vec![message(1, 0, 1, REQUEST)];
    let mut cases = Vec::new();
    for (what, kind, stream, body) in [
        ("a REQUEST that is cut", 1, 1, &REQUEST[..10]),
        (
            "a REQUEST with a byte too many",
            1,
            1,
            b"\0\0\0\0\x01\x04echo\0\0\0",
        ),
        (
            "a REQUEST whose header count is too high",
            1,
            1,
            b"\0\0\0\0\x01\x04echo\0\x02\x01a\0\x01b",
        ),
        ("a PING of 7 bytes", 7, 0, b"7 bytes"),
        ("a PING of 9 bytes", 7, 0, b"nine byte"),
        ("a GOODBYE that is cut", 8, 0, b"\0\0\0\0\0\0\0\0\0\0\0\0"),
        ("SERVICES without an epoch", 9, 0, b"\0\0\0\0\0\0\0"),
        (
            "SERVICES with an empty name",
            9,
            0,
            b"\0\0\0\0\0\0\0\x02\0\0\0\x01\0",
        ),
        (
            "SERVICES with a label that is cut",
            9,
            0,
            b"\0\0\0\0\0\0\0\x02\x01a\0\0\x01\x01\x01k",
        ),
        (
            "SERVICES with a name that is no UTF-8",
            9,
            0,
            b"\0\0\0\0\0\0\0\x02\x01\xff\0\0\x01\0",
        ),
        ("a FIND_NODE of a short key", 10, 0, b"\0\0\0\x01key"),
        ("a CREDIT of 3 bytes", 12, 0, b"\0\0\x01"),
    ] {
        cases.push(case(what, Acceptor, message(kind, 0, stream, body)));
    }
    for (what, kind, body) in [
        ("TRAILERS that are cut", 4, &b"\0\x01\x01a"[..]),
        ("a RESET without a code", 5, b""),
        ("a WINDOW of 3 bytes", 6, b"\0\0\x01"),
        ("a WINDOW of 5 bytes", 6, b"\0\0\0\x01\0"),
    ] {
        cases.push(case(what, Acceptor, message(kind, 0, 1, body)).after(opened.clone()));
    }
    cases.push(
        case(
            "a RESPONSE that is cut",
            Dialer,
            message(2, 0, 1, b"\0\xc8\0"),
        )
        .asked(1),
    );
    cases.push(
        case(
            "a RESET with an unknown code is INTERNAL",
            Acceptor,
            message(5, 0, 1, b"\x63"),
        )
        .after(opened),
    );
    cases
}

fn of_streams() -> Vec<Case> {
    use Role::{Acceptor, Dialer};
    let request = |stream| message(1, 0, stream, REQUEST);
    let response = || message(2, 0, 1, b"\0\xc8\0\0");
    vec![
        case(
            "a request with an even number from a dialer",
            Acceptor,
            request(2),
        ),
        case(
            "a request with an odd number from an acceptor",
            Dialer,
            request(1),
        ),
        case("a request whose number does not rise", Acceptor, request(3)).after(vec![request(3)]),
        case(
            "a request beyond the grant is refused and no error",
            Acceptor,
            request(5),
        )
        .after(vec![request(1), request(3)]),
        case(
            "DATA for a stream that was never used",
            Acceptor,
            message(3, 0, 1, b"data"),
        ),
        case("a RESPONSE to what nobody asked", Dialer, response()),
        case("a RESPONSE to the peer's own request", Acceptor, response()).after(vec![request(1)]),
        case("a second RESPONSE", Dialer, response())
            .asked(1)
            .after(vec![response()]),
        case(
            "DATA before the RESPONSE",
            Dialer,
            message(3, 0, 1, b"data"),
        )
        .asked(1),
        case(
            "DATA behind the end of a request",
            Acceptor,
            message(3, 0, 1, b"data"),
        )
        .after(vec![message(1, 1, 1, REQUEST)]),
        case(
            "DATA behind the TRAILERS",
            Acceptor,
            message(3, 0, 1, b"data"),
        )
        .after(vec![request(1), message(4, 0, 1, b"\0\0")]),
        case(
            "TRAILERS before the RESPONSE",
            Dialer,
            message(4, 0, 1, b"\0\0"),
        )
        .asked(1),
        case(
            "DATA for a stream that is over is dropped",
            Dialer,
            message(3, 0, 1, b"late"),
        )
        .asked(1)
        .after(vec![message(5, 0, 1, &[2])]),
        case(
            "a window that is used up exactly",
            Acceptor,
            message(3, 0, 1, &[0; 512]),
        )
        .after(vec![request(1), message(3, 0, 1, &[0; 65_024])]),
        case(
            "a byte beyond the window",
            Acceptor,
            message(3, 0, 1, &[0; 513]),
        )
        .after(vec![request(1), message(3, 0, 1, &[0; 65_024])]),
        case(
            "a window of more than 4 GiB",
            Acceptor,
            message(6, 0, 1, &[0xff; 4]),
        )
        .after(vec![request(1)]),
    ]
}

fn of_links() -> Vec<Case> {
    use Role::Acceptor;
    let entry = b"\x01a\0\0\x01\0";
    let list = |count: usize| [&[0, 0, 0, 0, 0, 0, 0, 2][..], &entry.repeat(count)].concat();
    let find = message(10, 0, 0, &[&[0, 0, 0, 1][..], &[0x44; 32]].concat());
    vec![
        case("255 services", Acceptor, message(9, 0, 0, &list(255))),
        case("256 services", Acceptor, message(9, 0, 0, &list(256))),
        case(
            "256 services in two messages",
            Acceptor,
            message(9, 0, 0, &list(1)),
        )
        .after(vec![message(9, 1, 0, &list(255))]),
        case(
            "NODES that nobody asked for",
            Acceptor,
            message(11, 0, 0, &[0, 0, 0, 1, 0]),
        ),
        case(
            "LEGACY_NODES that nobody asked for",
            Acceptor,
            message(16, 0, 0, &[0, 0, 0, 1, 0]),
        ),
        case(
            "LEGACY_NODES whose nodes are cut",
            Acceptor,
            message(16, 0, 0, &[0, 0, 0, 1, 1]),
        ),
        case(
            "256 questions without an answer",
            Acceptor,
            find.repeat(256),
        ),
        case(
            "257 questions without an answer",
            Acceptor,
            find.repeat(257),
        ),
    ]
}
