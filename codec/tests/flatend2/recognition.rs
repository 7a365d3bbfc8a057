//! Who speaks what with whom, and what a man in the middle can do about it.

use crate::support::happened::Happened;
use crate::support::pair::Pair;
use crate::support::{anonymous, identified, speaking_both};
use flatend_codec::{Config, Flatend2, IdentityFault, PeerKind, ProtocolError, Role};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn two_that_speak_it_recognise_each_other_within_the_first_bytes() {
    let (there, here) = (names(&["a"]), names(&["b", "c"]));
    let mut pair = Pair::of(
        speaking_both(Role::Dialer, 1, &there),
        speaking_both(Role::Acceptor, 2, &here),
    );
    let opening = pair.dialer.take();
    assert_eq!((opening.len(), opening[31] & 0x80), (32, 0x80));
    pair.acceptor.feed(pair.now, &opening).unwrap();
    let answer = pair.acceptor.take();
    assert_eq!(answer[31] & 0x80, 0x80);
    assert!(answer.len() > 32, "key and HELLO leave in one write");
    pair.dialer.feed(pair.now, &answer).unwrap();
    assert_eq!(pair.dialer.conn.hello().unwrap().instance, [2; 16]);
    assert_eq!(pair.dialer.news(), [], "what it offers is not known yet");
    pair.settle();
    for (side, kind) in [(&mut pair.dialer, &here), (&mut pair.acceptor, &there)] {
        assert_eq!(side.news(), [Happened::Handshake { again: false }]);
        assert_eq!(side.conn.peer_kind(), PeerKind::Flatend2);
        assert_eq!(&side.conn.peer().unwrap().services, kind);
        assert!(side.conn.is_ready());
    }
}

#[test]
fn with_a_legacy_peer_each_side_speaks_legacy() {
    let offers = names(&["a"]);
    for anonymous_too in [false, true] {
        let legacy = |role, secret| match (anonymous_too, role) {
            (true, Role::Dialer) => anonymous(role, secret, &offers),
            _ => identified(role, secret, &offers),
        };
        let pairs = [
            Pair::of(
                legacy(Role::Dialer, 1),
                speaking_both(Role::Acceptor, 2, &offers),
            ),
            Pair::of(
                speaking_both(Role::Dialer, 1, &offers),
                legacy(Role::Acceptor, 2),
            ),
        ];
        for mut pair in pairs {
            pair.settle();
            for side in [&mut pair.dialer, &mut pair.acceptor] {
                assert!(side.news().contains(&Happened::Handshake { again: false }));
                assert_ne!(side.conn.peer_kind(), PeerKind::Flatend2);
                assert_eq!(side.conn.hello(), None);
            }
            assert_eq!(
                pair.acceptor.wrote[31] & 0x80,
                0,
                "only if the dialer's is set"
            );
        }
    }
}

/// `config` with what `change` makes of its flatend/2 part.
fn with<'a>(mut config: Config<'a>, change: impl FnOnce(&mut Flatend2<'a>)) -> Config<'a> {
    change(config.flatend2.as_mut().unwrap());
    config
}

/// Carries bytes until one side refuses; who, and why.
fn refusal(pair: &mut Pair) -> Option<(Role, ProtocolError)> {
    for _ in 0..10 {
        let there = pair.dialer.take();
        if let Err(error) = pair.acceptor.feed(pair.now, &there) {
            return Some((Role::Acceptor, error));
        }
        let back = pair.acceptor.take();
        if let Err(error) = pair.dialer.feed(pair.now, &back) {
            return Some((Role::Dialer, error));
        }
    }
    None
}

#[test]
fn who_takes_no_legacy_refuses_it_before_a_byte_is_believed() {
    let none = names(&[]);
    let mut pair = Pair::of(
        identified(Role::Dialer, 1, &none),
        with(speaking_both(Role::Acceptor, 2, &none), |own| {
            own.legacy = false
        }),
    );
    assert_eq!(
        refusal(&mut pair),
        Some((Role::Acceptor, ProtocolError::LegacyRefused))
    );
    assert!(pair.acceptor.wrote.is_empty());
    let mut pair = Pair::of(
        with(speaking_both(Role::Dialer, 1, &none), |own| {
            own.legacy = false
        }),
        identified(Role::Acceptor, 2, &none),
    );
    assert_eq!(
        refusal(&mut pair),
        Some((Role::Dialer, ProtocolError::LegacyRefused))
    );
}

#[test]
fn another_network_key_does_not_open_the_first_frame() {
    let none = names(&[]);
    let keyed = |role, secret, key| {
        with(speaking_both(role, secret, &none), |own| {
            own.network_key = key
        })
    };
    for (dialer, acceptor, same) in [
        (Some([7; 32]), Some([7; 32]), true),
        (Some([7; 32]), Some([8; 32]), false),
        (Some([7; 32]), None, false),
        (None, Some([7; 32]), false),
    ] {
        let mut pair = Pair::of(
            keyed(Role::Dialer, 1, dialer),
            keyed(Role::Acceptor, 2, acceptor),
        );
        let expected = (!same).then_some((Role::Dialer, ProtocolError::FirstFrame));
        assert_eq!(refusal(&mut pair), expected);
    }
}

#[test]
fn a_key_other_than_the_expected_one_is_refused_and_nothing_is_said_to_it() {
    let none = names(&[]);
    let mut pair = Pair::of(
        with(speaking_both(Role::Dialer, 1, &none), |own| {
            own.expected_key = Some([9; 32]);
        }),
        speaking_both(Role::Acceptor, 2, &none),
    );
    assert_eq!(
        refusal(&mut pair),
        Some((
            Role::Dialer,
            ProtocolError::Identity(IdentityFault::Unexpected)
        ))
    );
    assert_eq!(pair.dialer.take(), [], "no HELLO of ours");
}

/// Carries the openings with bit 255 cleared on the way, as somebody in between would.
fn cleared(pair: &mut Pair, dialers: bool, acceptors: bool) -> Option<(Role, ProtocolError)> {
    let mut opening = pair.dialer.take();
    if dialers {
        opening[31] &= 0x7f;
    }
    pair.acceptor.feed(pair.now, &opening).unwrap();
    let mut answer = pair.acceptor.take();
    if acceptors {
        answer[31] &= 0x7f;
    }
    match pair.dialer.feed(pair.now, &answer) {
        Ok(()) => refusal(pair),
        Err(error) => Some((Role::Dialer, error)),
    }
}

#[test]
fn bits_that_were_cleared_on_the_way_are_found_by_the_trailer() {
    let none = names(&[]);
    let mut pair = Pair::of(
        speaking_both(Role::Dialer, 1, &none),
        speaking_both(Role::Acceptor, 2, &none),
    );
    // Both think that the other speaks legacy alone; the first Handshake with its trailer tells.
    assert_eq!(
        cleared(&mut pair, true, false),
        Some((
            Role::Acceptor,
            ProtocolError::Identity(IdentityFault::Downgraded)
        ))
    );
    // One bit alone leaves them without a common language: frames of one dialect do not open in the other.
    let mut pair = Pair::of(
        speaking_both(Role::Dialer, 1, &none),
        speaking_both(Role::Acceptor, 2, &none),
    );
    let (role, _) = cleared(&mut pair, false, true).expect("it cannot go on");
    assert_eq!(role, Role::Dialer);
}
