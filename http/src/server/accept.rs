//! Accepting HTTP connections on one shard, and their end when the node drains.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use flatend::rt::{self, AcceptRest, Listener, Socket, WaitQueue};
use flatend::Shard;

use super::connection;
use super::io::Io;
use super::{Handler, Timeouts};
use crate::limits::Limits;

/// How long the tasks of connections that were cut may take to notice.
const CUT_MS: u64 = 1_000;

/// What the connections of one listener share on a shard.
pub struct Server<H> {
    pub(super) handler: H,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) draining: Cell<bool>,
    /// Listeners whose backlog may still hold a connection.
    accepting: Cell<usize>,
    connections: RefCell<HashMap<u64, Weak<Io>>>,
    next: Cell<u64>,
    ended: WaitQueue,
    trouble: Box<dyn Fn(String)>,
    pub(super) wants_records: bool,
}

/// Serves HTTP/1.1 on `listeners` until the shard drains, then until the last connection has ended or
/// `timeouts.shutdown_ms` is over. `trouble` gets sentences for the log.
pub async fn serve<H: Handler>(
    shard: Rc<Shard>,
    listeners: Vec<Listener>,
    handler: H,
    limits: Limits,
    timeouts: Timeouts,
    trouble: impl Fn(String) + 'static,
) {
    let server = Rc::new(Server {
        wants_records: handler.wants_records(),
        handler,
        limits,
        timeouts,
        draining: Cell::new(false),
        accepting: Cell::new(listeners.len()),
        connections: RefCell::default(),
        next: Cell::new(0),
        ended: WaitQueue::default(),
        trouble: Box::new(trouble),
    });
    for listener in listeners {
        let (server, shard) = (server.clone(), shard.clone());
        rt::spawn(async move {
            accept_all(&server, &shard, &listener).await;
            server.accepting.set(server.accepting.get() - 1);
            server.ended.wake_all();
        });
    }
    shard.draining().wait().await;
    server.draining.set(true);
    // Idle connections close at once; the others after their response, which says so if its head has not left (RFC 9112 9.6).
    for io in server.live() {
        io.stop_after_response();
        io.socket.nudge();
    }
    if server.all_gone_within(timeouts.shutdown_ms).await {
        return;
    }
    let live = server.live();
    let timeout_ms = timeouts.shutdown_ms;
    (server.trouble)(format!(
        "{} HTTP connections were cut: they had not ended within http.timeout.shutdown of {timeout_ms} ms",
        live.len()
    ));
    for io in live {
        io.was_cut.set(true);
        io.socket.shutdown_both();
    }
    // Their tasks notice, and give up what they had asked of services, before the mesh closes.
    server.all_gone_within(CUT_MS).await;
}

impl<H> Server<H> {
    fn live(&self) -> Vec<Rc<Io>> {
        self.connections
            .borrow()
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    async fn all_gone_within(&self, ms: u64) -> bool {
        let all_gone = self.ended.until(|| {
            (self.accepting.get() == 0 && self.connections.borrow().is_empty()).then_some(())
        });
        rt::timeout(ms, all_gone).await.is_ok()
    }
}

async fn accept_all<H: Handler>(server: &Rc<Server<H>>, shard: &Rc<Shard>, listener: &Listener) {
    let mut rest = AcceptRest::default();
    loop {
        match listener.accept_until(shard.draining()).await {
            None => return,
            Some(Ok(fd)) => match Socket::adopt(fd) {
                Ok(socket) => start(server, socket),
                Err(err) => (server.trouble)(format!("cannot take an HTTP connection: {err}")),
            },
            Some(Err(err)) => {
                rest.after(&err, "HTTP connections", &server.trouble).await;
            }
        }
    }
}

fn start<H: Handler>(server: &Rc<Server<H>>, socket: Socket) {
    // A client that is gone before we look has no address and needs no answer.
    let Ok(addr) = socket.peer_addr() else { return };
    let io = Rc::new(Io::new(socket, addr, server.limits, server.timeouts));
    let key = server.next.get();
    server.next.set(key + 1);
    server
        .connections
        .borrow_mut()
        .insert(key, Rc::downgrade(&io));
    let server = server.clone();
    rt::spawn(async move {
        // Counted out even if the handler panics.
        let _registered = Registered {
            server: server.clone(),
            key,
        };
        connection::run(&server, &io).await;
    });
}

struct Registered<H> {
    server: Rc<Server<H>>,
    key: u64,
}

impl<H> Drop for Registered<H> {
    fn drop(&mut self) {
        self.server.connections.borrow_mut().remove(&self.key);
        if self.server.draining.get() {
            self.server.ended.wake_all();
        }
    }
}
