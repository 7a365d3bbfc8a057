//! Recognition bits, the key schedule with and without a network key, and the downgrade trailer.

use serde_json::{json, Value};
use x25519_dalek::x25519;

use super::super::{Downgrade, Opening, Secrets};
use super::{
    hex, identity, marked, opening, role_name, secrets, seed, ACCEPTOR_SECRET, DIALER_SECRET,
    NETWORK_KEY,
};
use crate::connection::{Connection, Opened, Role};
use crate::session::public_key;
use crate::{Config, Flatend2, Limits, Millis};

pub(super) fn vectors() -> Value {
    json!({
        "recognition": recognition(),
        "schedule": [schedule(None), schedule(Some(NETWORK_KEY))],
        "downgrade": [downgrade(Role::Dialer), downgrade(Role::Acceptor)],
        "low_order": low_order(),
    })
}

/// One side of a link, which speaks flatend/2 or legacy alone.
fn side(role: Role, speaks: bool) -> Connection {
    let key = identity(role);
    let flatend2 = speaks.then(|| Flatend2 {
        key: key.clone(),
        addresses: &[],
        instance: [9; 16],
        shards: 1,
        lane: 0,
        requests_max: 1,
        software: "",
        record: None,
        network_key: None,
        expected_key: None,
        legacy: true,
    });
    let config = Config {
        role,
        ephemeral_secret: match role {
            Role::Dialer => DIALER_SECRET,
            Role::Acceptor => ACCEPTOR_SECRET,
        },
        identity: Some((key, ([127, 0, 0, 1], 9_000).into())),
        services: &[],
        limits: Limits::default(),
        flatend2,
    };
    Connection::new(Millis(0), config).unwrap()
}

/// What goes over the wire first, by who speaks what.
fn recognition() -> Value {
    let cases = [(true, true), (true, false), (false, true), (false, false)];
    let case = |(dialer_speaks, acceptor_speaks)| {
        let (mut dialer, mut acceptor) = (
            side(Role::Dialer, dialer_speaks),
            side(Role::Acceptor, acceptor_speaks),
        );
        let mut sent = dialer.transmit().to_vec();
        let first = hex(&sent);
        let opened = acceptor.open(Millis(0), &mut sent).unwrap();
        assert!(matches!(opened, Opened::Frame { consumed: 32, .. }));
        let mut answer = acceptor.transmit()[..32].to_vec();
        let second = hex(&answer);
        dialer.open(Millis(0), &mut answer).unwrap();
        let flatend2 = dialer.peer_kind() == crate::PeerKind::Flatend2;
        assert_eq!(dialer.peer_kind(), acceptor.peer_kind());
        json!({
            "dialer_secret": hex(&DIALER_SECRET),
            "acceptor_secret": hex(&ACCEPTOR_SECRET),
            "dialer_speaks_flatend2": dialer_speaks,
            "acceptor_speaks_flatend2": acceptor_speaks,
            "dialer_sends": first,
            "acceptor_sends": second,
            "dialect": if flatend2 { "flatend/2" } else { "legacy" },
        })
    };
    cases.map(case).to_vec().into()
}

fn schedule(network_key: Option<[u8; 32]>) -> Value {
    let opening = opening();
    let Secrets {
        binding,
        mut dialer,
        mut acceptor,
    } = secrets(network_key.as_ref());
    let chain = |direction: &mut super::super::keys::Chain| {
        let keys = (0..4).map(|_| {
            let key = hex(&direction.key().0);
            direction.step();
            key
        });
        Value::from(keys.collect::<Vec<_>>())
    };
    json!({
        "dialer_secret": hex(&DIALER_SECRET),
        "acceptor_secret": hex(&ACCEPTOR_SECRET),
        "network_key": network_key.map(|key| hex(&key)),
        "dialer_sends": hex(&opening.dialer),
        "acceptor_sends": hex(&opening.acceptor),
        "shared_secret": hex(&x25519(DIALER_SECRET, opening.acceptor)),
        "secret_0": hex(&Secrets::secret_0(&x25519(DIALER_SECRET, opening.acceptor), opening, network_key.as_ref())),
        "binding": hex(&binding),
        "dialer_keys": chain(&mut dialer),
        "acceptor_keys": chain(&mut acceptor),
    })
}

/// The dialer's bit was cleared on the way, so that its peer took it for a legacy one.
fn downgrade(signer: Role) -> Value {
    let opening = Opening {
        dialer: public_key(&DIALER_SECRET),
        acceptor: public_key(&ACCEPTOR_SECRET),
    };
    let key = identity(signer);
    json!({
        "signer": role_name(signer),
        "seed": hex(&seed(signer)),
        "public_key": hex(key.verifying_key().as_bytes()),
        "dialer_sent": hex(&marked(opening.dialer)),
        "acceptor_sent": hex(&opening.acceptor),
        "trailer": hex(&Downgrade::new(&key, signer, opening).trailer),
    })
}

/// Points whose shared secret is zero, bit 255 set or not.
fn low_order() -> Value {
    let mut one = [0; 32];
    one[0] = 1;
    let points = [[0; 32], one, marked([0; 32]), marked(one)];
    let points = points.into_iter().map(|point| {
        assert_eq!(x25519(DIALER_SECRET, point), [0; 32]);
        hex(&point)
    });
    points.collect::<Vec<_>>().into()
}
