//! Upstreams that do what a test tells them, on real sockets; and a shard to call them from.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Mutex};
use std::time::{Duration, Instant};

use flatend::{
    rt, Bytes, Call, CallError, CallRequest, Fault, HeaderBlock, Node, NodeEvent, Shard,
};
use flatend_http::client::{HealthCheck, Origin, UpstreamEvent, UpstreamHandle};

/// Long enough for a loaded machine; nothing that works takes it.
const DEADLINE: Duration = Duration::from_secs(20);

/// An upstream: each connection is handed to the test's function, with its number from 0.
pub(crate) struct Fake {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Fake {
    pub(crate) fn start(serve: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let fake = Fake {
            addr: listener.local_addr().unwrap(),
            connections: Arc::default(),
            ended: Arc::default(),
            over: Arc::default(),
        };
        let (connections, ended, over) = (
            fake.connections.clone(),
            fake.ended.clone(),
            fake.over.clone(),
        );
        let serve = Arc::new(serve);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { return };
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let number = connections.fetch_add(1, Ordering::SeqCst);
                let (serve, ended) = (serve.clone(), ended.clone());
                std::thread::spawn(move || {
                    serve(number, &mut stream);
                    drop(stream);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        fake
    }

    /// Connections that came so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Connections whose function has returned.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        TcpStream::connect(self.addr).ok();
    }
}

/// A loopback port where nobody listens.
pub(crate) fn closed_port() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Reads one request; its head and its body. Empty at the end of the connection.
pub(crate) fn read_request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let head = read_head(stream);
    let mut body = Vec::new();
    if let Some(length) = field(&head, "content-length") {
        body.resize(length.parse().unwrap(), 0);
        stream.read_exact(&mut body).unwrap();
    } else if field(&head, "transfer-encoding").is_some() {
        loop {
            let line = read_until(stream, b"\r\n");
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).unwrap();
            body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    }
    (head, body)
}

pub(crate) fn read_head(stream: &mut TcpStream) -> String {
    read_until(stream, b"\r\n\r\n")
}

fn read_until(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        match stream.read(&mut byte) {
            Ok(1) => text.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(text).unwrap()
}

pub(crate) fn field(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (have, value) = line.split_once(": ")?;
        have.eq_ignore_ascii_case(name).then(|| value.to_owned())
    })
}

/// Answers every request of a connection with its number and the number of the connection.
pub(crate) fn serve_all(number: usize, stream: &mut TcpStream) {
    for request in 0.. {
        if read_request(stream).0.is_empty() {
            return;
        }
        answer(stream, &format!("{number}.{request}"));
    }
}

pub(crate) fn answer(stream: &mut TcpStream, body: &str) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The gateway may be gone already.
    stream.write_all(head.as_bytes()).ok();
}

/// What an upstream reported.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<UpstreamEvent>>>);

impl Events {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

pub(crate) fn upstream(url: &str, health: Option<HealthCheck>) -> (UpstreamHandle, Events) {
    let events = Events::default();
    let log = events.clone();
    let report = Arc::new(move |event| log.0.lock().unwrap().push(event));
    let handle = UpstreamHandle::new(Origin::parse(url).unwrap(), health, report);
    (handle, events)
}

/// A listener whose queue is full: it drops what comes. With what fills it.
pub(crate) fn hole() -> (String, (TcpListener, Vec<TcpStream>)) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let addr = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&addr, Duration::from_millis(200));
    let filling = std::iter::from_fn(|| connect().ok()).collect();
    (format!("http://{addr}"), (listener, filling))
}

/// Runs `test` on the shard of a node and waits for its end.
pub(crate) fn on_shard<F>(test: impl Fn(Rc<Shard>) -> F + Send + Sync + 'static)
where
    F: Future<Output = ()> + 'static,
{
    on_telling_shard(|_| {}, test);
}

/// As [`on_shard`]; `tell` gets the node's events.
pub(crate) fn on_telling_shard<F>(
    tell: impl Fn(NodeEvent) + Send + Sync + 'static,
    test: impl Fn(Rc<Shard>) -> F + Send + Sync + 'static,
) where
    F: Future<Output = ()> + 'static,
{
    let (done, ended) = mpsc::channel();
    let test = Arc::new(test);
    let node = Node::builder()
        .shards(1)
        .pin(false)
        .on_event(tell)
        .on_each_shard(move |shard| {
            let (test, done) = (test.clone(), done.clone());
            async move {
                test(shard).await;
                done.send(()).ok();
            }
        })
        .start()
        .unwrap();
    // A test that panics drops its sender with its task.
    ended
        .recv_timeout(DEADLINE * 2)
        .expect("the test ends well");
    node.shutdown().unwrap();
}

/// Looks at a condition until it holds, while the shard goes on.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        rt::sleep(2).await;
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Whole(u16, Vec<u8>),
    Cut(u16, Fault),
    Failed(CallError),
}

impl Ended {
    pub(crate) fn text(&self) -> &str {
        match self {
            Ended::Whole(_, body) => std::str::from_utf8(body).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn request(
    shard: &Shard,
    upstream: &UpstreamHandle,
    headers: &[(&str, &str)],
) -> CallRequest {
    let mut block = HeaderBlock::new();
    for (name, value) in headers {
        block.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    CallRequest {
        services: upstream.set(shard),
        headers: block,
        extras: HeaderBlock::new(),
        has_body: false,
        repeatable: false,
        hold_ms: None,
        max_in_flight: None,
        timeout_ms: Some(15_000),
        deadline: None,
    }
}

/// A call without a body.
pub(crate) async fn ask(shard: &Rc<Shard>, upstream: &UpstreamHandle) -> Ended {
    ended(&shard.call(request(shard, upstream, &[(":path", "/x")]))).await
}

/// A call that sends `body`, in one piece, without a length.
pub(crate) async fn post(shard: &Rc<Shard>, upstream: &UpstreamHandle, body: Bytes) -> Ended {
    let call = shard.call(CallRequest {
        has_body: true,
        ..request(shard, upstream, &[(":path", "/x")])
    });
    post_on(&call, body).await
}

/// Sends `body`, in one piece, and waits for the response.
pub(crate) async fn post_on(call: &Call, body: Bytes) -> Ended {
    let sending = async {
        if call.send(body).await.is_ok() {
            call.finish();
        }
    };
    futures_lite::future::zip(sending, ended(call)).await.1
}

pub(crate) async fn ended(call: &Call) -> Ended {
    let headers = match call.response().await {
        Ok(headers) => headers,
        Err(error) => return Ended::Failed(error),
    };
    let status = headers.get(b":status").unwrap();
    let status = std::str::from_utf8(status).unwrap().parse().unwrap();
    let mut body = Vec::new();
    loop {
        match call.data().await {
            Ok(Some(bytes)) => body.extend_from_slice(&bytes),
            Ok(None) => return Ended::Whole(status, body),
            Err(fault) => return Ended::Cut(status, fault),
        }
    }
}
