//! Who offers a service; calls to one of them and to all.

use std::time::Duration;

use flatend::{CallError, Node, NodeBuilder, Request};

use crate::support::node::TestNode;

fn named(name: &'static str, to: &TestNode) -> TestNode {
    let builder = Node::builder()
        .service(
            "who",
            move |context| async move { context.send(name).await },
        )
        .service("sometimes", move |mut context| async move {
            match name {
                "b" => std::future::pending().await,
                _ => {
                    let body = context.read_all(1_000).await?;
                    context.send([name.as_bytes(), &body].concat()).await
                }
            }
        });
    TestNode::start(builder.bootstrap(to.addr().to_string()))
}

fn caller() -> NodeBuilder {
    Node::builder().bind("127.0.0.1:0")
}

#[test]
fn each_provider_can_be_called_by_itself() {
    let caller = TestNode::with_shards(2, caller());
    let mut nodes: Vec<TestNode> = ["a", "b", "c"].map(|name| named(name, &caller)).into();
    caller.wait_providers("who", 3);
    let (gone, name) = caller.run(0, |shard| async move {
        let client = shard.client();
        let providers = client.providers_for(["who", "sometimes"]);
        assert_eq!(providers.len(), 3, "each counts once");
        let mut names = Vec::new();
        for provider in &providers {
            for _ in 0..3 {
                let called = client.call_at(provider, Request::to("who")).await;
                let mut response = called.expect("a response");
                assert_eq!(response.provider().as_ref(), Some(provider));
                names.push(response.read_all(10).await.expect("a body"));
            }
        }
        let each_thrice = names
            .chunks(3)
            .all(|three| three.iter().all(|name| name == &three[0]));
        assert!(each_thrice, "{names:?}");
        names.dedup();
        assert_eq!(names.len(), 3, "{names:?}");
        (providers[0].clone(), names[0].clone())
    });
    let at = ["a", "b", "c"].iter().position(|known| *known == name);
    nodes.remove(at.expect("one of them")).shutdown();
    caller.wait_providers("who", 2);
    caller.run(0, |shard| async move {
        let request = Request::to("who").hold(Duration::ZERO);
        let error = shard.client().call_at(&gone, request).await;
        assert_eq!(error.expect_err("it has gone"), CallError::NoProvider);
        let (mut body, response) = shard
            .client()
            .stream_at(&gone, Request::to("who").hold(Duration::ZERO));
        body.write("x").await.expect_err("nobody takes it");
        assert_eq!(
            response.await.expect_err("it has gone"),
            CallError::NoProvider
        );
    });
}

#[test]
fn a_broadcast_reaches_all_and_says_who_failed() {
    let caller = TestNode::with_shards(2, caller());
    let _nodes: Vec<TestNode> = ["a", "b", "c"].map(|name| named(name, &caller)).into();
    caller.wait_providers("sometimes", 3);
    for shard in 0..2 {
        caller.run(shard, |shard| async move {
            let client = shard.client();
            let request = Request::to("sometimes")
                .body("!")
                .timeout(Duration::from_millis(300));
            let results = client.broadcast(request).await;
            let providers = client.providers_for(["sometimes"]);
            let asked: Vec<_> = results
                .iter()
                .map(|(provider, _)| provider.clone())
                .collect();
            assert_eq!(asked, providers);
            let mut answers = Vec::new();
            for (_, result) in results {
                match result {
                    Ok(mut response) => answers.push(response.read_all(10).await.expect("a body")),
                    Err(error) => assert_eq!(error, CallError::TimedOut),
                }
            }
            answers.sort();
            assert_eq!(answers, ["a!", "c!"]);
            assert!(client.broadcast(Request::to("nobody")).await.is_empty());
        });
    }
}
