//! Requests whose length two parsers could see differently. Each is refused in every cut.

mod support;

use flatend_http::h1::BodyLength;
use support::{accepted, verdict, Verdict};

fn head(version: &str, fields: &str) -> Vec<u8> {
    format!("POST / HTTP/{version}\r\nHost: a\r\n{fields}\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n")
        .into_bytes()
}

fn status(version: &str, fields: &str) -> u16 {
    match verdict(&head(version, fields)) {
        Verdict::Refused { status, .. } => status,
        other => panic!("{fields:?}: {other:?}"),
    }
}

#[test]
fn a_length_and_chunks() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked\r\n",
        "Content-Length: 5\r\ntransfer-encoding: CHUNKED\r\n",
    ] {
        assert_eq!(status("1.1", fields), 400, "{fields:?}");
        assert_eq!(status("1.0", fields), 400, "{fields:?}");
    }
}

#[test]
fn lengths_that_are_not_one_number() {
    for value in [
        "",
        "+5",
        "-5",
        "-0",
        "0x5",
        "5,5",
        "5, 5",
        "5,6",
        "5 5",
        "5;",
        "5.0",
        "5e0",
        "\"5\"",
        "five",
        "5\u{b}",
        "5a",
        "a5",
        "１",
        "18446744073709551616",
        "99999999999999999999",
        "00000000000000000000018446744073709551616",
        "5\t",
        "\t5",
        "5_0",
        "5\0",
        "NaN",
        ",5",
        "5,",
    ] {
        let fields = format!("Content-Length: {value}\r\n");
        assert_eq!(status("1.1", &fields), 400, "{value:?}");
    }
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 6\r\ncontent-LENGTH: 5\r\n",
        "Content-Length: 5\r\nContent-Length:\r\n",
        "Content-Length : 5\r\n",
        " Content-Length: 5\r\n",
        "Content-Length\t: 5\r\n",
        "Content-Length:\r\n 5\r\n",
        "X: y\r\n Content-Length: 5\r\n",
        "X: y\rContent-Length: 5\r\n",
        "X: y\nContent-Length: 5\r\n",
        "Content-Length: 5\nX: y\r\n",
    ] {
        assert_eq!(status("1.1", fields), 400, "{fields:?}");
    }
}

#[test]
fn lengths_that_are_one_number() {
    for (value, bytes) in [
        ("0", 0),
        ("5", 5),
        ("  5  ", 5),
        ("005", 5),
        ("18446744073709551615", u64::MAX),
    ] {
        let got = accepted(&head("1.1", &format!("Content-Length: {value}\r\n"))).body;
        assert_eq!(got, BodyLength::Length(bytes), "{value:?}");
    }
}

#[test]
fn transfer_codings() {
    for (fields, expected) in [
        // Hidden ones.
        ("Transfer-Encoding:\tchunked\r\n", 400),
        ("Transfer-Encoding: chunked\t\r\n", 400),
        ("Transfer-Encoding: \u{b}chunked\r\n", 400),
        ("Transfer-Encoding: chunked\u{b}\r\n", 400),
        ("Transfer-Encoding: \u{c}chunked\r\n", 400),
        ("Transfer-Encoding: chunked\0\r\n", 400),
        ("Transfer-Encoding: ch\u{e4}nked\r\n", 400),
        ("Transfer-Encoding: chunked\u{a0}\r\n", 400),
        ("Transfer-Encoding : chunked\r\n", 400),
        (" Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding\t: chunked\r\n", 400),
        ("Transfer-Encoding\u{b}: chunked\r\n", 400),
        ("X: y\nTransfer-Encoding: chunked\r\n", 400),
        ("X: y\rTransfer-Encoding: chunked\r\n", 400),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding:\r\n chunked\r\n", 400),
        ("Transfer-Encoding: \"chunked\"\r\n", 400),
        ("Transfer-Encoding: chunked;q=1\r\n", 400),
        ("Transfer-Encoding: [chunked]\r\n", 400),
        ("Transfer-Encoding: chunked foo\r\n", 400),
        // Lists in which chunked is not the one and last.
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            400,
        ),
        ("Transfer-Encoding: chunked, gzip\r\n", 400),
        ("Transfer-Encoding: chunked, identity\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            400,
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
            400,
        ),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", 400),
        ("Transfer-Encoding: chunked,\r\n", 400),
        ("Transfer-Encoding: ,chunked\r\n", 400),
        ("Transfer-Encoding: , chunked\r\n", 400),
        ("Transfer-Encoding:\r\n", 400),
        ("Transfer-Encoding: \r\n", 400),
        ("Transfer-Encoding: gzip,\tchunked\r\n", 400),
        // Without chunked at the end nobody can know the length (RFC 9112 6.3).
        ("Transfer-Encoding: gzip\r\n", 400),
        ("Transfer-Encoding: gzip, deflate\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", 400),
        ("Transfer-Encoding: chunke\r\n", 400),
        ("Transfer-Encoding: cow\r\n", 400),
        // Codings that we do not know, below chunks.
        ("Transfer-Encoding: gzip;q=\"a, b\", chunked\r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        (
            "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            501,
        ),
        ("Transfer-Encoding: identity, chunked\r\n", 501),
    ] {
        assert_eq!(status("1.1", fields), expected, "{fields:?}");
    }
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:chunked\r\n",
        "Transfer-Encoding:   chunked  \r\n",
        "tRANSFER-eNCODING: cHUNKED\r\n",
    ] {
        assert_eq!(
            accepted(&head("1.1", fields)).body,
            BodyLength::Chunked,
            "{fields:?}"
        );
        assert_eq!(status("1.0", fields), 400, "{fields:?}");
    }
}

#[test]
fn fields_that_only_look_like_framing() {
    for fields in [
        "Content_Length: 5\r\n",
        "Content-Lengt: 5\r\n",
        "X-Content-Length: 5\r\n",
        "Transfer_Encoding: chunked\r\n",
        "X: Transfer-Encoding: chunked\r\n",
        "TE: chunked\r\n",
    ] {
        assert_eq!(
            accepted(&head("1.1", fields)).body,
            BodyLength::None,
            "{fields:?}"
        );
    }
}

#[test]
fn connection_and_expect_and_upgrade() {
    let keeps = |version: &str, fields: &str| accepted(&head(version, fields)).keep_alive;
    assert!(keeps("1.1", ""));
    assert!(keeps("1.1", "Connection: x\r\n"));
    assert!(!keeps("1.1", "Connection: close\r\n"));
    assert!(!keeps("1.1", "Connection: x, CLOSE\r\n"));
    assert!(!keeps(
        "1.1",
        "Connection: keep-alive\r\nConnection: close\r\n"
    ));
    assert!(keeps("1.1", "Connection: closed\r\n"));
    assert!(!keeps("1.0", ""));
    assert!(keeps("1.0", "Connection: Keep-Alive\r\n"));
    assert!(!keeps("1.0", "Connection: keep-alive, close\r\n"));

    assert!(accepted(&head("1.1", "Expect: 100-Continue\r\n")).expect_continue);
    assert!(!accepted(&head("1.0", "Expect: 100-continue\r\n")).expect_continue);
    assert_eq!(status("1.1", "Expect: 200-ok\r\n"), 417);
    assert_eq!(status("1.1", "Expect: 100-continue, x\r\n"), 417);
    assert_eq!(status("1.1", "Expect: 100-continue\r\nExpect: x\r\n"), 400);

    let upgrade = |version: &str, fields: &str| accepted(&head(version, fields)).upgrade;
    let both = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(upgrade("1.1", both).as_deref(), Some("websocket"));
    assert_eq!(upgrade("1.0", both), None);
    assert_eq!(upgrade("1.1", "Upgrade: websocket\r\n"), None);
    assert_eq!(upgrade("1.1", "Connection: upgrade\r\n"), None);
}
