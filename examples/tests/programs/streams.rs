//! Examples whose bodies are larger than memory should hold, or have a checksum.

use blake2::{Blake2b512, Digest};
use flatend::{hex, Request};
use flatend_examples::pattern;
use futures_lite::future::{block_on, zip};

use crate::program::{text, Gateway};

const BYTES: u64 = 32 * 1024 * 1024;

fn b2sum(pieces: impl Iterator<Item = Vec<u8>>) -> String {
    let mut hash = Blake2b512::new();
    pieces.for_each(|piece| hash.update(&piece));
    hex::encode(&hash.finalize())
}

/// Streams [`BYTES`] to `service` while its response is read; gives status, what came back and its checksum.
fn stream(gateway: &Gateway, service: &str) -> (u16, Vec<u8>) {
    block_on(async {
        let handle = gateway.node.handle();
        let (mut body, response) = handle.stream(Request::to(service)).await.expect("a place");
        let send = async move {
            for piece in pattern(BYTES) {
                body.write(piece).await.expect("it takes the body");
            }
            body.finish();
        };
        let receive = async {
            let mut response = response.await.expect("a response");
            let mut all = Vec::new();
            while let Some(piece) = response.read().await.expect("a whole body") {
                all.extend_from_slice(&piece);
            }
            (response.status(), all)
        };
        zip(send, receive).await.1
    })
}

#[test]
fn echo_takes_a_body_within_its_limit_and_no_larger_one() {
    let gateway = Gateway::start();
    let _program = gateway.run(env!("CARGO_BIN_EXE_echo"), &[]);
    let echo = || Request::to("echo");
    let mut markdown = gateway.send(echo().header("content-type", "text/markdown").body("# hi"));
    assert_eq!(markdown.header("content-type"), Some("text/markdown"));
    let body = block_on(markdown.read_all(4)).expect("it comes back");
    assert_eq!(&body[..], b"# hi");
    let most = vec![b'x'; 1024 * 1024];
    assert_eq!(gateway.send(echo().body(most.clone())).status(), 200);
    let (status, error) = text(gateway.send(echo().body([&most[..], b"x"].concat())));
    assert_eq!(status, 413);
    assert_eq!(
        error,
        r#"{"error":"the body is larger than the limit of 1048576 bytes"}"#
    );
}

#[test]
fn pipe_sends_back_what_comes() {
    let gateway = Gateway::start();
    let _program = gateway.run(env!("CARGO_BIN_EXE_pipe"), &[]);
    let (status, back) = stream(&gateway, "pipe");
    assert_eq!(status, 200);
    assert!(back == pattern(BYTES).collect::<Vec<_>>().concat());
}

#[test]
fn file_sends_itself_and_any_other() {
    let gateway = Gateway::start();
    let itself = include_str!("../../src/bin/file.rs");
    let program = gateway.run(env!("CARGO_BIN_EXE_file"), &[]);
    let response = gateway.ask("file");
    assert_eq!(
        response.header("content-length"),
        Some(&*itself.len().to_string())
    );
    assert_eq!(text(response), (200, itself.to_owned()));
    drop(program);
    let missing = Gateway::start();
    let _program = missing.run(env!("CARGO_BIN_EXE_file"), &["/does/not/exist"]);
    let (status, error) = text(missing.ask("file"));
    assert_eq!(
        (status, &*error),
        (404, r#"{"error":"there is no such file"}"#)
    );
}

#[test]
fn e2e_bodies_have_their_checksums_at_both_ends() {
    let gateway = Gateway::start();
    let _program = gateway.run(env!("CARGO_BIN_EXE_e2e"), &[]);
    let (status, received) = stream(&gateway, "upload");
    let sum = b2sum(pattern(BYTES));
    let expected = format!(r#"{{"bytes":{BYTES},"b2sum":"{sum}"}}"#);
    assert_eq!((status, received), (200, expected.into_bytes()));
    let mut sent = gateway.send(Request::to("download").query("bytes", BYTES.to_string()));
    assert_eq!(sent.header("x-b2sum"), Some(&*sum));
    assert_eq!(sent.header("content-length"), Some(&*BYTES.to_string()));
    let body = block_on(sent.read_all(BYTES as usize)).expect("all of it");
    assert_eq!(b2sum(std::iter::once(body.to_vec())), sum);
    let refused = [None, Some("many"), Some("10000000001")].map(|bytes| {
        let request = Request::to("download");
        let request = match bytes {
            Some(bytes) => request.query("bytes", bytes),
            None => request,
        };
        text(gateway.send(request)).0
    });
    assert_eq!(refused, [400; 3]);
}
