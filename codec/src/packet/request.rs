//! ServiceRequest: `u32 stream, u8 n names, u16 m headers`.

use crate::error::ProtocolError;
use crate::header::HeadersRef;
use crate::names::NamesRef;
use crate::wire::Reader;

pub(crate) struct ServiceRequest<'a> {
    pub(crate) services: NamesRef<'a>,
    pub(crate) headers: HeadersRef<'a>,
}

/// The stream and, if it decodes to its last byte, the rest. `None` there means that names or headers were written with wrong lengths
/// (rules B01, N06): an error of the stream alone.
pub(crate) fn decode(body: &[u8]) -> Result<(u32, Option<ServiceRequest<'_>>), ProtocolError> {
    let mut reader = Reader::new(body);
    let stream = reader.u32().ok_or(ProtocolError::Truncated {
        packet: "service request",
    })?;
    let rest = || {
        let services = NamesRef::decode(&mut reader)?;
        let headers = HeadersRef::decode(&mut reader)?;
        reader
            .is_empty()
            .then_some(ServiceRequest { services, headers })
    };
    Ok((stream, { rest }()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_behind_the_stream_and_every_excess_is_an_error_of_the_stream() {
        let body = [0, 0, 0, 7, 1, 1, b's', 0, 1, 1, b'n', 0, 1, b'v'];
        let (stream, rest) = decode(&body).unwrap();
        assert_eq!(
            (stream, rest.unwrap().headers.get(b"n")),
            (7, Some(&b"v"[..]))
        );
        for cut in 0..4 {
            assert!(decode(&body[..cut]).is_err());
        }
        for cut in 4..body.len() {
            assert!(decode(&body[..cut]).unwrap().1.is_none(), "cut {cut}");
        }
        let mut longer = body.to_vec();
        longer.push(0);
        assert!(decode(&longer).unwrap().1.is_none());
    }
}
