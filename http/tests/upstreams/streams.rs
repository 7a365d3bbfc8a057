//! Bodies: both ways at once, bounded, cut where they are cut.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use flatend::limits::OUTLET_UNREAD_BYTES_MAX;
use flatend::{rt, Bytes, CallError, CallRequest, Fault};
use flatend_http::limits::REQUEST_QUEUE_BYTES_MAX;

use crate::fake::{
    answer, ask, ended, on_shard, post, read_head, read_request, request, until, upstream, Ended,
    Fake,
};

fn bytes(count: usize) -> Bytes {
    (0..count)
        .map(|i| (i % 251) as u8)
        .collect::<Vec<_>>()
        .into()
}

#[test]
fn bodies_of_all_sizes_both_ways_by_length_and_chunked() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| loop {
            let (head, body) = read_request(stream);
            if head.is_empty() {
                return;
            }
            if body.len() % 2 == 0 {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    .unwrap();
                for chunk in body.chunks(10_000) {
                    write!(stream, "{:x}\r\n", chunk.len()).unwrap();
                    stream.write_all(chunk).unwrap();
                    stream.write_all(b"\r\n").unwrap();
                }
                stream.write_all(b"0\r\n\r\n").unwrap();
            } else {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                )
                .unwrap();
                stream.write_all(&body).unwrap();
            }
        });
        let (upstream, _) = upstream(&fake.url(), None);
        for size in [1, 2, 4_095, 4_096, 65_536, 65_537, 1_000_000, 1_000_001] {
            let body = bytes(size);
            let ended = post(&shard, &upstream, body.clone()).await;
            assert!(ended == Ended::Whole(200, body.to_vec()), "{size} bytes");
        }
        assert_eq!(fake.connections(), 1);
    });
}

#[test]
fn a_body_that_ends_with_the_connection() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_request(stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            stream.write_all(&bytes(300_000)).unwrap();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        assert!(ask(&shard, &upstream).await == Ended::Whole(200, bytes(300_000).to_vec()));
    });
}

#[test]
fn a_body_that_is_cut_is_never_whole() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30000\r\n",
    ] {
        on_shard(move |shard| async move {
            let fake = Fake::start(move |_, stream| {
                read_request(stream);
                stream.write_all(head.as_bytes()).unwrap();
                stream.write_all(&bytes(100_000)).unwrap();
            });
            let (upstream, _) = upstream(&fake.url(), None);
            let cut = Ended::Cut(200, Fault::LinkLost { left: true });
            assert_eq!(ask(&shard, &upstream).await, cut);
        });
    }
}

#[test]
fn a_response_begins_while_its_request_still_runs() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_head(stream);
            let mut four = [0; 9];
            stream.read_exact(&mut four).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
                .unwrap();
            stream.read_exact(&mut [0; 9]).unwrap();
            stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        let call = shard.call(CallRequest {
            has_body: true,
            ..request(&shard, &upstream, &[])
        });
        let (sent, response) =
            futures_lite::future::zip(call.send(Bytes::from_static(b"half")), call.response())
                .await;
        assert!(sent.is_ok() && response.is_ok());
        assert_eq!(call.data().await, Ok(Some(Bytes::from_static(b"first"))));
        call.send(Bytes::from_static(b"half")).await.unwrap();
        assert_eq!(call.data().await, Ok(Some(Bytes::from_static(b"second"))));
        call.finish();
        assert_eq!(call.data().await, Ok(None));
    });
}

#[test]
fn an_early_answer_to_an_upload_counts_and_its_connection_is_not_used_again() {
    on_shard(|shard| async move {
        let fake = Fake::start(|number, stream| {
            read_head(stream);
            answer(stream, &format!("early {number}"));
            // What still comes is read, so that the answer is not lost to a reset.
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        for n in 0..2 {
            let call = shard.call(CallRequest {
                has_body: true,
                ..request(&shard, &upstream, &[("content-length", "100000000")])
            });
            let sending = async {
                let piece = bytes(100_000);
                while call.send(piece.clone()).await.is_ok() {}
            };
            let ((), ended) = futures_lite::future::zip(sending, ended(&call)).await;
            assert_eq!(ended.text(), format!("early {n}"));
            until("the connection is closed", || fake.ended() == n + 1).await;
        }
        assert_eq!(fake.connections(), 2);
    });
}

#[test]
fn a_server_that_reads_nothing_holds_the_caller_up_in_bounded_memory() {
    on_shard(|shard| async move {
        let release = Arc::new(Barrier::new(2));
        let gate = release.clone();
        let fake = Fake::start(move |_, stream| {
            read_head(stream);
            gate.wait();
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        let call = shard.call(CallRequest {
            has_body: true,
            ..request(&shard, &upstream, &[("content-length", "1000000000")])
        });
        let taken = AtomicUsize::new(0);
        let sending = async {
            let piece = bytes(64 * 1024);
            while call.send(piece.clone()).await.is_ok() {
                taken.fetch_add(piece.len(), Ordering::SeqCst);
            }
            panic!("the connection is open, and nobody answered");
        };
        let answering = async {
            panic!("an answer: {:?}", ended(&call).await);
        };
        // Until no more is taken: what the sockets and the queue hold is full.
        let full = at_rest(&taken);
        futures_lite::future::or(futures_lite::future::or(full, sending), answering).await;
        let held = taken.load(Ordering::SeqCst);
        assert!(held >= REQUEST_QUEUE_BYTES_MAX, "{held} bytes were taken");
        assert!(
            held < REQUEST_QUEUE_BYTES_MAX + SOCKETS_BYTES_MAX,
            "{held} bytes were taken"
        );
        drop(call);
        release.wait();
        until("the server hears of it", || fake.ended() == 1).await;
    });
}

/// What the system's buffers of one connection hold at most.
const SOCKETS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Waits until `count` does not move any more.
async fn at_rest(count: &AtomicUsize) {
    let mut last = usize::MAX;
    while count.load(Ordering::SeqCst) != last || last == 0 {
        last = count.load(Ordering::SeqCst);
        rt::sleep(200).await;
    }
}

#[test]
fn a_caller_who_reads_nothing_holds_the_server_up_in_bounded_memory() {
    on_shard(|shard| async move {
        let written = Arc::new(AtomicUsize::new(0));
        let count = written.clone();
        let fake = Fake::start(move |_, stream| {
            read_request(stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let piece = bytes(64 * 1024);
            while stream.write_all(&piece).is_ok() {
                count.fetch_add(piece.len(), Ordering::SeqCst);
            }
        });
        let (upstream, _) = upstream(&fake.url(), None);
        let call = shard.call(request(&shard, &upstream, &[]));
        call.response().await.unwrap();
        // Until nothing more is written: what the sockets and the sink hold is full.
        at_rest(&written).await;
        let last = written.load(Ordering::SeqCst);
        assert!(
            last < OUTLET_UNREAD_BYTES_MAX + SOCKETS_BYTES_MAX,
            "{last} bytes were taken"
        );
        let mut read = 0;
        while read < last {
            read += call.data().await.unwrap().unwrap().len();
        }
        drop(call);
        until("the server hears of it", || fake.ended() == 1).await;
    });
}

#[test]
fn a_caller_who_goes_closes_the_connection() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_head(stream);
            // FIN or a reset.
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        for n in 0..3 {
            let call = shard.call(request(&shard, &upstream, &[]));
            let asked = async { ended(&call).await };
            let gone = async {
                until("the request is there", || fake.connections() == n + 1).await;
                Ended::Whole(0, Vec::new())
            };
            assert_eq!(
                futures_lite::future::or(asked, gone).await,
                Ended::Whole(0, Vec::new())
            );
            drop(call);
            until("the server hears of it", || fake.ended() == n + 1).await;
        }
    });
}

#[test]
fn interim_responses_are_skipped_and_half_closed_servers_heard() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_request(stream);
            stream
                .write_all(
                    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n",
                )
                .unwrap();
            answer(stream, "final");
            stream.shutdown(Shutdown::Write).unwrap();
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        assert_eq!(ask(&shard, &upstream).await.text(), "final");
        until("the connection is closed", || fake.ended() == 1).await;
    });
}

#[test]
fn a_caller_who_breaks_his_promise_of_a_length_is_cut() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_head(stream);
            stream.read_to_end(&mut Vec::new()).ok();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        for (body, length) in [("toolong", "3"), ("short", "9")] {
            let call = shard.call(CallRequest {
                has_body: true,
                ..request(&shard, &upstream, &[("content-length", length)])
            });
            let sending = async {
                call.send(Bytes::from_static(body.as_bytes())).await.ok();
                call.finish();
            };
            let ((), ended) = futures_lite::future::zip(sending, ended(&call)).await;
            match ended {
                // The caller's fault, and none of the upstream.
                Ended::Failed(CallError::Unsendable { status: 400, why }) => {
                    assert!(why.contains("content-length"), "{why}")
                }
                other => panic!("{other:?}"),
            }
        }
        until("both connections are closed", || fake.ended() == 2).await;
    });
}

#[test]
fn chunks_of_a_byte_are_handed_on_by_the_read() {
    const CHUNKS: usize = 2_000;
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_head(stream);
            let mut response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            response.extend(b"1\r\na\r\n".repeat(CHUNKS));
            response.extend(b"1388\r\n");
            response.extend([b'b'; 5_000]);
            response.extend(b"\r\n1\r\nc\r\n0\r\n\r\n");
            stream.write_all(&response).unwrap();
            read_head(stream);
        });
        let (upstream, _) = upstream(&fake.url(), None);
        let call = shard.call(request(&shard, &upstream, &[]));
        call.response().await.unwrap();
        let (mut pieces, mut body) = (0, Vec::new());
        while let Some(bytes) = call.data().await.unwrap() {
            pieces += 1;
            body.extend_from_slice(&bytes);
        }
        let whole = ["a".repeat(CHUNKS), "b".repeat(5_000), "c".to_owned()].concat();
        assert!(body == whole.as_bytes(), "{} bytes", body.len());
        assert!(pieces < CHUNKS / 10, "{pieces} pieces");
    });
}
