//! ServiceResponse: `u32 stream, u8 handled, u16 m headers`.

use crate::error::ProtocolError;
use crate::header::HeadersRef;
use crate::wire::Reader;

pub(crate) enum ServiceResponse<'a> {
    /// handled = 0
    Refused,
    Handled(HeadersRef<'a>),
    /// Headers that do not decode to their last byte (rules B01, N06): an error of the stream alone.
    Malformed,
}

pub(crate) fn decode(body: &[u8]) -> Result<(u32, ServiceResponse<'_>), ProtocolError> {
    let mut reader = Reader::new(body);
    let truncated = ProtocolError::Truncated {
        packet: "service response",
    };
    let stream = reader.u32().ok_or(truncated.clone())?;
    let handled = reader.u8().ok_or(truncated)?;
    if handled != 1 {
        return Ok((stream, ServiceResponse::Refused));
    }
    let response = match HeadersRef::decode(&mut reader) {
        Some(headers) if reader.is_empty() => ServiceResponse::Handled(headers),
        _ => ServiceResponse::Malformed,
    };
    Ok((stream, response))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handled_is_told_from_refused_and_both_from_malformed() {
        let body = [0, 0, 0, 9, 1, 0, 1, 1, b'n', 0, 1, b'v'];
        assert!(matches!(
            decode(&body),
            Ok((9, ServiceResponse::Handled(_)))
        ));
        assert!(matches!(
            decode(&[0, 0, 0, 9, 0, 0, 0]),
            Ok((9, ServiceResponse::Refused))
        ));
        for cut in 0..5 {
            assert!(decode(&body[..cut]).is_err());
        }
        for cut in 5..body.len() {
            assert!(
                matches!(decode(&body[..cut]), Ok((9, ServiceResponse::Malformed))),
                "cut {cut}"
            );
        }
    }
}
