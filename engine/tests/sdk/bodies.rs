//! Bodies behind the traits of futures-io, files, and bodies that nobody reads.

use std::io::Write;

use flatend::{Node, NodeBuilder, OrStatus};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt};

use crate::support::raw::{data, service_request, Raw};
use crate::support::wait_for;
use crate::support::{body, node::TestNode};
use crate::{status, Pair};

fn readers_and_writers() -> NodeBuilder {
    Node::builder()
        .service("lines", |context| async move {
            let mut lines = context.reader().lines();
            let mut longest = String::new();
            while let Some(line) = lines.next().await {
                longest = std::cmp::max_by_key(longest, line?, String::len);
            }
            context.send(longest).await
        })
        .service("copy", |context| async move {
            let (mut reader, mut writer) = (context.reader(), context.writer());
            futures_lite::io::copy(&mut reader, &mut writer).await?;
            writer.close().await?;
            // It has ended: nothing more can be said.
            let error = writer.write(b"more").await.expect_err("it is closed");
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            Ok(())
        })
        .service("pipe", |context| async move {
            let reader = context.reader();
            context.pipe(reader).await
        })
        .service("pipe_blocking", |context| async move {
            let bytes = body::bytes(0, 1_000_000);
            context.pipe_blocking(std::io::Cursor::new(bytes)).await
        })
        .service("file", |mut context| async move {
            context.set_header("content-type", "text/plain")?;
            let path = context
                .query("path")
                .or_status(400, "say ?path=")?
                .to_owned();
            context.send_file(path).await
        })
}

#[test]
fn a_body_is_read_line_by_line_and_copied_through_the_traits() {
    let pair = Pair::start("lines", readers_and_writers());
    let text = "short\nthe longest line\nend".repeat(1_000);
    assert_eq!(
        pair.ask("lines", &[], text.as_bytes()).text(),
        "the longest line"
    );
    for service in ["copy", "pipe"] {
        for size in [0, 1, 65_536, 65_537, 3_000_000] {
            let sent = body::bytes(0, size);
            let reply = pair.ask(service, &[], &sent);
            assert!(reply.body == sent, "{service}: {size} bytes");
        }
    }
    assert!(pair.ask("pipe_blocking", &[], b"").body == body::bytes(0, 1_000_000));
}

#[test]
fn a_file_is_sent_with_its_length_and_a_missing_one_is_a_404() {
    let pair = Pair::start("file", readers_and_writers());
    let mut path = std::env::temp_dir();
    path.push(format!("flatend-sdk-{}", std::process::id()));
    for size in [0, 1, 262_144, 262_145] {
        let content = body::bytes(0, size);
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(&content).expect("room on the disk");
        let reply = pair.ask("file", &[("query.path", &path.to_string_lossy())], b"");
        assert!(reply.body == content, "{size} bytes");
        assert_eq!(reply.header("content-length"), Some(&*size.to_string()));
        assert_eq!(reply.header("content-type"), Some("text/plain"));
    }
    std::fs::remove_file(&path).expect("it is ours");
    let missing = pair.ask("file", &[("query.path", &path.to_string_lossy())], b"");
    assert_eq!(
        status(&missing),
        ("404", r#"{"error":"there is no such file"}"#)
    );
    let folder = pair.ask("file", &[("query.path", "/")], b"");
    assert_eq!(
        status(&folder),
        ("404", r#"{"error":"this is not a regular file"}"#)
    );
}

#[test]
fn a_reader_that_outlives_its_handler_says_so() {
    let (tell, told) = std::sync::mpsc::channel();
    let node = Node::builder().service("leave", move |context| {
        let tell = tell.clone();
        async move {
            let (mut reader, mut writer) = (context.reader(), context.writer());
            context.send("gone").await?;
            flatend::rt::spawn(async move {
                // Not before the handler has ended; its caller never sends the rest.
                flatend::rt::yield_now().await;
                let read = reader.read(&mut [0]).await.map_err(|err| err.to_string());
                let written = writer.write(b"x").await.map_err(|err| err.to_string());
                tell.send((read, written)).ok();
            });
            Ok(())
        }
    });
    let provider = TestNode::start(node.bind("127.0.0.1:0"));
    let mut caller = Raw::joined(provider.addr(), &[]);
    caller.send(0, &service_request(2, "leave"));
    let (read, written) = wait_for("what the task saw", || told.try_recv().ok());
    assert_eq!(
        read,
        Err("the handler has ended, and the rest of the body was thrown away".to_owned())
    );
    assert_eq!(written, Err("the caller has gone".to_owned()));
}

/// A Go caller reads no response before it has sent its whole body (protocol.md, G11), here more than a link holds unread.
#[test]
fn a_body_that_no_handler_reads_leaves_the_link_of_a_go_caller_usable() {
    let node = Node::builder()
        .bind("127.0.0.1:0")
        .service(
            "ignore",
            |context| async move { context.send("not read").await },
        )
        .service(
            "panic",
            |_context| async move { panic!("unread, on purpose") },
        )
        .service("fail", |_context| async move {
            None::<()>.or_status(418, "a teapot")
        });
    let provider = TestNode::start(node);
    let mut caller = Raw::joined(provider.addr(), &[]);
    for (stream, service, said) in [
        (2u32, "ignore", "not read"),
        (4, "panic", "panicked"),
        (6, "fail", "a teapot"),
        (8, "ignore", "not read"),
    ] {
        caller.send(0, &service_request(stream, service));
        for at in 0..600 {
            caller.send(0, &data(stream, &body::bytes(at * 2_048, 2_048)));
        }
        caller.send(0, &data(stream, b""));
        // Response, body, end: each packet of this stream, its number after the opcode.
        let mut heard = String::new();
        loop {
            let packet = caller.receive().expect("the link lives");
            let of_stream = packet.get(5..9) == Some(&stream.to_be_bytes()[..]);
            match packet.get(4) {
                Some(3) if of_stream && packet[9..11] == [0, 0] => break,
                Some(3) if of_stream => heard += &String::from_utf8_lossy(&packet[11..]),
                _ => {}
            }
        }
        assert!(heard.contains(said), "{service}: {heard}");
    }
}

/// A reader that keeps up never makes the writer wait for room; the shard's other tasks must not wait for its end.
#[test]
fn a_large_response_lets_the_shards_other_tasks_run_meanwhile() {
    let node = Node::builder().service("large", |mut context| async move {
        let ran = std::rc::Rc::new(std::cell::Cell::new(0));
        let seen = ran.clone();
        flatend::rt::spawn(async move {
            loop {
                seen.set(seen.get() + 1);
                flatend::rt::yield_now().await;
                if seen.get() >= 1_000 {
                    return;
                }
            }
        });
        context.write(vec![b'x'; 600 * 1024]).await?;
        context.send(format!(" {}", ran.get())).await
    });
    let reply = Pair::start("large", node).ask("large", &[], b"");
    let text = reply.text().trim_start_matches('x');
    let ran: u32 = text.trim().parse().expect("a number");
    assert!(
        ran >= 1,
        "600 KiB were written at once, others ran {ran} times"
    );
}
