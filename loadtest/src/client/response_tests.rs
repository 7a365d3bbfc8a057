//! Responses, whole, cut and altered, in pieces of every size.

use super::*;
use crate::pattern::Pattern;

fn expect(content: Option<Content>) -> Expect {
    Expect {
        status: 200,
        length: None,
        content,
        head_only: false,
    }
}

/// Reads the responses of a script that comes in pieces of `step` bytes; gives how many were whole.
fn read(script: &[u8], step: usize, expect: &Expect) -> Result<usize, String> {
    let mut reader = Reader::new();
    let mut whole = 0;
    for piece in script.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let fed = reader.feed(rest, expect)?;
            rest = &rest[fed.used..];
            if fed.done {
                reader.take_wrong().map_or(Ok(()), Err)?;
                whole += 1;
            }
        }
    }
    Ok(whole + usize::from(reader.end(expect)?))
}

#[test]
fn whole_responses_are_taken_however_they_come() {
    let hello = || expect(Some(Content::Text(b"hello".as_slice().into())));
    for (script, count) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1),
        ("HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhelloHTTP/1.1 200\r\nA: b\r\ncontent-length: 5\r\n\r\nhello", 2),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", 1),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 2),
        ("HTTP/1.0 200 OK\r\n\r\nhello", 1),
    ] {
        for step in 1..=script.len() {
            assert_eq!(read(script.as_bytes(), step, &hello()), Ok(count), "{script:?} by {step}");
        }
    }
}

#[test]
fn what_is_not_expected_is_told() {
    let hello = Expect {
        length: Some(5),
        ..expect(None)
    };
    for (script, words) in [
        (
            "HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nsorry",
            "status 503 instead of 200",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell",
            "4 bytes is announced instead of 5",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
            "cut after 3 bytes",
        ),
        ("HTTP/1.1 200 OK\r\nContent-", "cut within its head"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n0\r\n\r\n",
            "a body of 4 bytes instead of 5",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhello\r\n",
            "longer than it says",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "'x\r' is no chunk size",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "'gzip' is not known",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
            "'-5' is no content-length",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "two content-lengths, 5 and 6",
        ),
        ("SSH-2.0-x\r\n\r\n", "'SSH-2.0-x' is no status line"),
    ] {
        let error = read(script.as_bytes(), 1_000, &hello).unwrap_err();
        assert!(
            error.replace("'x'", "'x\r'").contains(words),
            "{script:?}: {error}"
        );
    }
    let long = [b'a'; HEAD_BYTES_MAX + 1];
    assert!(read(&long, 1_000, &hello).unwrap_err().contains("over"));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let head = Expect {
        length: Some(5),
        head_only: true,
        ..expect(None)
    };
    assert_eq!(
        read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 7, &head),
        Ok(1)
    );
}

#[test]
fn damage_of_every_kind_of_content_is_seen() {
    let pattern = std::sync::Arc::new(Pattern::new());
    let body: Vec<u8> = pattern.piece(0, 20).to_vec();
    for (content, body) in [
        (Content::Pattern(pattern), body),
        (
            Content::Text(b"abcdefgh".as_slice().into()),
            b"abcdefgh".to_vec(),
        ),
        (
            Content::Repeats(b"abc".as_slice().into()),
            b"abcabcabca".to_vec(),
        ),
    ] {
        let script = |body: &[u8]| {
            let mut script =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
            script.extend_from_slice(body);
            script
        };
        let expect = expect(Some(content));
        for step in 1..60 {
            assert_eq!(read(&script(&body), step, &expect), Ok(1), "by {step}");
        }
        for at in 0..body.len() {
            let mut altered = body.clone();
            altered[at] ^= 1;
            assert!(
                read(&script(&altered), 7, &expect)
                    .unwrap_err()
                    .contains("another one"),
                "at {at}"
            );
        }
    }
}
