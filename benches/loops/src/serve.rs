//! The server process: one thread, one loop. `compare` starts it and ends it.

use std::convert::Infallible;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::thread;

use rustix::net::{self, sockopt, AddressFamily, SocketType};

use crate::cli::{Role, ServeOptions};
use crate::limits::{BACKLOG, TIMER_SLACK_NS};
use crate::spec::Spec;
use crate::{counters, epoll, ring, upstream};

/// Serves until the process is ended.
///
/// # Errors
/// The system refuses something, or a connection breaks that there is no run without.
pub(crate) fn run(options: &ServeOptions) -> Result<(), String> {
    counters::print_at_end()?;
    // A system that refuses makes pauses longer, no more.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NS)).ok();
    let listener = listen(options.addr)?;
    match options.role {
        Role::Upstream => upstream::run(&listener),
        Role::Answer => requests(options.spec, listener, None).map(never),
        Role::Relay => {
            let addr = options.upstream.ok_or("a relay needs --upstream")?;
            let link = TcpStream::connect(addr)
                .and_then(|link| link.set_nodelay(true).map(|()| link))
                .map_err(|error| format!("cannot reach the upstream at {addr}: {error}"))?;
            requests(options.spec, listener, Some(link)).map(never)
        }
        Role::Bulk => {
            bulk(options.spec, options.piece_kib, &listener)?;
            // Its CPU time is read after it has all passed.
            loop {
                thread::park();
            }
        }
    }
}

fn never(nothing: Infallible) {
    match nothing {}
}

/// Answers requests at once, or over `link`.
pub(crate) fn requests(
    spec: Spec,
    listener: TcpListener,
    link: Option<TcpStream>,
) -> Result<Infallible, String> {
    let refused = |error| format!("cannot make the listener non-blocking: {error}");
    match spec {
        Spec::Ring(of) if spec.serves_requests() => ring::requests::run(of, listener, link),
        Spec::Epoll(of) => {
            listener.set_nonblocking(true).map_err(refused)?;
            epoll::requests::run(of, listener, link)
        }
        _ => Err(format!("{spec} is a loop for bulk")),
    }
}

/// Relays what the first connection sends to the second.
pub(crate) fn bulk(spec: Spec, piece_kib: usize, listener: &TcpListener) -> Result<(), String> {
    let accept = || -> std::io::Result<TcpStream> {
        let (stream, _) = listener.accept()?;
        // A ring waits by itself where the descriptor would say "not now".
        let is_ring = matches!(spec, Spec::Ring(_));
        stream.set_nonblocking(!is_ring)?;
        Ok(stream)
    };
    let refused = |error| format!("cannot accept: {error}");
    let (source, sink) = (accept().map_err(refused)?, accept().map_err(refused)?);
    let piece_bytes = piece_kib * 1024;
    let carried = match spec {
        Spec::Epoll(_) => epoll::bulk::run(&source, &sink, piece_bytes),
        Spec::Splice => epoll::splice::run(&source, &sink, piece_bytes),
        Spec::Ring(of) if spec.serves_bulk() => ring::bulk::run(of, &source, &sink, piece_bytes),
        Spec::Ring(_) => Err(format!("{spec} is a loop for requests")),
    };
    carried?;
    sink.shutdown(Shutdown::Write)
        .map_err(|error| format!("cannot end the sink: {error}"))
}

/// A listener whose connections send at once: they take that over from it.
fn listen(addr: SocketAddr) -> Result<TcpListener, String> {
    let refused = |error: rustix::io::Errno| format!("cannot listen at {addr}: {error}");
    let family = match addr {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = net::SocketFlags::CLOEXEC;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None).map_err(refused)?;
    sockopt::set_socket_reuseaddr(&socket, true).map_err(refused)?;
    sockopt::set_tcp_nodelay(&socket, true).map_err(refused)?;
    net::bind(&socket, &addr).map_err(refused)?;
    net::listen(&socket, BACKLOG).map_err(refused)?;
    Ok(socket.into())
}
