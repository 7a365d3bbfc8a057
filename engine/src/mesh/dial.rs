//! Bootstrap addresses: dialed at start and again whenever their link is lost, for ever, with growing pauses and jitter.

use std::net::SocketAddr;
use std::rc::Rc;

use flatend_codec::Role;

use super::link::CloseReason;
use super::{accept, driver};
use crate::limits::{
    DIAL_TIMEOUT_MS, REDIAL_FIRST_MS, REDIAL_FRESH_ATTEMPTS, REDIAL_FRESH_MAX_MS, REDIAL_MAX_MS,
};
use crate::node::NodeEvent;
use crate::rt::{self, Socket};
use crate::shard::Shard;

/// A bootstrap address as the user wrote it: `host:port`; names are looked up again at every dial.
pub(crate) type DialTarget = String;

/// Keeps a link to `target` until the node drains.
pub(crate) fn keep_dialed(shard: &Rc<Shard>, target: DialTarget) {
    let shard = shard.clone();
    rt::spawn(async move {
        let supervise = async {
            let mut attempt = 0;
            loop {
                match dial(&shard, &target).await {
                    // Whoever answers there shows our own key: no use to ask again soon, but the address may change hands.
                    Ok(CloseReason::Ourselves) => attempt = u32::MAX,
                    // It was up: the next loss starts with short pauses again.
                    Ok(_) => attempt = 0,
                    Err(what) if attempt == 0 => {
                        shard.emit(NodeEvent::Trouble(format!("cannot reach {target}: {what}")))
                    }
                    Err(_) => {}
                }
                if shard.draining().is_set() {
                    return;
                }
                let pause_ms = pause_ms(attempt, shard.rng.borrow_mut().below(1_000) as u64);
                attempt = attempt.saturating_add(1);
                shard.emit(NodeEvent::Redialing {
                    target: target.clone(),
                    pause_ms,
                });
                rt::sleep(pause_ms).await;
            }
        };
        let drained = async {
            shard.draining().wait().await;
            // A link that is up ends by itself, drained; one that is not is not dialed any more.
            shard.links_closed().await;
        };
        futures_lite::future::or(supervise, drained).await;
    });
}

/// 500 ms × 1.25 each up to 1 s while the loss is fresh, then on to 30 s; jitter of a fifth.
fn pause_ms(attempt: u32, permille: u64) -> u64 {
    let grown = (0..attempt.min(40)).fold(REDIAL_FIRST_MS, |ms, n| {
        let max = if n < REDIAL_FRESH_ATTEMPTS {
            REDIAL_FRESH_MAX_MS
        } else {
            REDIAL_MAX_MS
        };
        (ms * 5 / 4).min(max)
    });
    if attempt == 0 {
        return grown;
    }
    grown + grown * permille / 5_000
}

async fn dial(shard: &Rc<Shard>, target: &str) -> Result<CloseReason, String> {
    let mut last = "the name has no address".to_owned();
    for addr in lookup(shard, target).await? {
        match Socket::connect(addr, DIAL_TIMEOUT_MS).await {
            Ok(socket) => {
                let here = socket.local_addr().map_err(|err| err.to_string())?;
                let port = shard
                    .shared
                    .identity
                    .as_ref()
                    .map_or(0, |identity| identity.listen_port);
                let link = accept::new_link(
                    shard,
                    socket,
                    Role::Dialer,
                    SocketAddr::new(here.ip(), port),
                )
                .map_err(|err| err.to_string())?;
                return Ok(driver::run(shard, &link, true).await);
            }
            Err(err) => last = err.to_string(),
        }
    }
    Err(last)
}

/// Literal addresses at once; names on a thread of their own, so that no shard waits for a name server.
async fn lookup(shard: &Rc<Shard>, target: &str) -> Result<Vec<SocketAddr>, String> {
    if let Ok(addr) = target.parse() {
        return Ok(vec![addr]);
    }
    let name = target.to_owned();
    let found = shard.run_blocking(move || {
        std::net::ToSocketAddrs::to_socket_addrs(&name)
            .map(Iterator::collect)
            .map_err(|err| err.to_string())
    });
    found.await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_one_second_then_to_thirty() {
        assert_eq!(pause_ms(0, 999), 500);
        assert_eq!(pause_ms(1, 0), 625);
        assert_eq!(pause_ms(REDIAL_FRESH_ATTEMPTS, 0), REDIAL_FRESH_MAX_MS);
        assert!(pause_ms(REDIAL_FRESH_ATTEMPTS + 1, 0) > REDIAL_FRESH_MAX_MS);
        assert_eq!(pause_ms(u32::MAX, 0), REDIAL_MAX_MS);
        assert!(pause_ms(u32::MAX, 999) <= REDIAL_MAX_MS * 6 / 5);
    }
}
