//! Limits of request heads: the last value that passes and the first that fails; and that a slow
//! client costs little.

mod support;

use flatend_http::h1::{Connection, FieldScratch};
use flatend_http::limits::{Limits, FIELDS_MAX, HEAD_BYTES_MAX, TARGET_BYTES_MAX};
use support::{for_each_split, verdict_of, Verdict};

/// A head of exactly `bytes` bytes.
fn head_of(bytes: usize) -> Vec<u8> {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    head.resize(bytes - 4, b'x');
    head.extend_from_slice(b"\r\n\r\n");
    head
}

fn status(script: &[u8], limits: Limits) -> Option<u16> {
    match verdict_of(&[script], limits) {
        Verdict::Accepted(_) => None,
        Verdict::Refused { status, .. } => Some(status),
        Verdict::Waits => panic!("no verdict on {} bytes", script.len()),
    }
}

#[test]
fn head_bytes() {
    let limits = Limits::default();
    assert_eq!(status(&head_of(HEAD_BYTES_MAX), limits), None);
    assert_eq!(status(&head_of(HEAD_BYTES_MAX + 1), limits), Some(431));
    let small = Limits {
        head_bytes_max: 100,
        ..limits
    };
    for (bytes, expected) in [(100, None), (101, Some(431)), (400, Some(431))] {
        for_each_split(&head_of(bytes), |pieces| {
            let verdict = verdict_of(pieces, small);
            match expected {
                None => assert!(matches!(verdict, Verdict::Accepted(_)), "{verdict:?}"),
                Some(wanted) => assert!(
                    matches!(verdict, Verdict::Refused { status, .. } if status == wanted),
                    "{verdict:?}"
                ),
            }
        });
    }
    // What follows the head does not count to it.
    assert_eq!(
        status(&[head_of(100), vec![b'x'; 1000]].concat(), small),
        None
    );
}

#[test]
fn a_fault_behind_the_limit_is_not_seen() {
    let small = Limits {
        head_bytes_max: 100,
        ..Limits::default()
    };
    let mut script = head_of(200);
    script[150] = 0;
    for_each_split(&script, |pieces| {
        let verdict = verdict_of(pieces, small);
        assert!(
            matches!(verdict, Verdict::Refused { status: 431, .. }),
            "{verdict:?}"
        );
    });
}

#[test]
fn fields() {
    let head = |fields: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(fields - 1)
        )
        .into_bytes()
    };
    let limits = Limits::default();
    assert_eq!(status(&head(FIELDS_MAX), limits), None);
    assert_eq!(status(&head(FIELDS_MAX + 1), limits), Some(431));
    let ten = Limits {
        fields_max: 10,
        ..limits
    };
    assert_eq!(status(&head(10), ten), None);
    assert_eq!(status(&head(11), ten), Some(431));
    let more = Limits {
        fields_max: 1000,
        ..limits
    };
    assert_eq!(status(&head(FIELDS_MAX + 1), more), Some(431));
    let later = String::from_utf8(head(11))
        .unwrap()
        .replace("HTTP/1.1", "HTTP/1.2");
    assert_eq!(status(later.as_bytes(), ten), Some(431));
}

#[test]
fn target_bytes() {
    let head = |bytes: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1)).into_bytes()
    };
    let limits = Limits::default();
    assert_eq!(status(&head(TARGET_BYTES_MAX), limits), None);
    assert_eq!(status(&head(TARGET_BYTES_MAX + 1), limits), Some(414));
    // A target that fills the head has no end in it.
    assert_eq!(status(&head(HEAD_BYTES_MAX), limits), Some(414));
    // A head that is too long while its target is not.
    let long = [&head(TARGET_BYTES_MAX)[..], &head_of(HEAD_BYTES_MAX)].concat();
    assert_eq!(
        status(&long, limits),
        None,
        "what follows a head does not count"
    );
    let mut long = head(TARGET_BYTES_MAX);
    long.truncate(long.len() - 2);
    long.extend_from_slice(&[b"X: ", &[b'x'; HEAD_BYTES_MAX][..], b"\r\n\r\n"].concat());
    assert_eq!(status(&long, limits), Some(431));
}

#[test]
fn a_target_without_a_limit_of_its_own_is_bounded_by_the_head() {
    let limits = Limits {
        head_bytes_max: 200,
        target_bytes_max: 200,
        ..Limits::default()
    };
    // Up to the last target whose end is still within the head.
    let head = |bytes: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1)).into_bytes()
    };
    let whole = 200 - head(1).len() + 1;
    assert_eq!(status(&head(whole), limits), None);
    assert_eq!(status(&head(whole + 1), limits), Some(431));
    assert_eq!(status(&head(195), limits), Some(431));
    for_each_split(&head(196), |pieces| {
        let mut connection = Connection::new(limits);
        let mut buffer = Vec::new();
        let error = pieces.iter().find_map(|piece| {
            buffer.extend_from_slice(piece);
            connection
                .recv_head(&buffer, &mut FieldScratch::new())
                .err()
        });
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            Some("The request target has more bytes than the server takes (http.max.header_size = 200).")
        );
    });
}

#[test]
fn the_reason_names_the_limit() {
    let mut connection = Connection::new(Limits {
        head_bytes_max: 50,
        ..Limits::default()
    });
    let script = head_of(51);
    let mut scratch = FieldScratch::new();
    let error = connection.recv_head(&script, &mut scratch).unwrap_err();
    let sentence = "The request head has more bytes than the server takes \
                    (http.max.header_size = 50).";
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn a_line_in_single_bytes_is_not_parsed_for_each_of_them() {
    // 64 KiB in single bytes, each parsed from the start, would be two thousand million bytes of
    // work. That lines are not looked at before they end shows in when a fault is found.
    let lines = b"GET / HTTP/1.1\r\nHost: a\r\n";
    let feed = |line: &[u8]| {
        let mut connection = Connection::new(Limits::default());
        let mut buffer = lines.to_vec();
        let mut seen_after = None;
        for (index, chunk) in [&b""[..]].into_iter().chain(line.chunks(1)).enumerate() {
            buffer.extend_from_slice(chunk);
            if connection
                .recv_head(&buffer, &mut FieldScratch::new())
                .is_err()
            {
                seen_after.get_or_insert(index);
            }
        }
        seen_after
    };
    assert_eq!(feed(b"X: \0aaaaaaaa\n"), Some(13), "at the end of its line");
    let long = [&b"X: \0"[..], &[b'a'; 100]].concat();
    assert_eq!(
        feed(&long),
        Some(lines.len()),
        "when the head is twice as long as it was"
    );
}
