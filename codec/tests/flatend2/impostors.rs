//! Who stands in between, and who pretends: a man in the middle with keys of his own, a dialer whose bytes come back to it, a HELLO of
//! another link, a key that is not the expected one, another network.

use crate::support::happened::Happened;
use crate::support::pair::Side;
use crate::support::raw2::{hello_fields, message, Meeting2, RawPeer2};
use crate::support::{speaking_both, OUR_KEY, THEIR_KEY};
use ed25519_dalek::SigningKey;
use flatend_codec::{IdentityFault, Millis, ProtocolError, Role};

const NOW: Millis = Millis(1_000);
const SIGNATURE: ProtocolError = ProtocolError::Identity(IdentityFault::Signature);

/// Two honest nodes, and between them one that agrees on keys with each: it can read HELLO and pass it on, and no more.
#[test]
fn a_man_in_the_middle_with_his_own_keys_is_found_by_the_dialer() {
    let none = Vec::new();
    let mut acceptor = Side::new(NOW, speaking_both(Role::Acceptor, 2, &none));
    let mut dialer = Side::new(NOW, speaking_both(Role::Dialer, 1, &none));
    // He dials the acceptor and accepts the dialer, and says the acceptor's HELLO again.
    let (mut to_acceptor, mut to_dialer) =
        (RawPeer2::new(Role::Dialer), RawPeer2::new(Role::Acceptor));
    acceptor.feed(NOW, &to_acceptor.public()).unwrap();
    let answer = acceptor.take();
    to_acceptor.agree(answer[..32].try_into().unwrap());
    let hello = to_acceptor.open_all(&answer[32..]);
    let [(0, 0, 0, body)] = &hello[..] else {
        panic!("HELLO alone");
    };
    let opening = dialer.take();
    to_dialer.agree(opening[..].try_into().unwrap());
    dialer.feed(NOW, &to_dialer.public()).unwrap();
    let passed_on = to_dialer.seal(&message(0, 0, 0, body));
    assert_eq!(dialer.feed(NOW, &passed_on), Err(SIGNATURE));
    assert!(dialer.take().is_empty(), "he is not told who dialed");
    assert!(dialer.conn.peer().is_none());
}

#[test]
fn a_dialer_whose_bytes_come_back_to_it_believes_nothing() {
    let none = Vec::new();
    let mut dialer = Side::new(NOW, speaking_both(Role::Dialer, 1, &none));
    let opening = dialer.take();
    // Its own key, bit and all, is taken for the acceptor's.
    dialer.feed(NOW, &opening).unwrap();
    assert!(dialer.take().is_empty(), "a dialer waits for HELLO");
    let mut zeros = vec![0, 0, 0, 28];
    zeros.extend_from_slice(&[0; 28]);
    assert_eq!(dialer.feed(NOW, &zeros), Err(ProtocolError::FirstFrame));
}

#[test]
fn a_hello_of_another_link_or_of_the_other_role_is_refused() {
    for role in [Role::Dialer, Role::Acceptor] {
        let mut meeting = Meeting2::keyed(role);
        meeting.peer.binding[0] ^= 1;
        let hello = meeting.peer.hello(&hello_fields());
        let refused = meeting.send(&message(0, 0, 0, &hello));
        assert_eq!(refused, Err(SIGNATURE), "a HELLO that was recorded");
        let mut meeting = Meeting2::keyed(role);
        let mut other = RawPeer2::new(role);
        other.binding = meeting.peer.binding;
        let hello = other.hello(&hello_fields());
        let refused = meeting.send(&message(0, 0, 0, &hello));
        assert_eq!(refused, Err(SIGNATURE), "our own role's HELLO");
        assert_eq!(meeting.news(), []);
        assert!(meeting.conn.peer().is_none() && meeting.conn.hello().is_none());
    }
}

/// Anybody can show a key; who has not its secret cannot sign.
#[test]
fn a_key_that_somebody_else_has_is_no_use() {
    let mut meeting = Meeting2::keyed(Role::Acceptor);
    let somebody = SigningKey::from_bytes(&OUR_KEY).verifying_key();
    let ours = SigningKey::from_bytes(&THEIR_KEY).verifying_key();
    let fields = hello_fields();
    let at = fields
        .windows(32)
        .position(|bytes| bytes == ours.as_bytes())
        .unwrap();
    let mut shown = fields;
    shown[at..at + 32].copy_from_slice(somebody.as_bytes());
    let hello = meeting.peer.hello(&shown);
    assert_eq!(meeting.send(&message(0, 0, 0, &hello)), Err(SIGNATURE));
}

#[test]
fn what_comes_before_a_hello_or_beside_it_is_refused() {
    let mut meeting = Meeting2::keyed(Role::Acceptor);
    let request = message(1, 1, 1, b"\0\0\0\0\x01\x04echo\0\0");
    let refused = meeting.send(&request);
    assert_eq!(refused, Err(ProtocolError::BeforeHandshake { opcode: 1 }));
    assert_eq!(meeting.news(), []);
    let mut meeting = Meeting2::keyed(Role::Acceptor);
    let hello = message(0, 0, 0, &meeting.peer.hello(&hello_fields()));
    let refused = meeting.send(&[hello, request].concat());
    let not_alone = ProtocolError::Hello {
        field: 0,
        what: "not alone in its frame",
    };
    assert_eq!(refused, Err(not_alone));
    assert_eq!(meeting.news(), [], "the request was not looked at");
}

/// A body that was cut, wherever, does not look whole.
#[test]
fn a_stream_whose_link_is_cut_has_no_end() {
    let mut pair = crate::conversation::up();
    let now = pair.now;
    let stream = crate::conversation::ask(&mut pair, false).unwrap();
    pair.dialer.conn.send_data(now, stream, b"a body").unwrap();
    pair.dialer.take();
    pair.dialer.conn.send_data(now, stream, b"of two").unwrap();
    pair.dialer.conn.send_end(now, stream).unwrap();
    pair.dialer.take();
    let script = pair.dialer.wrote.clone();
    let echo = ["echo".to_owned()];
    for cut in 0..=script.len() {
        let mut acceptor = Side::new(now, speaking_both(Role::Acceptor, 2, &echo));
        acceptor.feed(now, &script[..cut]).unwrap();
        let ended = acceptor.news().contains(&Happened::End(stream));
        assert_eq!(ended, cut == script.len(), "cut at {cut}");
    }
}
