//! Heads of requests and responses and chunked bodies out of any bytes: the verdict is the same however they were cut into reads.

use crate::support::{decode, verdict_of, Verdict};
use flatend_http::h1::{parse_response, BodyDecoder, BodyLength, FieldScratch, ParsedResponse};
use flatend_http::limits::Limits;

/// `bytes` in pieces of 1 to 64 bytes, by its first byte.
fn cut(input: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let Some((size, bytes)) = input.split_first() else {
        return (Vec::new(), input);
    };
    (bytes.chunks(1 + usize::from(size % 64)).collect(), bytes)
}

pub fn request(input: &[u8]) {
    let (pieces, bytes) = cut(input);
    // A fault in a line that has not ended may be seen now or later: here every line ends.
    let ended = [bytes, b"\r\n\r\n"].concat();
    let whole = verdict_of(&[&ended], Limits::default());
    let mut pieces = pieces;
    pieces.push(b"\r\n\r\n");
    assert_eq!(verdict_of(&pieces, Limits::default()), whole);
    if let Verdict::Accepted(head) = whole {
        assert!(head.consumed <= ended.len());
        assert!(!ended[..head.consumed].contains(&0), "NUL passed");
    }
}

/// The verdict on a response as text, and how much of the input it took.
fn response_verdict(bytes: &[u8], is_head: bool) -> Option<String> {
    let mut scratch = FieldScratch::new();
    match parse_response(bytes, is_head, &mut scratch) {
        Ok(ParsedResponse::Partial) => None,
        Ok(ParsedResponse::Head(head, taken)) => {
            assert!(taken <= bytes.len());
            Some(format!("{taken} {head:?}"))
        }
        Ok(ParsedResponse::Interim(taken)) => {
            assert!(taken <= bytes.len());
            Some(format!("interim {taken}"))
        }
        Err(error) => Some(format!("{error:?}")),
    }
}

pub fn response(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    let is_head = first % 2 == 0;
    let bytes = [b"HTTP/1.1 ", bytes, b"\r\n\r\n"].concat();
    let whole = response_verdict(&bytes, is_head);
    // What was read before the last byte is no other answer.
    for at in 0..bytes.len() {
        if let Some(early) = response_verdict(&bytes[..at], is_head) {
            let same_kind = |text: &str| text.contains("Error");
            let later = whole.as_deref().unwrap_or_default();
            assert!(
                early == later || same_kind(&early) && same_kind(later),
                "{early} and then {later}"
            );
            break;
        }
    }
}

pub fn chunked(input: &[u8]) {
    let (pieces, bytes) = cut(input);
    let run = |pieces: &[&[u8]]| {
        let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, 1_000_000).expect("no bound");
        let result = decode(&mut decoder, pieces);
        (result, decoder.is_done(), decoder.trailers().to_vec())
    };
    let whole = run(&[bytes]);
    assert_eq!(run(&pieces), whole);
    if let (Ok((data, rest)), true, _) = whole {
        assert!(data.len() + rest.len() < bytes.len());
        assert!(bytes.ends_with(&rest), "what follows was touched");
    }
}
