//! Connections that are opened at a bounded pace and then only stay open.
//!
//! Owns them until it is dropped. Each may ask once, so that the server counts it as one between two requests. Invariant: readings of
//! memory are made when the number of connections stands still and the server has had time to settle.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{self, AddressFamily, RecvFlags, SocketFlags, SocketType};
use serde::Serialize;

use crate::client::{whole_answer, Template};
use crate::limits::{HEAD_BYTES_MAX, IDLE_SETTLE_MS, IDLE_WAIT_MS};
use crate::plan::Idle;
use crate::usage::Watched;
use crate::{proc_stat, stop};

/// Memory of a process with few and with all connections.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Slope {
    pub(crate) name: String,
    pub(crate) from_connections: u32,
    pub(crate) to_connections: u32,
    pub(crate) from_kib: u64,
    pub(crate) to_kib: u64,
}

impl Slope {
    /// Bytes a connection.
    pub(crate) fn bytes(&self) -> f64 {
        let connections = f64::from(
            self.to_connections
                .saturating_sub(self.from_connections)
                .max(1),
        );
        (self.to_kib as f64 - self.from_kib as f64) * 1024.0 / connections
    }
}

/// The connections.
#[derive(Debug)]
pub(crate) struct Resting {
    sockets: Vec<TcpStream>,
    pub(crate) slopes: Vec<Slope>,
}

/// Opens all connections of `idle` and reads the memory of `watched` on the way.
///
/// # Errors
/// A sentence: a connection fails, or a process has ended.
pub(crate) fn open(
    addr: SocketAddr,
    sources: &[IpAddr],
    idle: &Idle,
    first: Option<&Template>,
    watched: &[Watched],
) -> Result<Resting, String> {
    let families = watched
        .iter()
        .map(|process| Ok((process.name.clone(), proc_stat::family(process.pid)?)))
        .collect::<Result<Vec<_>, String>>()?;
    let read = || {
        thread::sleep(Duration::from_millis(IDLE_SETTLE_MS));
        let resident =
            |(_, members): &(String, Vec<u32>)| Ok(proc_stat::memory_of(members)?.resident_kib);
        families
            .iter()
            .map(resident)
            .collect::<Result<Vec<u64>, String>>()
    };
    let from = idle.from.min(idle.connections);
    let mut sockets = Vec::with_capacity(idle.connections as usize);
    let mut before = Vec::new();
    let mut begin = Instant::now();
    let mut paced = 0u32;
    for number in 0..idle.connections {
        if number == from {
            before = read()?;
            (begin, paced) = (Instant::now(), 0);
        }
        let due = begin + Duration::from_secs_f64(f64::from(paced) / f64::from(idle.a_second));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        paced += 1;
        stop::check()?;
        let failed = |error| {
            format!(
                "idle connection {} of {}: {error}",
                number + 1,
                idle.connections
            )
        };
        let source = sources.get(number as usize % sources.len().max(1)).copied();
        let mut socket = connect(addr, source).map_err(failed)?;
        if let Some(first) = first {
            ask(&mut socket, first).map_err(failed)?;
        }
        sockets.push(socket);
    }
    let after = read()?;
    let slopes = families.iter().zip(before.into_iter().zip(after)).map(
        |((name, _), (from_kib, to_kib))| Slope {
            name: name.clone(),
            from_connections: from,
            to_connections: idle.connections,
            from_kib,
            to_kib,
        },
    );
    Ok(Resting {
        slopes: slopes.collect(),
        sockets,
    })
}

impl Resting {
    /// How many the server has closed meanwhile.
    pub(crate) fn closed(&self) -> usize {
        let mut byte = [0u8; 1];
        let mut is_closed = |socket: &&TcpStream| {
            let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
            !matches!(
                net::recv(socket.as_fd(), &mut byte, peek),
                Err(rustix::io::Errno::AGAIN)
            )
        };
        self.sockets
            .iter()
            .filter(|socket| is_closed(socket))
            .count()
    }
}

fn connect(addr: SocketAddr, source: Option<IpAddr>) -> Result<TcpStream, String> {
    let cannot = |error: rustix::io::Errno| format!("cannot connect to {addr}: {error}");
    let family = if addr.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket: OwnedFd =
        net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(cannot)?;
    if let Some(source) = source {
        net::bind(&socket, &SocketAddr::new(source, 0)).map_err(cannot)?;
    }
    net::connect(&socket, &addr).map_err(cannot)?;
    let socket = TcpStream::from(socket);
    let wait = Some(Duration::from_millis(IDLE_WAIT_MS));
    socket
        .set_read_timeout(wait)
        .map_err(|error| format!("cannot bound a wait: {error}"))?;
    Ok(socket)
}

/// Sends one request and reads its answer.
fn ask(socket: &mut TcpStream, template: &Template) -> Result<(), String> {
    socket
        .write_all(&template.bytes)
        .map_err(|error| format!("cannot send: {error}"))?;
    let mut reader = whole_answer(&template.expect);
    let mut buffer = [0u8; HEAD_BYTES_MAX];
    loop {
        let count = socket
            .read(&mut buffer)
            .map_err(|error| match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                    format!("no answer within {IDLE_WAIT_MS} ms")
                }
                _ => format!("the connection failed: {error}"),
            })?;
        if count == 0 {
            return Err("the connection was closed before an answer".to_owned());
        }
        if reader(buffer.get(..count).unwrap_or_default())? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::pattern::Pattern;
    use crate::plan::{template_of, Request};
    use crate::sink;

    fn spec() -> Idle {
        Idle {
            connections: 20,
            a_second: 1_000,
            from: 5,
            path: None,
        }
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    #[test]
    fn connections_ask_once_and_rest() {
        let (listener, addr) = listener();
        sink::accept(listener, None);
        let first =
            template_of(&Request::get("/x"), "/x", addr, &Arc::new(Pattern::new())).unwrap();
        let this = [Watched {
            name: "this".to_owned(),
            pid: std::process::id(),
        }];
        let sources = ["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap()];
        let resting = open(addr, &sources, &spec(), Some(&first), &this).unwrap();
        assert_eq!((resting.sockets.len(), resting.closed()), (20, 0));
        let local = |at: usize| resting.sockets[at].local_addr().unwrap().ip();
        assert_eq!(
            [local(0), local(1), local(2)],
            [sources[0], sources[1], sources[0]]
        );
        let slope = &resting.slopes[0];
        assert_eq!((slope.from_connections, slope.to_connections), (5, 20));
        assert!(slope.from_kib > 0 && slope.to_kib > 0);
    }

    #[test]
    fn closed_connections_are_counted_and_a_wrong_first_answer_is_told() {
        let (listener, addr) = listener();
        let accepting = thread::spawn(move || {
            for _ in 0..20 {
                drop(listener.accept().unwrap());
            }
            listener
        });
        let resting = open(addr, &[], &spec(), None, &[]).unwrap();
        drop(accepting.join().unwrap());
        assert_eq!(resting.closed(), 20);
        let slope = Slope {
            name: String::new(),
            from_connections: 1_000,
            to_connections: 10_000,
            from_kib: 10_000,
            to_kib: 28_000,
        };
        assert_eq!(slope.bytes(), 2_048.0);
        let first =
            template_of(&Request::get("/x"), "/x", addr, &Arc::new(Pattern::new())).unwrap();
        let error = open(addr, &[], &spec(), Some(&first), &[]).unwrap_err();
        assert!(
            error.starts_with("idle connection 1 of 20: cannot connect"),
            "{error}"
        );
    }
}
