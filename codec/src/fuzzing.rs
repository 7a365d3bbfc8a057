//! The decoders of both dialects as fuzz targets: each function takes any bytes, and a fault is a panic. `fuzz/` runs them under
//! libFuzzer; the test below replays what was kept (`fuzz/corpus`). Not part of the crate otherwise.

use ed25519_dalek::SigningKey;

use crate::connection::Role;
use crate::flatend2::{decode_any, Downgrade, Hello, Opening, Record};
use crate::header::{HeaderBlock, HeadersRef};
use crate::packet::handshake::Handshake;
use crate::packet::{data, lookup, request, response};
use crate::wire::Reader;
use crate::NodeId;

/// All bytes that a decoder gave out are looked at.
fn look_at<'a>(headers: HeadersRef<'a>) {
    assert_eq!(headers.iter().count(), usize::from(headers.count()));
    let _ = headers.content_length();
    let block = HeaderBlock::from_ref(headers);
    assert!(block.iter().eq(headers.iter()), "a copy is the same");
    assert_eq!(block.byte_len(), headers.byte_len());
    let split = block.without(b":status");
    assert!(split.byte_len() <= block.byte_len());
}

/// Headers (`u16 count`, each `u8 len, name, u16 len, value`).
pub fn headers(input: &[u8]) {
    let mut reader = Reader::new(input);
    if let Some(headers) = HeadersRef::decode(&mut reader) {
        look_at(headers);
        assert_eq!(2 + headers.byte_len() + reader.rest().len(), input.len());
    }
}

/// The plaintext of a frame of flatend/2: its messages, the body of each by its type.
pub fn messages(input: &[u8]) {
    decode_any(input, look_at);
}

/// A HELLO as it came, and the same fields with a signature that is good.
pub fn hello(input: &[u8]) {
    let (binding, key) = ([9; 32], SigningKey::from_bytes(&[4; 32]));
    for role in [Role::Dialer, Role::Acceptor] {
        let _ = Hello::decode(input, role, &binding);
    }
    let signed = Hello::sign_fields(input.to_vec(), Role::Dialer, &binding, &key);
    if let Ok(hello) = Hello::decode(&signed, Role::Dialer, &binding) {
        let again = hello.encode(Role::Dialer, &binding, &key);
        assert_eq!(Hello::decode(&again, Role::Dialer, &binding), Ok(hello));
    }
}

/// A signed record as it came, and the same with a signature that is good.
pub fn record(input: &[u8]) {
    let _ = Record::verify(input);
    if let Ok(record) = Record::decode(input) {
        let key = SigningKey::from_bytes(&[4; 32]);
        let signed = record.clone().sign(&key);
        let back = Record::verify(&signed).expect("what was just signed");
        assert_eq!(back.addresses, record.addresses);
        assert_eq!(back.public_key, key.verifying_key().to_bytes());
    }
}

/// The body of a legacy packet, after its opcode; from 6 on replies, which have none.
pub fn packet(input: &[u8]) {
    let Some((opcode, body)) = input.split_first() else {
        return;
    };
    match opcode % 8 {
        0 | 6 => handshake(body),
        1 => {
            if let Ok((_, Some(request))) = request::decode(body) {
                assert_eq!(request.services.iter().count(), request.services.len());
                look_at(request.headers);
            }
        }
        2 => {
            if let Ok((_, response::ServiceResponse::Handled(headers))) = response::decode(body) {
                look_at(headers);
            }
        }
        3 => {
            if let Ok((stream, bytes)) = data::decode(body) {
                let mut again = Vec::new();
                data::encode(&mut again, stream, bytes);
                assert_eq!(again.get(1..), Some(body));
            }
        }
        4 => {
            let _ = lookup::decode_request(body);
        }
        5 => {
            if let Ok((id, taken)) = NodeId::decode(body) {
                assert_eq!(body.get(..taken), Some(&*id.raw()));
            }
        }
        _ => {
            if let Ok(ids) = lookup::decode_response(body) {
                // Those with port 0 are passed over.
                assert!(ids.iter().count() <= ids.len());
            }
        }
    }
}

/// The body of a legacy Handshake, and what follows it as a downgrade trailer.
pub fn handshake(body: &[u8]) {
    if let Ok(handshake) = Handshake::decode(body) {
        assert!(handshake.trailing.len() < body.len());
        trailer(handshake.trailing);
    }
}

/// A downgrade trailer.
pub fn trailer(input: &[u8]) {
    let opening = Opening {
        dialer: [1; 32],
        acceptor: [2; 32],
    };
    let key = SigningKey::from_bytes(&[4; 32]);
    let ours = Downgrade::new(&key, Role::Dialer, opening);
    assert!(
        !ours.is_proved_by(input, Some([3; 32])),
        "no key but that of the ID"
    );
    let _ = ours.is_proved_by(input, None);
}

#[cfg(test)]
#[path = "../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::replay::replay;

    #[test]
    fn corpora_of_the_decoders_pass() {
        replay("headers", super::headers);
        replay("messages", super::messages);
        replay("hello", super::hello);
        replay("record", super::record);
        replay("packet", super::packet);
        replay("handshake", super::handshake);
        replay("trailer", super::trailer);
    }
}
