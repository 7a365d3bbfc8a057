//! What a keep-alive request costs the gateway's shard in allocations, counted by an allocator of this test's own: routes, header
//! blocks, queues and buffers are all used again once the shard is warm.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use flatend::Node;
use flatend_gateway::config::{self, Context};
use flatend_gateway::gateway::{Sections, Upstreams};
use support::Scratch;

struct Counting;

thread_local! {
    /// Whether this thread is the gateway's shard.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
}

static COUNT: AtomicUsize = AtomicUsize::new(0);

fn count() {
    // A thread that ends has no cell any more, and is not the one that counts.
    if COUNTS.try_with(Cell::get).unwrap_or(false) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is the one of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONFIG: &str = r#"
addr = "127.0.0.1:0"
shards = 1

[[http]]
addr = "127.0.0.1:0"

[[http.routes]]
path = "GET /hello/:name"
service = "hello"
"#;

const REQUEST: &[u8] = b"GET /hello/you?a=1 HTTP/1.1\r\nHost: example.org\r\nUser-Agent: test\r\n\
    Accept: */*\r\nCookie: a=b\r\n\r\n";

/// The gateway of [`CONFIG`] with one shard, whose thread counts; where it serves HTTP.
fn gateway(scratch: &Scratch) -> (Node, SocketAddr) {
    let file = scratch.write("config.toml", CONFIG);
    let context = Context {
        env: &|_| None,
        fallback_addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        base_dir: PathBuf::new(),
    };
    let config = config::load(&file, &context).expect("it is a configuration");
    let sections = Sections::bind(&config, &mut Upstreams::default(), 1).expect("bound");
    let addr = sections.addrs[0];
    let sections = Arc::new(sections);
    let node = Node::builder()
        .bind("127.0.0.1:0")
        .shards(1)
        .on_each_shard(move |shard| {
            let sections = sections.clone();
            async move {
                COUNTS.with(|counts| counts.set(true));
                sections.serve(shard, |sentence| panic!("{sentence}")).await;
            }
        })
        .start()
        .expect("it starts");
    (node, addr)
}

/// One request on each connection at once, and their whole answers.
fn ask(clients: &mut [TcpStream]) {
    for client in clients.iter_mut() {
        client.write_all(REQUEST).expect("it is taken");
    }
    clients.iter_mut().for_each(answer);
}

fn answer(client: &mut TcpStream) {
    let mut answer = [0; 1024];
    let mut len = 0;
    while !answer[..len].ends_with(b"\r\n\r\nhello") {
        let n = match client.read(&mut answer[len..]) {
            // The executor's timers interrupt every thread of the process.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.expect("an answer"),
        };
        assert_ne!(n, 0, "{}", String::from_utf8_lossy(&answer[..len]));
        len += n;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_keep_alive_request_allocates_nothing_on_a_warm_shard() {
    const CLIENTS: usize = 16;
    const ROUNDS: usize = 200;
    let scratch = Scratch::new();
    let (gateway, addr) = gateway(&scratch);
    let service = Node::builder()
        .bootstrap(gateway.addrs()[0].to_string())
        .service(
            "hello",
            |context| async move { context.send("hello").await },
        )
        .shards(1)
        .start()
        .expect("it starts");
    let connect = |_| {
        let client = TcpStream::connect(addr).expect("it listens");
        let patience = Some(Duration::from_secs(10));
        client.set_read_timeout(patience).expect("a time");
        client
    };
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(connect).collect();
    let mut made = Vec::new();
    for count in [1, CLIENTS] {
        let clients = &mut clients[..count];
        for _ in 0..ROUNDS {
            ask(clients);
        }
        let before = COUNT.load(Ordering::Relaxed);
        for _ in 0..ROUNDS {
            ask(clients);
        }
        made.push(COUNT.load(Ordering::Relaxed) - before);
    }
    println!("{made:?} allocations in {ROUNDS} requests and in {CLIENTS} times as many");
    // The executor makes a few for its own timers when it rests. Small answers share pieces of memory, a new one now and then.
    assert!(made[0] < ROUNDS / 20, "{made:?}");
    assert!(made[1] < CLIENTS * ROUNDS / 50, "{made:?}");
    drop(clients);
    service.shutdown().expect("it ends");
    gateway.shutdown().expect("it ends");
}
