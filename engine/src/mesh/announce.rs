//! Telling peers what this node offers now. Go and nodes of this project take a second Handshake. npm dies of one (rule N01), so
//! its link is made again: it takes no new requests of ours, finishes what runs, and whoever dialed it dials again. A peer that
//! has not shown what it is gets five seconds to do so, then its link is made again too.

use std::rc::Rc;
use std::sync::Arc;

use flatend_codec::{Announced, SendError};

use super::link::Link;
use crate::limits::ANNOUNCE_WAIT_MS;
use crate::node::NodeEvent;
use crate::rt;
use crate::shard::Shard;

/// The list has changed: every link of this shard is to tell it.
pub(crate) fn services_changed(shard: &Rc<Shard>) {
    for link in shard.links.borrow().values() {
        link.outdated.set(true);
        link.poke();
    }
}

/// A link that was made with a list that may have changed since.
pub(super) fn check_list(shard: &Rc<Shard>, link: &Rc<Link>) {
    let offered = shard.shared.offered.load();
    if !Arc::ptr_eq(&offered, &link.shown.borrow()) {
        link.outdated.set(true);
    }
}

/// Tells the peer if that is due, or sees to it that it will be.
pub(super) fn bring_up_to_date(shard: &Rc<Shard>, link: &Rc<Link>) {
    if !link.outdated.get() {
        return;
    }
    let offered = shard.shared.offered.load_full();
    if Arc::ptr_eq(&offered, &link.shown.borrow()) {
        // It was made with this very list, or told of it by a look that came before.
        link.outdated.set(false);
        return;
    }
    let key = shard.shared.identity.as_ref().map(|own| &own.key);
    let announced = {
        let mut conn = link.conn.borrow_mut();
        conn.set_services_epoch(offered.epoch);
        conn.announce(rt::now(), key, &offered.names)
    };
    match announced {
        Ok(Announced::Sent) => {
            link.outdated.set(false);
            link.announcing.set(true);
            link.renewal.clear();
            *link.shown.borrow_mut() = offered;
        }
        Ok(Announced::NeedsNewLink) => renew(link),
        Ok(Announced::Later) => {
            if !link.renewal.is_set() {
                link.renewal.set_after(ANNOUNCE_WAIT_MS);
            }
        }
        // Its output is full, or too many questions are open: the next turn of the link tries again.
        Err(SendError::Full | SendError::NotReady) => {}
        // The link is dead.
        Err(SendError::StreamGone) => link.outdated.set(false),
        Err(err) => {
            link.outdated.set(false);
            shard.emit(NodeEvent::Trouble(format!(
                "cannot tell peers what is offered: {err}"
            )));
        }
    }
}

/// The link is to be made again.
pub(super) fn renew(link: &Rc<Link>) {
    link.outdated.set(false);
    link.renewal.clear();
    link.renewing.set(true);
    link.conn.borrow_mut().retire();
}
