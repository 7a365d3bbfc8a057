//! The services that the tests call, and the two ways of connecting two nodes.

use flatend::rt;
use flatend::{HandlerError, Node, NodeBuilder};

use crate::support::body;
use crate::support::node::TestNode;

/// Who dials whom.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialer {
    Caller,
    Provider,
    /// The same with nodes that speak legacy alone.
    CallerOnLegacy,
    ProviderOnLegacy,
}

impl Dialer {
    pub(crate) const ALL: [Dialer; 4] = [
        Dialer::Caller,
        Dialer::Provider,
        Dialer::CallerOnLegacy,
        Dialer::ProviderOnLegacy,
    ];

    fn is_legacy(self) -> bool {
        matches!(self, Dialer::CallerOnLegacy | Dialer::ProviderOnLegacy)
    }
}

/// A node with every service.
pub(crate) fn provider() -> NodeBuilder {
    Node::builder()
        .service("hello", |context| async move {
            context.send("Hello world!").await
        })
        .service("headers", |mut context| async move {
            let got = context.headers().clone();
            for (name, value) in got.iter() {
                let name = format!("got-{}", String::from_utf8_lossy(name));
                context.add_header(&name, &String::from_utf8_lossy(value))?;
            }
            context.set_status(201)?;
            context.send("").await
        })
        .service("echo", |mut context| async move {
            let body = context.read_all(64 * 1024 * 1024).await?;
            context.send(body).await
        })
        .service("pipe", |mut context| async move {
            while let Some(bytes) = context.read().await? {
                context.write(&bytes).await?;
            }
            Ok(())
        })
        .service("count", |mut context| async move {
            let mut check = body::Checker::default();
            while let Some(bytes) = context.read().await? {
                check.take(&bytes);
            }
            context.send(check.len.to_string()).await
        })
        .service("pattern", |mut context| async move {
            let len = context.header("len").and_then(|len| len.parse().ok());
            let len: u64 = len.ok_or_else(|| HandlerError::with_status(400, "len is missing"))?;
            let mut sent = 0;
            while sent < len {
                let piece = (len - sent).min(256 * 1024);
                context.write(&body::bytes(sent, piece as usize)).await?;
                sent += piece;
                rt::yield_now().await;
            }
            Ok(())
        })
        .service(
            "ignore",
            |context| async move { context.send("not read").await },
        )
        .service("fail", |_context| async move {
            Err(HandlerError::with_status(418, "a \"teapot\"\n"))
        })
        .service("panic", |_context| async move {
            panic!("on purpose");
        })
        .service("panic_at_once", |_context| -> std::future::Ready<_> {
            panic!("on purpose, before there is a future");
        })
        .service("fail_in_the_middle", |mut context| async move {
            context.write(b"the first half").await?;
            Err(HandlerError::new("on purpose"))
        })
        .service("stop_in_the_middle", |mut context| async move {
            context.write(b"the first half").await?;
            std::future::pending().await
        })
        .service("silent", |_context| std::future::pending())
}

/// A provider and a caller with a link between them.
pub(crate) fn pair(dialer: Dialer) -> (TestNode, TestNode) {
    pair_of(dialer, 1, provider())
}

/// As [`pair`], with so many shards each and this provider.
pub(crate) fn pair_of(
    dialer: Dialer,
    shards: usize,
    provider: NodeBuilder,
) -> (TestNode, TestNode) {
    let listen = "127.0.0.1:0";
    let (provider, builder) = match dialer.is_legacy() {
        true => (provider.flatend2(false), Node::builder().flatend2(false)),
        false => (provider, Node::builder()),
    };
    let (provider, caller) = match dialer {
        Dialer::Caller | Dialer::CallerOnLegacy => {
            let provider = TestNode::with_shards(shards, provider.bind(listen));
            let to = provider.addr().to_string();
            // A caller that dials shows an ID: on a link that we dialed an anonymous one must not ask.
            let caller = TestNode::with_shards(shards, builder.bind(listen).bootstrap(to));
            (provider, caller)
        }
        Dialer::Provider | Dialer::ProviderOnLegacy => {
            let caller = TestNode::with_shards(shards, builder.bind(listen));
            let to = caller.addr().to_string();
            (
                TestNode::with_shards(shards, provider.bootstrap(to)),
                caller,
            )
        }
    };
    caller.wait_providers("hello", 1);
    (provider, caller)
}
