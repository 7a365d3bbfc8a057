//! A link that the kernel gave to one shard and that belongs to another (flatend2.md 6): its descriptor, the codec's connection and
//! what was read and not opened go there in a message, as soon as the peer's HELLO is verified and before anything behind it is
//! opened. Nobody else knows of the link by then, so nothing else has to move.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use flatend_codec::Connection;

use super::driver;
use super::link::{CloseReason, Link};
use crate::node::NodeEvent;
use crate::rt::Socket;
use crate::shard::{Message, Offered, Shard, Share};
use crate::trust::Shown;

/// A link between two shards. Dropped, its connection ends.
pub(crate) struct Handover {
    fd: OwnedFd,
    conn: Connection,
    unread: BytesMut,
    /// The services that the peer was shown.
    shown: Arc<Offered>,
}

/// Gives a link to shard `to`. Gives it back if somebody here still holds it: then it stays.
pub(super) fn send_off(
    shard: &Rc<Shard>,
    link: Rc<Link>,
    unread: BytesMut,
    to: usize,
) -> Result<(), (Rc<Link>, BytesMut)> {
    let link = match Rc::try_unwrap(link) {
        Ok(link) => link,
        Err(link) => return Err((link, unread)),
    };
    match link.socket.detach() {
        Ok(fd) => shard.outbox(to).send(Message::Handover(Box::new(Handover {
            fd,
            conn: link.conn.into_inner(),
            unread,
            shown: link.shown.into_inner(),
        }))),
        Err(err) => shard.emit(NodeEvent::Trouble(format!(
            "cannot hand a connection over to another shard: {err}"
        ))),
    }
    Ok(())
}

/// Takes a link that another shard has accepted for this one.
pub(crate) fn take_in(shard: &Rc<Shard>, handover: Handover) {
    let Handover {
        fd,
        conn,
        unread,
        shown,
    } = handover;
    let socket = match Socket::adopt(fd) {
        Ok(socket) => socket,
        Err(err) => {
            return shard.emit(NodeEvent::Trouble(format!(
                "cannot take a connection that another shard has accepted: {err}"
            )))
        }
    };
    let limits = &shard.shared.limits;
    // As in the beginning: what the peer may is decided when its handshake is done.
    let may_call = shard.shared.trust.load().may_call(&Shown::Legacy(None));
    let (at, share) = (shard.new_link_ref(), Share::new(shard.receive.clone()));
    let link = Link::new(at, socket, conn, limits, share, shown, may_call);
    if shard.live_links.get() >= limits.links {
        link.close(CloseReason::Full {
            links: limits.links,
        });
    }
    driver::start(shard, link, None, None, unread);
}
