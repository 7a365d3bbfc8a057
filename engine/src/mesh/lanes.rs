//! Lanes as a link sees them (flatend2.md 6): which of the links to its process it is, and which shard of the acceptor owns it.
//! How many there are to be is the business of `core::lane_dials`.

use std::rc::Rc;

use flatend_codec::GoodbyeCode;

use super::driver::Progress;
use super::link::{CloseReason, Link};
use super::steer::News;
use crate::limits::{LANES_MAX, LANE_WORK_REQUESTS};
use crate::rt;
use crate::shard::Shard;

/// The shard of an acceptor with so many that owns a lane: the first two bytes of the dialer's instance, and the lane. So the lanes
/// of one process are spread over all shards, and so are processes with one lane.
pub(super) fn owner(instance: [u8; 16], lane: u16, shards: usize) -> usize {
    let [high, low, ..] = instance;
    (usize::from(u16::from_be_bytes([high, low])) + usize::from(lane)) % shards.max(1)
}

/// Where a link belongs that this shard has accepted, as soon as its peer has said that; once.
pub(super) fn belongs_to(shard: &Shard, link: &Link, progress: &mut Progress) -> Option<usize> {
    if progress.placed {
        return None;
    }
    let conn = link.conn.borrow();
    // Legacy has no lanes.
    progress.placed = conn.hello().is_some() || progress.handshaked;
    let hello = conn.hello()?;
    let owner = owner(hello.instance, hello.lane, shard.count());
    let stays = owner == shard.index
        || hello.lane >= LANES_MAX
        || shard.draining().is_set()
        || link.closing.borrow().is_some();
    (!stays).then_some(owner)
}

/// At the end of the handshake: the lane, as its dialer has it.
///
/// # Errors
/// The link leads to another process than it was made for, or is one too many.
pub(super) fn check(link: &Link, progress: &mut Progress) -> Result<(), CloseReason> {
    let (instance, lane) = match link.conn.borrow().hello() {
        Some(hello) => (hello.instance, hello.lane),
        None => return Ok(()),
    };
    if let Some(dialing) = &progress.dialing {
        if dialing
            .instance
            .is_some_and(|expected| expected != instance)
        {
            return Err(CloseReason::Elsewhere);
        }
    }
    if progress.dialed {
        return Ok(());
    }
    if lane >= LANES_MAX {
        let why = format!("lane {lane}: a process has {LANES_MAX} links to another at most");
        let mut conn = link.conn.borrow_mut();
        conn.goodbye(rt::now(), GoodbyeCode::Drain, &why);
        return Err(CloseReason::Unwelcome(why));
    }
    progress.lane = lane;
    Ok(())
}

/// Tells the mesh core, once, that requests pass over a link that we dialed.
pub(super) fn note_work(shard: &Rc<Shard>, link: &Link, progress: &mut Progress) {
    let works = link.requests.get() >= LANE_WORK_REQUESTS;
    if works && !progress.told_work && progress.dialed && link.is_flatend2() {
        progress.told_work = true;
        shard.shared.registry.tell(News::Works(link.at));
    }
}

/// Tells the mesh core that a link which the peer dialed takes no more requests: its dialer may have made another.
pub(super) fn note_leaving(shard: &Rc<Shard>, link: &Link, progress: &Progress) {
    if progress.announced_retiring && !progress.dialed {
        shard.shared.registry.tell(News::Leaves(link.at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_of_a_process_are_spread_over_all_shards() {
        for shards in 1..=LANES_MAX {
            let mut instance = [7; 16];
            instance[0] = 255;
            let mut owners: Vec<usize> = (0..shards)
                .map(|lane| owner(instance, lane, usize::from(shards)))
                .collect();
            owners.sort_unstable();
            assert_eq!(owners, (0..usize::from(shards)).collect::<Vec<_>>());
        }
        assert_eq!(
            owner([0, 5, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9], 3, 4),
            0
        );
    }
}
