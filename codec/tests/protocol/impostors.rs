//! Peers that are not who they say, or answer what was not asked.

use crate::support::identified;
use crate::support::raw::{
    data, find_node, handshake, handshake_with_id, message, reply, request, response,
    their_public_key, Meeting, UPPER,
};
use flatend_codec::{IdentityFault, ProtocolError, Role};

fn identity(fault: IdentityFault) -> ProtocolError {
    ProtocolError::Identity(fault)
}

/// An acceptor of ours with keys agreed.
fn acceptor() -> Meeting {
    Meeting::keyed(identified(Role::Acceptor, 3, &[]))
}

#[test]
fn nothing_comes_before_the_handshake() {
    for (opcode, plaintext) in [
        (1, request(1, &["ours"], &[])),
        (2, response(1, true, &[])),
        (3, data(1, b"x")),
        (4, find_node(1, [0; 32])),
    ] {
        let mut meeting = acceptor();
        assert_eq!(
            meeting.send(&plaintext),
            Err(ProtocolError::BeforeHandshake { opcode })
        );
    }
    let mut dialer = Meeting::keyed(identified(Role::Dialer, 3, &[]));
    assert_eq!(
        dialer.send(&message(2, 0, &handshake(&[]))),
        Err(ProtocolError::BeforeHandshake { opcode: 0 })
    );
}

#[test]
fn false_identities_are_refused() {
    let mut false_signature = handshake(&["s"]);
    *false_signature.last_mut().unwrap() ^= 1;
    let mut other_names = handshake(&["a", "bc"]);
    let at = other_names.len() - 64 - 2;
    other_names[at] ^= 1; // one letter of a signed name
    let mut flag = handshake(&[]);
    flag[0] = 2;
    let mut key = their_public_key().to_vec();
    key.extend_from_slice(&[0, 127, 0, 0, 1, 0, 0]);
    let portless = handshake_with_id(&key, &[]);
    let mut kind = handshake(&[]);
    kind[33] = 2;
    let mut binary = vec![0, 1, 2];
    binary.extend_from_slice(&[0xff, 0xfe]);
    for (body, fault) in [
        (false_signature, IdentityFault::Signature),
        (other_names, IdentityFault::Signature),
        (flag, IdentityFault::Flag(2)),
        (portless, IdentityFault::PortZero),
        (kind, IdentityFault::AddressKind(2)),
        (binary, IdentityFault::NameEncoding),
    ] {
        let mut meeting = acceptor();
        assert_eq!(meeting.send(&message(1, 0, &body)), Err(identity(fault)));
        assert!(
            meeting.conn.peer().is_none() && meeting.sent().is_empty(),
            "nothing of it is used"
        );
        let mut dialer = Meeting::keyed(identified(Role::Dialer, 3, &[]));
        dialer.sent();
        assert_eq!(dialer.send(&reply(1, &body)), Err(identity(fault)));
    }
}

#[test]
fn an_ipv4_mapped_id_verifies_over_its_bytes_as_sent() {
    let mut id = their_public_key().to_vec();
    id.push(1);
    id.extend_from_slice(&[
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3, 0x1f, 0x40,
    ]);
    let mut meeting = acceptor();
    meeting
        .send(&message(1, 0, &handshake_with_id(&id, &["s"])))
        .unwrap();
    assert_eq!(
        meeting.conn.peer().unwrap().id.as_ref().unwrap().address,
        ([10, 1, 2, 3], 8_000).into()
    );
}

#[test]
fn a_second_handshake_cannot_change_who_the_peer_is() {
    let mut meeting = Meeting::accepted(&["s"]);
    assert_eq!(
        meeting.send(&message(3, 0, &[0, 0])),
        Err(identity(IdentityFault::Changed))
    );
}

#[test]
fn handshakes_that_end_early_are_refused_at_every_byte() {
    let body = handshake(&["abc"]);
    for cut in 0..body.len() {
        let mut meeting = acceptor();
        let error = meeting.send(&message(1, 0, &body[..cut])).unwrap_err();
        assert_eq!(
            error,
            ProtocolError::Truncated {
                packet: "handshake"
            },
            "cut {cut}"
        );
    }
}

#[test]
fn rpc_numbers_that_cannot_be_are_refused() {
    for (plaintext, packet) in [
        (message(0, 0, &handshake(&[])), "handshake"),
        (find_node(0, [0; 32]), "find node"),
        (
            message(3, 3, &data(1, b"x")[5..]),
            "message without a reply",
        ),
    ] {
        let mut meeting = Meeting::accepted(&[]);
        let seq = u32::from(plaintext[3]);
        assert_eq!(
            meeting.send(&plaintext),
            Err(ProtocolError::Sequence { seq, packet })
        );
    }
    let mut twice = Meeting::accepted(&[]);
    twice.send(&find_node(3, [0; 32])).unwrap();
    assert_eq!(
        twice.send(&find_node(3, [1; 32])),
        Err(ProtocolError::Sequence {
            seq: 3,
            packet: "find node"
        })
    );
}

#[test]
fn replies_to_nothing_are_refused() {
    let mut meeting = Meeting::accepted(&[]);
    assert_eq!(
        meeting.send(&reply(2, &[0])),
        Err(ProtocolError::UnknownReply { seq: 2 })
    );
    let mut meeting = Meeting::dialed(&[]);
    assert_eq!(
        meeting.send(&reply(1, &handshake(&[]))),
        Err(ProtocolError::UnknownReply { seq: 1 }),
        "answered before"
    );
}

#[test]
fn replies_that_are_cut_or_go_on_are_refused() {
    for (body, error) in [
        (vec![], ProtocolError::Truncated { packet: "nodes" }),
        (vec![255], ProtocolError::Truncated { packet: "nodes" }),
        (
            vec![0, 0],
            ProtocolError::Trailing {
                packet: "nodes",
                bytes: 1,
            },
        ),
    ] {
        let mut meeting = Meeting::dialed(&[]);
        assert_eq!(meeting.send(&reply(UPPER + 1, &body)), Err(error));
    }
    let mut meeting = Meeting::accepted(&[]);
    assert_eq!(
        meeting.send(&message(3, 4, &[0; 31])),
        Err(ProtocolError::Truncated {
            packet: "find node"
        })
    );
    let mut meeting = Meeting::accepted(&[]);
    let trailing = ProtocolError::Trailing {
        packet: "find node",
        bytes: 1,
    };
    assert_eq!(meeting.send(&message(3, 4, &[0; 33])), Err(trailing));
}
