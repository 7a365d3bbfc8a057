//! Request bodies: lengths and chunks, in every cut, and what their decoder refuses.

mod support;

use flatend_http::h1::{BodyDecoder, BodyLength};
use flatend_http::limits::{
    CHUNK_EXTENSIONS_BYTES_MAX, CHUNK_EXTENSION_BYTES_MAX, TRAILERS_MAX, TRAILER_BYTES_MAX,
};
use flatend_http::RequestError;
use support::{decode, for_each_split};

type Fields = Vec<(String, Vec<u8>)>;
type Decoded = Result<(Vec<u8>, Vec<u8>, Fields), RequestError>;

fn decode_whole(length: BodyLength, min: u64, max: u64, pieces: &[&[u8]]) -> Decoded {
    let mut decoder = BodyDecoder::new(length, min, max)?;
    let (data, rest) = decode(&mut decoder, pieces)?;
    assert!(decoder.is_done(), "{pieces:?} is incomplete");
    Ok((data, rest, decoder.trailers().to_vec()))
}

/// Data, rest and trailers of a chunked body; the same in every cut.
fn chunked(script: &[u8]) -> Decoded {
    let whole = decode_whole(BodyLength::Chunked, 0, u64::MAX, &[script]);
    for_each_split(script, |pieces| {
        let cut = decode_whole(BodyLength::Chunked, 0, u64::MAX, pieces);
        assert_eq!(cut, whole, "{:?}", String::from_utf8_lossy(script));
    });
    whole
}

fn refusal(script: &[u8]) -> RequestError {
    match chunked(script) {
        Err(error) => error,
        Ok(taken) => panic!("{:?}: {taken:?}", String::from_utf8_lossy(script)),
    }
}

#[test]
fn a_length() {
    let script = b"hello, worldGET / HTTP/1.1";
    for_each_split(script, |pieces| {
        let (data, rest, _) = decode_whole(BodyLength::Length(12), 0, 12, pieces).unwrap();
        assert_eq!(data, b"hello, world");
        assert_eq!(rest, b"GET / HTTP/1.1");
    });
    for length in [BodyLength::None, BodyLength::Length(0)] {
        let (data, rest, _) = decode_whole(length, 0, 0, &[b"GET"]).unwrap();
        assert_eq!((data.as_slice(), rest.as_slice()), (&b""[..], &b"GET"[..]));
    }
}

#[test]
fn chunks() {
    for (script, data) in [
        (&b"0\r\n\r\nrest"[..], &b""[..]),
        (b"5\r\nhello\r\n0\r\n\r\nrest", b"hello"),
        (b"1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\nrest", b"abcdef"),
        (b"A\r\n0123456789\r\n0\r\n\r\nrest", b"0123456789"),
        (b"a\r\n0123456789\r\n000\r\n\r\nrest", b"0123456789"),
        (b"0000000000000001\r\na\r\n0\r\n\r\nrest", b"a"),
        (b"2\r\n\r\n\r\n0\r\n\r\nrest", b"\r\n"),
        (b"5\r\n0\r\n\r\n\r\n0\r\n\r\nrest", b"0\r\n\r\n"),
        (b"1;a=b;c=\"d e\"\r\na\r\n0;x\r\n\r\nrest", b"a"),
        (b"1; \ta\r\na\r\n0\r\n\r\nrest", b"a"),
    ] {
        let got = chunked(script);
        assert_eq!(
            got,
            Ok((data.to_vec(), b"rest".to_vec(), vec![])),
            "{script:?}"
        );
    }
}

/// RFC 9112 7.1.1: well-formed extensions are passed over, whatever they say.
#[test]
fn chunk_extensions_that_pass() {
    for extension in [
        ";a",
        ";a=b",
        ";a;b;c",
        ";a=b;c=d",
        ";a=\"\"",
        ";a=\"b\"",
        ";a=\"b;c=d\"",
        ";a=\"b\\\"c\\\\\"",
        ";a=\"b c\td\";e",
        ";a=\"é\"",
        "; a",
        ";\ta",
        ";a ;b",
        ";a = b",
        ";a\t=\tb ; c",
        ";!#$%&'*+-.^_`|~=1",
    ] {
        let script = format!("1{extension}\r\na\r\n0{extension}\r\n\r\nrest");
        let (data, rest, _) = chunked(script.as_bytes()).unwrap();
        assert_eq!(
            (&data[..], &rest[..]),
            (&b"a"[..], &b"rest"[..]),
            "{script:?}"
        );
    }
}

/// Two parsers could find the end of such a line at two places.
#[test]
fn chunk_extensions_that_are_refused() {
    for extension in [
        ";",
        "; ",
        ";;",
        ";a;",
        ";=b",
        ";a=",
        ";a= ",
        ";a ",
        ";a=b ",
        ";a=\"b\" ",
        ";a b",
        ";a=b c",
        ";a=b=c",
        ";a=\"b",
        ";a=\"b\\\"",
        ";a=\"b\"c",
        ";a=b\"c\"",
        ";\"a\"",
        ";a,b",
        ";a=\"\0\"",
        ";a=\"\x7f\"",
        ";a=\"\\\x01\"",
        ";é",
        ";a=é",
        ";a\x0b",
        ";a=\"b\n\"",
        ";a\n",
    ] {
        let error = refusal(format!("1{extension}\r\na\r\n0\r\n\r\n").as_bytes());
        let sentence = (error.status, error.reason);
        assert_eq!(
            sentence,
            (400, "A chunk extension is malformed"),
            "{extension:?}"
        );
    }
}

#[test]
fn a_step_names_the_data_where_it_lies() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, u64::MAX).unwrap();
    let input = b"5\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n";
    let step = decoder.decode(input).unwrap();
    assert_eq!(&input[step.data.clone()], b"hello");
    // All that is not data is passed at once, up to the next data.
    assert_eq!((step.consumed, step.done), (13, false));
    let rest = &input[step.consumed..];
    let step = decoder.decode(rest).unwrap();
    assert_eq!(&rest[step.data], b"abc");
    assert!(step.done);
}

#[test]
fn chunks_that_are_refused() {
    for (script, part) in [
        (&b"\r\n"[..], "chunk size"),
        (b"g\r\n", "chunk size"),
        (b"0x5\r\n", "chunk size"),
        (b"+5\r\n", "chunk size"),
        (b"-5\r\n", "chunk size"),
        (b" 5\r\n", "chunk size"),
        (b"5 \r\n", "chunk size"),
        (b"5\t\r\n", "chunk size"),
        (b"5 ;a\r\n", "chunk size"),
        (b";a\r\n", "chunk size"),
        (b"5_0\r\n", "chunk size"),
        (b"5\0\r\n", "chunk size"),
        (b"5\n", "chunk size"),
        (b"\n", "chunk size"),
        (b"00000000000000001\r\n", "64 bits"),
        (b"10000000000000000\r\n", "64 bits"),
        (b"ffffffffffffffff1\r\n", "64 bits"),
        (b"1\rX", "CR without LF"),
        (b"1\r\r\n", "CR without LF"),
        (b"1\r\nab\r\n", "not followed by CRLF"),
        (b"1\r\na\n0\r\n\r\n", "not followed by CRLF"),
        (b"1\r\na\rX", "not followed by CRLF"),
        (b"1\r\na0\r\n\r\n", "not followed by CRLF"),
        (b"1;a\n", "extension"),
        (b"1;a\0\r\n", "extension"),
        (b"1;\x7f\r\n", "extension"),
        (b"1;\xff\r\n", "extension"),
        (b"1;a\rb\r\n", "CR without LF"),
        (b"0\r\n\n", "LF without CR"),
        (b"0\r\n\rX", "CR without LF"),
        (b"0\r\nA: b\n\r\n", "LF without CR"),
        (b"0\r\nA: b\r\n c\r\n\r\n", "trailer field"),
        (b"0\r\n A: b\r\n\r\n", "trailer field"),
        (b"0\r\nA : b\r\n\r\n", "trailer field"),
        (b"0\r\nA\r\n\r\n", "trailer field"),
        (b"0\r\nA: \0\r\n\r\n", "trailer field"),
        (b"0\r\nA: b\rc\r\n\r\n", "trailer field"),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", "trailer field"),
    ] {
        let error = refusal(script);
        assert_eq!(error.status, 400, "{script:?}");
        assert!(
            error.reason.contains(part),
            "{script:?}: {:?}",
            error.reason
        );
    }
}

#[test]
fn a_refusal_is_for_ever() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, u64::MAX).unwrap();
    let error = decoder.decode(b"x").unwrap_err();
    assert_eq!(decoder.decode(b"5\r\nhello\r\n0\r\n\r\n"), Err(error));
    assert!(!decoder.is_done());
}

#[test]
fn trailers() {
    let script = b"1\r\na\r\n0\r\nX-Sum:  1 \r\nContent-Length: 5\r\nx-forwarded-for: 1\r\n\
                   Authorization: b\r\nIf-Match: c\r\ngrpc-status: 0\r\nE:\r\n\r\nrest";
    let (data, rest, fields) = chunked(script).unwrap();
    assert_eq!(
        (data.as_slice(), rest.as_slice()),
        (&b"a"[..], &b"rest"[..])
    );
    let expected = [("x-sum", &b"1"[..]), ("grpc-status", b"0"), ("e", b"")];
    let expected: Fields = expected
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_vec()))
        .collect();
    assert_eq!(fields, expected);
}

#[test]
fn trailer_bytes_last_that_pass_and_first_that_fail() {
    let script = |bytes: usize| {
        let mut script = b"0\r\nX: ".to_vec();
        script.resize(3 + bytes - 4, b'a');
        script.extend_from_slice(b"\r\n\r\n");
        script
    };
    let decode = |script: &[u8]| decode_whole(BodyLength::Chunked, 0, u64::MAX, &[script]);
    assert!(decode(&script(TRAILER_BYTES_MAX)).is_ok());
    let error = decode(&script(TRAILER_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(
        (error.status, error.limit.unwrap().name),
        (431, "trailer_bytes_max")
    );
    // Without end: refused as soon as the bytes are there.
    let mut endless = BodyDecoder::new(BodyLength::Chunked, 0, u64::MAX).unwrap();
    assert!(endless
        .decode(&[&b"0\r\n"[..], &[b'a'; TRAILER_BYTES_MAX]].concat())
        .is_err());
}

#[test]
fn trailer_fields_last_that_pass_and_first_that_fail() {
    let script = |fields: usize| format!("0\r\n{}\r\n", "a: b\r\n".repeat(fields)).into_bytes();
    assert_eq!(
        chunked(&script(TRAILERS_MAX)).unwrap().2.len(),
        TRAILERS_MAX
    );
    let error = refusal(&script(TRAILERS_MAX + 1));
    assert_eq!(
        (error.status, error.limit.unwrap().name),
        (431, "trailers_max")
    );
}

#[test]
fn extension_bytes_of_a_chunk_last_that_pass_and_first_that_fail() {
    let script = |bytes: usize| format!("0;{}\r\n\r\n", "a".repeat(bytes)).into_bytes();
    assert!(chunked(&script(CHUNK_EXTENSION_BYTES_MAX)).is_ok());
    let error = refusal(&script(CHUNK_EXTENSION_BYTES_MAX + 1));
    assert_eq!(
        (error.status, error.limit.unwrap().name),
        (400, "chunk_extension_bytes_max")
    );
}

#[test]
fn extension_bytes_of_a_body_last_that_pass_and_first_that_fail() {
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(CHUNK_EXTENSION_BYTES_MAX));
    let many = chunk.repeat(CHUNK_EXTENSIONS_BYTES_MAX / CHUNK_EXTENSION_BYTES_MAX);
    let decode =
        |script: &str| decode_whole(BodyLength::Chunked, 0, u64::MAX, &[script.as_bytes()]);
    assert!(decode(&format!("{many}0\r\n\r\n")).is_ok());
    assert_eq!(
        decode(&format!("{many}0;x\r\n\r\n")).unwrap_err().status,
        400
    );
}

#[test]
fn body_sizes_last_that_pass_and_first_that_fail() {
    for bytes in [0, 4] {
        let length = BodyLength::Length(bytes);
        assert!(BodyDecoder::new(length, bytes, bytes).is_ok());
        let small = BodyDecoder::new(length, bytes + 1, 100).unwrap_err();
        assert_eq!(
            (small.status, small.limit.unwrap().name),
            (400, "http.min.body_size")
        );
    }
    let large = BodyDecoder::new(BodyLength::Length(5), 0, 4).unwrap_err();
    assert_eq!(
        (large.status, large.limit.unwrap().name),
        (413, "http.max.body_size")
    );
    assert_eq!(
        large.to_string(),
        "The request body has more bytes than the server takes (http.max.body_size = 4)."
    );

    let script = b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n";
    let verdict = |min, max| {
        let whole = decode_whole(BodyLength::Chunked, min, max, &[script]).map(|_| ());
        for_each_split(script, |pieces| {
            let cut = decode_whole(BodyLength::Chunked, min, max, pieces).map(|_| ());
            assert_eq!(cut, whole);
        });
        whole.map_err(|error| error.status)
    };
    assert_eq!(verdict(4, 4), Ok(()));
    assert_eq!(verdict(0, 3), Err(413));
    assert_eq!(verdict(5, 9), Err(400));
}

#[test]
fn a_huge_chunk_is_refused_at_its_size() {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, 100).unwrap();
    assert_eq!(
        decoder.decode(b"ffffffffffffffff\r\n").unwrap_err().status,
        413
    );
    // Sizes that would overflow their sum.
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, 0, u64::MAX - 1).unwrap();
    decoder.decode(b"1\r\na\r\n").unwrap();
    assert_eq!(
        decoder.decode(b"ffffffffffffffff\r\n").unwrap_err().status,
        413
    );
}
