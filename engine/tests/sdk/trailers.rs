//! Headers behind bodies, both ways: on flatend/2 they arrive with the end, on legacy they are left out.

use flatend::limits::TRAILERS_BYTES_MAX;
use flatend::{CallError, HeaderBlock, Node, NodeBuilder, Request, Response};

use crate::support::calls::{headers, pairs};
use crate::support::node::TestNode;

type Pairs = Vec<(String, String)>;

/// Sends body and trailers of the request back, and how many bytes there were.
fn node() -> NodeBuilder {
    Node::builder()
        .service("back", |mut context| async move {
            let mut bytes = 0;
            while let Some(piece) = context.read().await? {
                bytes += piece.len();
                context.write(&piece).await?;
            }
            let trailers = context.trailers();
            context.add_trailer("X-Bytes", &bytes.to_string())?;
            for (name, value) in pairs(&trailers) {
                context.add_trailer(&name, &value)?;
            }
            Ok(())
        })
        .service("whole", |mut context| async move {
            context.add_trailer("sum", "1")?;
            context.send("body").await
        })
        .service("empty", |mut context| async move {
            context.add_trailer("sum", "1")?;
            Ok(())
        })
        .service("large", |mut context| async move {
            context.write("begun").await?;
            context.add_trailer("sum", &"x".repeat(TRAILERS_BYTES_MAX))?;
            Ok(())
        })
        .service("bad", |mut context| async move {
            context.add_trailer("a b", "1")?;
            Ok(())
        })
}

fn pair(shards: usize, flatend2: bool) -> (TestNode, TestNode) {
    let caller = Node::builder().flatend2(flatend2).bind("127.0.0.1:0");
    let caller = TestNode::with_shards(shards, caller);
    let to = caller.addr().to_string();
    let provider = TestNode::start(node().flatend2(flatend2).bootstrap(to));
    caller.wait_providers("back", 1);
    (caller, provider)
}

async fn read(response: &mut Response) -> (Vec<u8>, Pairs) {
    let body = response.read_all(1 << 24).await.expect("whole");
    (body.to_vec(), pairs(&response.trailers()))
}

/// A body of `len` bytes and the trailer `a` there and back.
fn there_and_back(caller: &TestNode, shard: usize, len: usize) -> (usize, Pairs) {
    caller.run(shard, move |shard| async move {
        let (mut body, response) = shard.client().stream(Request::to("back"));
        let write = async move {
            body.write(vec![7; len]).await.expect("it is taken");
            body.finish_with(headers(&[("a", "1")]));
        };
        let answered = async {
            let mut response = response.await.expect("a response");
            read(&mut response).await
        };
        let ((), (body, trailers)) = futures_lite::future::zip(write, answered).await;
        (body.len(), trailers)
    })
}

fn owned(list: &[(&str, &str)]) -> Pairs {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    list.iter().map(owned).collect()
}

#[test]
fn trailers_travel_behind_bodies_of_any_size_from_every_shard() {
    for shards in [1, 2] {
        let (caller, _provider) = pair(shards, true);
        for shard in 0..shards {
            // One byte, more than a window, and more than is on its way between shards.
            for len in [1, 200_000, 2_000_000] {
                let (back, trailers) = there_and_back(&caller, shard, len);
                assert_eq!(back, len);
                assert_eq!(
                    trailers,
                    owned(&[("x-bytes", &len.to_string()), ("a", "1")])
                );
            }
            let (body, trailers) = caller.run(shard, |shard| async move {
                let client = shard.client();
                let whole = client.call(Request::to("whole")).await;
                read(&mut whole.expect("a response")).await
            });
            assert_eq!(
                (&body[..], trailers),
                (&b"body"[..], owned(&[("sum", "1")]))
            );
            let (body, trailers) = caller.run(shard, |shard| async move {
                let client = shard.client();
                let empty = client.call(Request::to("empty")).await;
                read(&mut empty.expect("a response")).await
            });
            assert_eq!((&body[..], trailers), (&b""[..], owned(&[("sum", "1")])));
        }
    }
}

#[test]
fn on_legacy_the_bodies_are_whole_without_them() {
    let (caller, _provider) = pair(1, false);
    let (back, trailers) = there_and_back(&caller, 0, 200_000);
    assert_eq!((back, trailers), (200_000, owned(&[])));
}

#[test]
fn other_threads_send_and_get_them_too() {
    let (caller, _provider) = pair(1, true);
    let handle = caller.node().handle();
    let answered = futures_lite::future::block_on(async move {
        let streamed = handle.stream(Request::to("back")).await;
        let (mut body, response) = streamed.expect("a place");
        body.write(vec![7; 1_000]).await.expect("it is taken");
        body.finish_with(headers(&[("a", "1")]));
        let mut response = response.await.expect("a response");
        response.read_all(1 << 20).await.expect("whole");
        pairs(&response.trailers())
    });
    assert_eq!(answered, owned(&[("x-bytes", "1000"), ("a", "1")]));
}

#[test]
fn trailers_that_no_message_holds_cut_what_they_belong_to() {
    let (caller, _provider) = pair(1, true);
    let cut = caller.run(0, |shard| async move {
        let response = shard.client().call(Request::to("large")).await;
        let read = response.expect("a head").read_all(100).await;
        read.expect_err("its end cannot be sent").to_string()
    });
    assert!(cut.contains("bytes"), "{cut}");
    let error = caller.run(0, |shard| async move {
        let (body, response) = shard.client().stream(Request::to("back"));
        let mut trailers = HeaderBlock::new();
        for _ in 0..2 {
            trailers
                .push(b"sum", &[b'x'; 1 + TRAILERS_BYTES_MAX / 2])
                .expect("it fits");
        }
        body.finish_with(trailers);
        response.await.err()
    });
    assert!(
        matches!(&error, Some(CallError::Unsendable { status: 400, .. })),
        "{error:?}"
    );
    let bad = caller.run(0, |shard| async move {
        let response = shard.client().call(Request::to("bad")).await;
        response.expect("a response").status()
    });
    assert_eq!(bad, 500);
}
