//! Sealed frames: the first of a link, those around each change of the key, and such as do not open.

use serde_json::{json, Value};

use super::super::seal::{Opener, Sealer};
use super::{fault, hex, role_name, secrets};
use crate::connection::Role;
use crate::error::ProtocolError;
use crate::limits::FRAMES_A_KEY_LOG2;
use crate::session::Seal;

/// Frame number `counter` of what `from` sends.
fn frame(from: Role, counter: u64, plaintext: &[u8]) -> Vec<u8> {
    let (seal, _) = secrets(None).directions(from);
    let mut sealer = Sealer::at(seal, counter);
    let length = u32::try_from(plaintext.len() + 16).unwrap().to_be_bytes();
    let mut sealed = plaintext.to_vec();
    let tag = sealer.seal(length, &mut sealed).unwrap();
    [&length[..], &sealed, &tag].concat()
}

/// PING with this payload.
fn ping(payload: &[u8; 8]) -> Vec<u8> {
    [&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0][..], payload].concat()
}

pub(super) fn vectors() -> Value {
    let change = 1 << FRAMES_A_KEY_LOG2;
    let two = [ping(b"of seven"), ping(b"of eight")].concat();
    let longest = [
        &[0, 0xff, 0xf4, 3, 1, 0, 0, 0, 0, 0, 0, 1][..],
        &[0xda; 65_524],
    ]
    .concat();
    let cases = [
        (Role::Dialer, 0, ping(b"first of")),
        (Role::Acceptor, 0, ping(b"first of")),
        (Role::Dialer, 1, two),
        (Role::Dialer, 2, longest),
        (Role::Dialer, change - 1, ping(b"last of0")),
        (Role::Dialer, change, ping(b"first of")),
        (Role::Acceptor, 2 * change - 1, ping(b"last of1")),
        (Role::Acceptor, 2 * change, ping(b"first of")),
        (Role::Dialer, 3 * change + 5, ping(b"of key 3")),
    ];
    let frames = cases.map(|(from, counter, plaintext)| {
        let frame = frame(from, counter, &plaintext);
        let short = plaintext.len() <= 64;
        json!({
            "from": role_name(from),
            "number": counter,
            // The longest one is 65,524 bytes of 0xda in a DATA with END: too much to print.
            "plaintext": if short { hex(&plaintext) } else { Value::Null },
            "frame": if short { hex(&frame) } else { Value::Null },
            "frame_begins": hex(&frame[..32]),
            "frame_ends": hex(&frame[frame.len() - 16..]),
            "frame_bytes": frame.len(),
        })
    });
    json!({ "schedule": 0, "frames": frames.to_vec(), "refused": refused() })
}

fn refused() -> Value {
    let good = frame(Role::Dialer, 0, &ping(b"first of"));
    let mut altered = good.clone();
    altered[10] ^= 1;
    let mut length = good.clone();
    length[3] ^= 1;
    length.push(0);
    let reflected = frame(Role::Acceptor, 0, &ping(b"first of"));
    let cases = [
        ("a byte is altered", 0, altered),
        ("the length is altered", 0, length),
        ("frame 0 comes as frame 1", 1, good.clone()),
        (
            "frame 0 comes with the second key",
            1 << FRAMES_A_KEY_LOG2,
            good,
        ),
        ("the other direction's frame is sent back", 0, reflected),
    ];
    let cases = cases.map(|(what, counter, mut frame)| {
        let shown = hex(&frame);
        let (_, open) = secrets(None).directions(Role::Acceptor);
        let length = *frame.first_chunk().unwrap();
        let error = match Opener::at(open, counter).open(length, &mut frame[4..]).unwrap_err() {
            // What a link makes of its first frame.
            ProtocolError::Tag { frame: 0 } => ProtocolError::FirstFrame,
            error => error,
        };
        json!({ "what": what, "from": "dialer", "number": counter, "frame": shown, "refused": fault(&error) })
    });
    cases.to_vec().into()
}
