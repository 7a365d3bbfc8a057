//! Who stays on a link, and what is believed of it: asked when its handshake is done, and again when the node's lists change.

use std::rc::Rc;

use flatend_codec::GoodbyeCode;

use super::driver::Progress;
use super::events;
use super::link::{CloseReason, Link};
use crate::node::{now_s, NodeEvent};
use crate::rt;
use crate::shard::Shard;
use crate::trust::Shown;

/// The lists have changed: every link of this shard is looked at again.
pub(crate) fn trust_changed(shard: &Rc<Shard>) {
    for link in shard.links.borrow().values() {
        link.review.set(true);
        link.poke();
    }
}

/// What the peer shows of itself.
pub(super) fn shown(link: &Link) -> Shown {
    let conn = link.conn.borrow();
    match conn.hello() {
        Some(hello) => Shown::Proved(hello.public_key),
        None => Shown::Legacy(
            conn.peer()
                .and_then(|peer| peer.id.as_ref())
                .map(|id| id.public_key),
        ),
    }
}

/// Ends the link of a peer that may not stay, and notes what the others may do.
///
/// # Errors
/// Why it may not.
pub(super) fn check(shard: &Rc<Shard>, link: &Rc<Link>) -> Result<(), CloseReason> {
    let (trust, shown) = (shard.shared.trust.load(), shown(link));
    if let Err(why) = trust.admits(&shown, &shard.shared.known, now_s()) {
        let mut conn = link.conn.borrow_mut();
        conn.goodbye(rt::now(), GoodbyeCode::Key, "this key is not welcome");
        return Err(CloseReason::Unwelcome(why));
    }
    link.may_call.set(trust.may_call(&shown));
    Ok(())
}

/// The names that the peer offers and may offer. `tell`: the log hears of the others.
pub(super) fn believed(shard: &Shard, link: &Link, tell: bool) -> Vec<String> {
    let (trust, shown) = (shard.shared.trust.load(), shown(link));
    let names = events::services_of(link);
    let (kept, dropped): (Vec<String>, Vec<String>) = names
        .into_iter()
        .partition(|name| trust.may_offer(&shown, name));
    if tell && !dropped.is_empty() {
        shard.emit(NodeEvent::NotBelieved {
            peer: events::name_of(link),
            services: dropped,
        });
    }
    kept
}

/// The lists have changed since the handshake.
///
/// # Errors
/// The peer may not stay.
pub(super) fn review(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
) -> Result<(), CloseReason> {
    if !progress.handshaked || !link.review.take() {
        return Ok(());
    }
    check(shard, link)?;
    progress.services = believed(shard, link, true);
    events::announce(shard, link, progress);
    Ok(())
}
