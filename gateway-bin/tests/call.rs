//! `flatend call` as its users run it, against nodes in this process.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use flatend::{HandlerError, Node};
use support::Scratch;

/// A node with services, and what to name it.
struct Provider {
    _node: Node,
    addr: String,
}

fn provider() -> Provider {
    let builder = Node::builder().bind("127.0.0.1:0").relay(true);
    let node = services(builder).start().expect("the node starts");
    let addr = node.addrs()[0].to_string();
    Provider { _node: node, addr }
}

fn services(builder: flatend::NodeBuilder) -> flatend::NodeBuilder {
    builder
        .shards(1)
        .pin(false)
        .on_event(|_| {})
        .service("hello", |mut context| async move {
            context.set_header("content-type", "text/plain")?;
            context.send("Hello world!").await
        })
        .service("echo", |mut context| async move {
            let kind = context.header("content-type").unwrap_or("none").to_owned();
            context.set_header("got", &kind)?;
            while let Some(bytes) = context.read().await? {
                context.write(&bytes).await?;
            }
            Ok(())
        })
        .service("count", |mut context| async move {
            let mut bytes = 0;
            while let Some(piece) = context.read().await? {
                bytes += piece.len();
            }
            context.send(bytes.to_string()).await
        })
        .service("fail", |_context| async move {
            Err(HandlerError::with_status(418, "a teapot"))
        })
        .service("silent", |_context| std::future::pending())
}

fn start(to: &str, args: &[&str], input: Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_flatend"))
        .arg("call")
        .args(args)
        .args(["--node", to])
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs")
}

fn ended(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Without standard input.
fn call(to: &str, args: &[&str]) -> (Option<i32>, String, String) {
    ended(start(to, args, Stdio::null()))
}

fn answered(body: &str) -> (Option<i32>, String, String) {
    (Some(0), body.to_owned(), String::new())
}

#[test]
fn a_response_goes_to_standard_output_and_its_headers_before_it() {
    let provider = provider();
    assert_eq!(call(&provider.addr, &["hello"]), answered("Hello world!"));
    let with_headers = "content-type: text/plain\ncontent-length: 12\n\nHello world!";
    assert_eq!(
        call(&provider.addr, &["hello", "-i"]),
        answered(with_headers)
    );
}

#[test]
fn a_body_is_a_text_a_file_or_standard_input() {
    let provider = provider();
    let to = &provider.addr;
    let sent = ["echo", "-d", "a text", "-H", "Content-Type: a/b", "-i"];
    let (status, out, err) = call(to, &sent);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(
        out.contains("got: a/b\n") && out.ends_with("\n\na text"),
        "{out}"
    );
    assert_eq!(call(to, &["count", "-d", ""]), answered("0"));
    let scratch = Scratch::new();
    let file = scratch.write("body", &"x".repeat(300_000));
    let at_file = format!("@{}", file.display());
    assert_eq!(call(to, &["count", "-d", &at_file]), answered("300000"));
    let (status, out, err) = call(to, &["count", "-d", "@/nowhere/at/all"]);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(err.contains("cannot read /nowhere/at/all"), "{err}");
    // A pipe is read without being asked for.
    for args in [&["count"][..], &["count", "-d", "@-"]] {
        let mut child = start(to, args, Stdio::piped());
        let mut input = child.stdin.take().expect("a pipe");
        let writer = std::thread::spawn(move || {
            for _ in 0..64 {
                input.write_all(&[b'x'; 100_000]).expect("it is read");
            }
        });
        assert_eq!(ended(child), answered("6400000"));
        writer.join().expect("all is written");
    }
}

fn line(input: &mut ChildStdin, output: &mut impl BufRead, text: &str) -> String {
    input.write_all(text.as_bytes()).expect("it is read");
    let mut line = String::new();
    output.read_line(&mut line).expect("it answers");
    line
}

#[test]
fn both_bodies_go_on_while_the_other_does() {
    let provider = provider();
    let mut child = start(&provider.addr, &["echo"], Stdio::piped());
    let mut input = child.stdin.take().expect("a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    for text in ["one\n", "two\n", "three\n"] {
        assert_eq!(line(&mut input, &mut output, text), text);
    }
    drop(input);
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("its end");
    assert_eq!((rest.as_str(), ended(child).0), ("", Some(0)));
}

#[test]
fn an_output_that_cannot_be_written_says_why() {
    let provider = provider();
    let full = std::fs::File::options().write(true).open("/dev/full");
    let ran = Command::new(env!("CARGO_BIN_EXE_flatend"))
        .args(["call", "hello", "--node", &provider.addr])
        .stdin(Stdio::null())
        .stdout(full.expect("Linux has one"))
        .output()
        .expect("the binary runs");
    let err = String::from_utf8(ran.stderr).expect("text");
    assert_eq!(ran.status.code(), Some(1), "{err}");
    assert!(
        err.starts_with("flatend: cannot write the response to standard output: "),
        "{err}"
    );
}

#[test]
fn the_status_counts_only_if_it_is_asked_for() {
    let provider = provider();
    let shown = answered(r#"{"error":"a teapot"}"#);
    assert_eq!(call(&provider.addr, &["fail"]), shown);
    let (status, out, err) = call(&provider.addr, &["fail", "-f"]);
    assert_eq!((status, out.as_str()), (Some(22), ""));
    assert_eq!(err, "flatend: 'fail' answered with status 418.\n");
    assert_eq!(
        call(&provider.addr, &["hello", "-f"]),
        answered("Hello world!")
    );
}

#[test]
fn what_does_not_come_says_why() {
    let provider = provider();
    let (status, _, err) = call(&provider.addr, &["silent", "--timeout", "50ms"]);
    assert_eq!(status, Some(1));
    assert!(err.contains("'silent' did not answer within 50ms"), "{err}");
    let (status, _, err) = call(&provider.addr, &["nobody"]);
    assert_eq!(status, Some(1));
    assert!(err.contains("no node offers 'nobody'"), "{err}");
    let (status, _, err) = call(&provider.addr, &["hello", "--timeout", "0"]);
    assert_eq!(status, Some(2));
    assert!(err.contains("--timeout 0 leaves no time"), "{err}");
    // A port that nobody listens on any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = gone.local_addr().expect("its address").to_string();
    drop(gone);
    let (status, _, err) = call(&addr, &["hello"]);
    assert_eq!(status, Some(1));
    assert!(
        err.contains("cannot reach") && err.contains("--node"),
        "{err}"
    );
}

#[test]
fn a_service_that_only_dialed_in_is_reached_through_the_node() {
    let relay = Node::builder()
        .bind("127.0.0.1:0")
        .relay(true)
        .shards(1)
        .pin(false);
    let relay = relay.on_event(|_| {}).start().expect("the relay starts");
    let to = relay.addrs()[0].to_string();
    let dialed = services(Node::builder().bootstrap(to.clone()));
    let dialed = dialed.start().expect("the provider starts");
    // It may still be on its way: the relay is young, and holds the request for it.
    assert_eq!(call(&to, &["hello"]), answered("Hello world!"));
    dialed.shutdown().expect("it ends well");
}

#[test]
fn a_signal_gives_the_call_up_and_ends_the_link_in_order() {
    let (heard, events) = std::sync::mpsc::channel();
    let node = services(Node::builder().bind("127.0.0.1:0")).on_event(move |event| {
        heard.send(event.to_string()).ok();
    });
    let node = node.start().expect("the node starts");
    let child = start(&node.addrs()[0].to_string(), &["silent"], Stdio::null());
    let wait = |what: &str| loop {
        let line = events
            .recv_timeout(Duration::from_secs(20))
            .expect("it comes");
        if line.contains(what) {
            break;
        }
    };
    wait("has connected");
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let (status, out, err) = ended(child);
    assert_eq!((status, out.as_str(), err.as_str()), (Some(130), "", ""));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    wait("has disconnected");
}
