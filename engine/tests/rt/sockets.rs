//! Sockets: accept, connect, refusal, a port in use, descriptors that no child inherits, receives into aligned memory.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use bytes::BytesMut;
use flatend::rt::{self, aligned_buffer, ListenOptions, Listener, Socket};
use rustix::io::FdFlags;

use crate::shard;
use crate::support::body;

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn bind() -> (SocketAddr, Listener) {
    let (addr, mut group) =
        Listener::bind_group(LOOPBACK.into(), 1, &ListenOptions::default()).expect("a port");
    let fd = group.pop().expect("one listener");
    (addr, Listener::adopt(fd).expect("it can be watched"))
}

async fn accept(listener: &Listener) -> Socket {
    let fd = listener.accept().await.expect("a connection");
    Socket::adopt(fd).expect("it can be watched")
}

async fn receive(socket: &Socket, len: usize) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = BytesMut::new();
    while all.len() < len {
        buf = aligned_buffer(64 * 1024, &buf[..0]);
        let n = std::future::poll_fn(|cx| socket.poll_recv(cx, &mut buf)).await;
        assert_ne!(n.expect("bytes"), 0, "a FIN after {} bytes", all.len());
        all.extend_from_slice(&buf);
    }
    all
}

#[test]
fn what_is_sent_arrives_both_ways_and_a_fin_ends_it() {
    shard::run(|| async {
        let (addr, listener) = bind();
        let sent = body::bytes(0, 5_000_000);
        let expected = sent.clone();
        rt::spawn(async move {
            let socket = accept(&listener).await;
            let got = receive(&socket, 5_000_000).await;
            socket.send_all(&got).await.expect("the dialer reads");
            socket.shutdown_write();
            socket.discard_until_fin(10_000, 1_000_000).await;
        });
        let socket = Socket::connect(addr, None, 5_000)
            .await
            .expect("a listener");
        assert_eq!(socket.peer_addr().expect("known"), addr);
        socket.send_all(&sent).await.expect("the acceptor reads");
        assert_eq!(receive(&socket, 5_000_000).await, expected);
        let mut buf = aligned_buffer(1024, &[]);
        let end = std::future::poll_fn(|cx| socket.poll_recv(cx, &mut buf)).await;
        assert_eq!(end.expect("a FIN, not a reset"), 0);
    });
}

#[test]
fn a_narrowed_window_is_half_of_the_memory_that_the_system_gives() {
    shard::run(|| async {
        let (addr, listener) = bind();
        rt::spawn(async move {
            let socket = accept(&listener).await;
            let more = body::bytes(0, 8_000_000);
            socket.send_all(&more).await.expect("the dialer reads");
        });
        let socket = Socket::connect(addr, None, 5_000)
            .await
            .expect("a listener");
        receive(&socket, 8_000_000).await;
        socket.narrow_window();
        let memory = rustix::net::sockopt::socket_recv_buffer_size(&socket).expect("known");
        assert_eq!(window(&socket), memory / 2);
    });
}

/// What the system lets the peer send at most.
fn window(socket: &Socket) -> usize {
    let mut window: libc::c_int = 0;
    let mut len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: TCP_WINDOW_CLAMP writes one C int, for which there is room.
    let asked = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_WINDOW_CLAMP,
            std::ptr::from_mut(&mut window).cast(),
            &raw mut len,
        )
    };
    assert_eq!(asked, 0);
    usize::try_from(window).expect("no debt")
}

#[test]
fn a_thousand_connections_in_one_burst_are_all_accepted() {
    let (send_addr, addr) = std::sync::mpsc::channel();
    let acceptor = shard::begin(move || async move {
        let (addr, listener) = bind();
        send_addr.send(addr).expect("the test waits");
        let mut held = Vec::new();
        for _ in 0..1_000 {
            held.push(accept(&listener).await);
        }
        held.len()
    });
    let addr = addr.recv().expect("the shard listens");
    let dialed: Vec<TcpStream> = (0..1_000)
        .map(|_| TcpStream::connect(addr).expect("room"))
        .collect();
    assert_eq!(acceptor.end(), 1_000);
    drop(dialed);
}

#[test]
fn a_refused_dial_is_told_at_once() {
    let free = TcpListener::bind(SocketAddr::from(LOOPBACK)).expect("a port");
    let addr = free.local_addr().expect("bound");
    drop(free);
    shard::run(move || async move {
        let refused = Socket::connect(addr, None, 60_000).await;
        match refused {
            Err(rt::ConnectError::Io(err)) => assert_eq!(err.kind(), ErrorKind::ConnectionRefused),
            Err(rt::ConnectError::TimedOut) => panic!("a refusal needs no timeout"),
            Ok(_) => panic!("nobody listens there"),
        }
    });
}

#[test]
fn a_port_in_use_is_an_error_although_our_shards_share_theirs() {
    let options = ListenOptions::default();
    let (addr, group) = Listener::bind_group(LOOPBACK.into(), 3, &options).expect("a port");
    assert_eq!(group.len(), 3);
    let second = Listener::bind_group(addr, 1, &options);
    assert_eq!(
        second.expect_err("somebody listens").kind(),
        ErrorKind::AddrInUse
    );
    drop(group);
    Listener::bind_group(addr, 2, &options).expect("free again");
    // Somebody else's plain listener is respected too.
    let other = TcpListener::bind(SocketAddr::from(LOOPBACK)).expect("a port");
    let addr = other.local_addr().expect("bound");
    let third = Listener::bind_group(addr, 1, &options);
    assert_eq!(
        third.expect_err("somebody listens").kind(),
        ErrorKind::AddrInUse
    );
}

#[test]
fn of_many_that_bind_one_port_at_once_one_gets_it() {
    let options = ListenOptions::default();
    for _ in 0..200 {
        let free = TcpListener::bind(SocketAddr::from(LOOPBACK)).expect("a port");
        let addr = free.local_addr().expect("bound");
        drop(free);
        let start = std::sync::Barrier::new(4);
        let bound: Vec<_> = std::thread::scope(|scope| {
            let bind = || {
                start.wait();
                Listener::bind_group(addr, 2, &options).ok()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(bind)).collect();
            let results = threads.into_iter();
            results
                .filter_map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        assert!(bound.len() <= 1, "{} share {addr} in silence", bound.len());
    }
}

#[test]
fn connections_spread_over_the_listeners_of_a_group() {
    let (addr, group) =
        Listener::bind_group(LOOPBACK.into(), 2, &ListenOptions::default()).expect("a port");
    let dialed: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(addr).expect("room"))
        .collect();
    let accepted = shard::run(|| async move {
        let mut accepted = Vec::new();
        for fd in group {
            let listener = Listener::adopt(fd).expect("it can be watched");
            let mut count = 0;
            while rt::timeout(100, listener.accept()).await.is_ok() {
                count += 1;
            }
            accepted.push(count);
        }
        accepted
    });
    assert_eq!(accepted.iter().sum::<usize>(), dialed.len());
    assert!(accepted.iter().all(|&count| count > 0), "{accepted:?}");
}

#[test]
fn no_child_process_inherits_a_socket() {
    shard::run(|| async {
        let (addr, group) =
            Listener::bind_group(LOOPBACK.into(), 1, &ListenOptions::default()).expect("a port");
        let closes = |fd: &dyn AsFd| {
            let flags = rustix::io::fcntl_getfd(fd.as_fd()).expect("an open descriptor");
            flags.contains(FdFlags::CLOEXEC)
        };
        assert!(group.iter().all(|fd| closes(fd)));
        let listener = group.into_iter().next().expect("one listener");
        let listener = Listener::adopt(listener).expect("it can be watched");
        let dialed = Socket::connect(addr, None, 5_000)
            .await
            .expect("a listener");
        let accepted = accept(&listener).await;
        assert!(closes(&dialed));
        assert!(closes(&accepted));
    });
}

#[test]
fn receives_start_on_a_64_byte_boundary_whatever_is_left_over() {
    for room in [1, 63, 4_096, 16 * 1024, 256 * 1024] {
        for left in (0..200).chain([1_000, 4_095, 70_000]) {
            let leftover = body::bytes(0, left);
            let mut buf = aligned_buffer(room, &leftover);
            assert_eq!(buf[..], leftover[..]);
            let spare = buf.spare_capacity_mut();
            assert!(
                spare.len() >= room,
                "{room} bytes asked, {} there",
                spare.len()
            );
            assert_eq!(spare.as_ptr() as usize % 64, 0, "{left} bytes left over");
        }
    }
}

#[test]
fn a_listener_that_stops_accepts_what_its_backlog_holds() {
    shard::run(|| async {
        let (addr, listener) = bind();
        let stop = rt::Flag::default();
        // Nothing has come yet, as far as the listener has been told.
        let first = futures_lite::future::poll_once(listener.accept_until(&stop)).await;
        assert!(first.is_none());
        // The kernel takes both without us; in this turn nobody tells the listener.
        let dialed: Vec<TcpStream> = (0..2)
            .map(|_| TcpStream::connect(addr).expect("room"))
            .collect();
        stop.set();
        for _ in &dialed {
            let accepted = listener.accept_until(&stop).await;
            accepted.expect("one of the backlog").expect("a connection");
        }
        assert!(listener.accept_until(&stop).await.is_none());
    });
}
