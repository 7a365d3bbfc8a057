//! Dialing an upstream, and telling when that begins to fail and when it works again.

use std::cell::Cell;

use flatend::rt::{self, ConnectError, Socket};
use flatend::Millis;

use super::report::words;
use super::upstream::Inner;
use super::UpstreamEvent;
use crate::limits::{CANNOT_CONNECT_TELL_MS, CONNECT_TIMEOUT_MS, UPSTREAM_KEEPALIVE_S};

/// Whether connecting fails, and when that was told last.
#[derive(Default)]
pub(super) struct Dialing {
    told_at: Cell<Option<Millis>>,
}

/// A connection to the upstream, of whichever of its addresses takes one.
///
/// # Errors
/// Why not, in a few words, which were told.
pub(super) async fn dial(upstream: &Inner) -> Result<Socket, String> {
    let dialed = dial_quietly(upstream).await;
    note(upstream, dialed.as_ref().err());
    dialed
}

/// As [`dial`], for who tells by itself.
pub(super) async fn dial_quietly(upstream: &Inner) -> Result<Socket, String> {
    rt::timeout(CONNECT_TIMEOUT_MS, try_addresses(upstream))
        .await
        .unwrap_or_else(|_| {
            Err(format!(
                "no answer within {CONNECT_TIMEOUT_MS} ms (CONNECT_TIMEOUT_MS)"
            ))
        })
}

async fn try_addresses(upstream: &Inner) -> Result<Socket, String> {
    let origin = upstream.origin();
    let addresses = upstream.resolver.addresses(origin).await?;
    let mut last = "the name has no address".to_owned();
    for address in addresses.iter() {
        match Socket::connect(*address, CONNECT_TIMEOUT_MS).await {
            Ok(socket) if is_own_end(&socket) => {
                // The port is closed, and the system gave it to us as our own.
                last = words(&ConnectError::Io(
                    std::io::ErrorKind::ConnectionRefused.into(),
                ));
            }
            Ok(socket) => {
                socket.keepalive(UPSTREAM_KEEPALIVE_S.0, UPSTREAM_KEEPALIVE_S.1);
                return Ok(socket);
            }
            Err(error) => last = words(&error),
        }
    }
    Err(last)
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
