//! Round trips of calls over loopback, from where a program may make them; one node in this process calls another, with one shard
//! each. There is no floor to stand beside them: the shard's own client is that of the others.

use std::time::{Duration, Instant};

use flatend::{Handle, Node, Request};
use futures_lite::future::block_on;

use crate::{timed, Case};

/// The cases.
///
/// # Panics
/// When the nodes do not start or do not meet.
pub fn cases() -> Vec<Box<dyn Case>> {
    let from = |from| Box::new(Hello::new(from)) as Box<dyn Case>;
    vec![from(From::Shard), from(From::Thread), from(From::Closure)]
}

#[derive(Clone, Copy)]
enum From {
    /// A task of the shard calls.
    Shard,
    /// A plain thread calls.
    Thread,
    /// A plain thread runs a closure on the shard, and nothing is called.
    Closure,
}

/// One `hello` after the other.
struct Hello {
    from: From,
    handle: Handle,
    _caller: Node,
    _provider: Node,
}

impl Hello {
    fn new(from: From) -> Hello {
        let quiet = || Node::builder().shards(1).pin(false).on_event(|_| {});
        let caller = quiet().bind("127.0.0.1:0").start().expect("it starts");
        let provider = quiet()
            .bootstrap(caller.addrs()[0].to_string())
            .service("hello", |context| async move {
                context.send("Hello world!").await
            })
            .start()
            .expect("it starts");
        let hello = Hello {
            from,
            handle: caller.handle(),
            _caller: caller,
            _provider: provider,
        };
        // Held until the two have met.
        block_on(hello.call()).expect("a response");
        hello
    }

    async fn call(&self) -> Result<(), flatend::CallError> {
        let request = Request::to("hello").hold(Duration::from_secs(10));
        let mut response = self.handle.call(request).await?;
        let body = response.read_all(100).await;
        assert_eq!(body.expect("a whole body"), "Hello world!");
        Ok(())
    }
}

impl Case for Hello {
    fn name(&self) -> String {
        match self.from {
            From::Shard => "hello/from a shard",
            From::Thread => "hello/from a thread",
            From::Closure => "closure/from a thread",
        }
        .to_owned()
    }

    fn time(&mut self, iterations: u64) -> Duration {
        match self.from {
            From::Thread => {
                let each = || block_on(self.call()).expect("a response");
                timed(|| (0..iterations).for_each(|_| each())).0
            }
            From::Closure => {
                let work = || {
                    self.handle
                        .submit_to(0, |shard| async move { shard.index() })
                };
                let each = || assert_eq!(block_on(work()), Ok(0));
                timed(|| (0..iterations).for_each(|_| each())).0
            }
            From::Shard => {
                let took = self.handle.submit_to(0, move |shard| async move {
                    let client = shard.client();
                    let begun = Instant::now();
                    for _ in 0..iterations {
                        let mut response =
                            client.call(Request::to("hello")).await.expect("a response");
                        let body = response.read_all(100).await.expect("a whole body");
                        assert_eq!(body, "Hello world!");
                    }
                    begun.elapsed()
                });
                block_on(took).expect("the shard does it")
            }
        }
    }
}
