//! Lookups over a link: what is asked, what is answered, and what answers tell the mesh core (protocol.md 5, flatend2.md 4).

use std::rc::Rc;

use flatend_codec::{NodeId, PeerKind, Record, RecordsRef, Token};

use super::core::Named;
use super::link::Link;
use super::steer::News;
use crate::node::now_s;
use crate::rt;
use crate::shard::Shard;

/// A dialer asks for nodes close to its own key. On legacy the codec does so by itself.
pub(super) fn first(shard: &Rc<Shard>, link: &Rc<Link>, dialed: bool) {
    if dialed && link.conn.borrow().peer_kind() == PeerKind::Flatend2 {
        ask(link, shard.shared.credentials.public_key());
    }
}

/// Asks the peer of a link for nodes: its answer is told to the mesh core. A link that cannot be asked does not answer.
pub(crate) fn ask(link: &Rc<Link>, target: [u8; 32]) {
    if link.conn.borrow_mut().find_node(rt::now(), target).is_ok() {
        link.cork();
    }
}

/// Answers with all that are known, the closest first: the codec takes those that it has not named a moment ago.
pub(super) fn answer(shard: &Rc<Shard>, link: &Rc<Link>, token: Token, target: &[u8; 32]) {
    let snapshot = shard.snapshot();
    let (now, mut conn) = (rt::now(), link.conn.borrow_mut());
    let flatend2 = conn.peer_kind() == PeerKind::Flatend2;
    // Who speaks flatend/2 gets signed records of those that have signed one.
    let ids = snapshot
        .closest(target)
        .filter(|peer| !flatend2 || peer.record.is_none())
        .map(|peer| NodeId::new(peer.public_key, peer.addr));
    // A link that is closing cannot answer any more; its end tells the asker.
    conn.nodes(now, token, ids).ok();
    if flatend2 {
        let records = snapshot.closest(target).filter_map(|peer| peer.record);
        conn.records(now, token, records).ok();
    }
}

/// IDs that were named: nothing proves them. On flatend/2 the records of the same answer follow.
pub(super) fn ids(shard: &Rc<Shard>, link: &Rc<Link>, ids: impl Iterator<Item = NodeId>) {
    let named = ids.map(|id| Named {
        key: id.public_key,
        addr: id.address,
        signed: false,
    });
    note(link, named);
    if !link.is_flatend2() {
        tell(shard, link);
    }
}

/// Records that were named: those that do not verify, or are too old, are as if they had not been.
pub(super) fn records(shard: &Rc<Shard>, link: &Rc<Link>, records: RecordsRef<'_>) {
    let now_s = now_s();
    let named = records.iter().filter_map(|bytes| {
        let record = Record::verify(bytes).ok()?;
        let addr = record.addresses.first().copied()?;
        record.is_good_at(now_s).then_some(Named {
            key: record.public_key,
            addr,
            signed: true,
        })
    });
    note(link, named);
    tell(shard, link);
}

/// What an answer names comes in two parts on flatend/2.
fn note(link: &Link, named: impl Iterator<Item = Named>) {
    let mut all = link.named.take();
    all.extend(named);
    link.named.set(all);
}

fn tell(shard: &Rc<Shard>, link: &Rc<Link>) {
    shard.shared.registry.tell(News::Named {
        link: link.at,
        named: link.named.take(),
    });
}
