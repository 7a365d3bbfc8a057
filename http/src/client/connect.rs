//! Dialing an upstream, and telling when that begins to fail and when it works again.

use std::cell::Cell;
use std::net::SocketAddr;

use flatend::rt::{self, io_words, ConnectError, Socket};
use flatend::Millis;

use super::upstream::Inner;
use super::UpstreamEvent;
use crate::limits::{CANNOT_CONNECT_TELL_MS, CONNECT_TIMEOUT_MS, UPSTREAM_KEEPALIVE_S};

/// Whether connecting fails, when that was told last, and which address took a connection last.
#[derive(Default)]
pub(super) struct Dialing {
    told_at: Cell<Option<Millis>>,
    taken: Cell<Option<SocketAddr>>,
}

/// A connection to the upstream, of whichever of its addresses takes one.
///
/// # Errors
/// Why not, in a few words, which were told.
pub(super) async fn dial(upstream: &Inner) -> Result<Socket, String> {
    let dialed = dial_quietly(upstream, CONNECT_TIMEOUT_MS).await;
    note(upstream, dialed.as_ref().err());
    dialed
}

/// As [`dial`], for who tells by itself and waits `timeout_ms` at most.
pub(super) async fn dial_quietly(upstream: &Inner, timeout_ms: u64) -> Result<Socket, String> {
    let timeout_ms = timeout_ms.min(CONNECT_TIMEOUT_MS);
    let until = Millis(rt::now().0.saturating_add(timeout_ms));
    match rt::timeout(timeout_ms, try_addresses(upstream, until)).await {
        Ok(Err(why)) if rt::now() < until => Err(why),
        // Whichever timer was the first.
        Ok(Err(_)) | Err(_) => Err(no_answer(timeout_ms)),
        Ok(Ok(socket)) => Ok(socket),
    }
}

async fn try_addresses(upstream: &Inner, until: Millis) -> Result<Socket, String> {
    let addresses = upstream.resolver.addresses(upstream.origin()).await?;
    connect_to_one(&addresses, &upstream.dialing.taken, until).await
}

/// A connection to the first of `addresses` that takes one, that of the last time before all others. Each has its share of the
/// time that is left, so that one which drops everything leaves some to the next.
async fn connect_to_one(
    addresses: &[SocketAddr],
    taken: &Cell<Option<SocketAddr>>,
    until: Millis,
) -> Result<Socket, String> {
    let first = taken.get().filter(|address| addresses.contains(address));
    let others = addresses.iter().copied().filter(|it| Some(*it) != first);
    let mut last = "the name has no address".to_owned();
    for (tried, address) in first.into_iter().chain(others).enumerate() {
        let left_ms = until.0.saturating_sub(rt::now().0);
        let share_ms = left_ms / addresses.len().saturating_sub(tried).max(1) as u64;
        match Socket::connect(address, None, share_ms).await {
            Ok(socket) if is_own_end(&socket) => {
                // The port is closed, and the system gave it to us as our own.
                last = io_words(&ConnectError::Io(
                    std::io::ErrorKind::ConnectionRefused.into(),
                ));
            }
            Ok(socket) => {
                taken.set(Some(address));
                socket.keepalive(UPSTREAM_KEEPALIVE_S.0, UPSTREAM_KEEPALIVE_S.1);
                return Ok(socket);
            }
            Err(error) => last = io_words(&error),
        }
    }
    Err(last)
}

/// The limit is named where it is that of every connect; a shorter time is its asker's own.
fn no_answer(within_ms: u64) -> String {
    let limit = match within_ms {
        CONNECT_TIMEOUT_MS => " (CONNECT_TIMEOUT_MS)",
        _ => "",
    };
    format!("no answer within {within_ms} ms{limit}")
}

/// Whether a connection leads to itself, which a dial of a closed local port can.
fn is_own_end(socket: &Socket) -> bool {
    match (socket.local_addr(), socket.peer_addr()) {
        (Ok(local), Ok(peer)) => local == peer,
        _ => false,
    }
}

fn note(upstream: &Inner, failed: Option<&String>) {
    let told_at = &upstream.dialing.told_at;
    match (failed, told_at.get()) {
        (None, None) => {}
        (None, Some(_)) => {
            told_at.set(None);
            upstream.report(UpstreamEvent::Reached {
                upstream: upstream.label(),
            });
        }
        (Some(_), Some(at)) if rt::now().0.saturating_sub(at.0) < CANNOT_CONNECT_TELL_MS => {}
        (Some(why), _) => {
            told_at.set(Some(rt::now()));
            upstream.report(UpstreamEvent::CannotConnect {
                upstream: upstream.label(),
                why: why.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::super::on_shard::on_shard;
    use super::*;

    /// A listener whose queue is full: it drops what comes. With what fills it.
    fn hole() -> (TcpListener, Vec<TcpStream>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let addr = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&addr, Duration::from_millis(200));
        let filling = std::iter::from_fn(|| connect().ok()).collect();
        (listener, filling)
    }

    #[test]
    fn an_address_that_drops_everything_leaves_time_to_the_next() {
        on_shard(|_| async {
            let (dead, _filling) = hole();
            let good = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let addresses = [dead, good].map(|it| (it.local_addr().unwrap(), it));
            let both = [addresses[0].0, addresses[1].0];
            let taken = Cell::new(None);
            let until = |ms| Millis(rt::now().0 + ms);
            let socket = connect_to_one(&both, &taken, until(1_000)).await.unwrap();
            assert_eq!(socket.peer_addr().unwrap(), both[1]);
            // The one that took a connection comes first the next time, in less than the share of the other.
            let again = rt::timeout(10_000, connect_to_one(&both, &taken, until(60_000))).await;
            assert_eq!(again.unwrap().unwrap().peer_addr().unwrap(), both[1]);
        });
    }
}
