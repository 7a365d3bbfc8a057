//! Links that were accepted and have not shaken hands: few, each with a moment of its own, the oldest of a crowd first to go. Owns
//! the list of a shard; who is in the backlog waits there and costs nothing. The invariant that a change is likeliest to break: a link
//! leaves the list when its handshake is done or it ends, whichever comes first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::{Rc, Weak};

use flatend_codec::Millis;

use super::link::{CloseReason, Link};
use crate::limits::{UNVERIFIED_GRACE_MS, UNVERIFIED_LINKS_MAX, UNVERIFIED_OF_ADDRESS_MAX};
use crate::rt::{self, WaitQueue};
use crate::shard::Shard;

#[derive(Default)]
struct Crowd {
    /// Oldest first.
    links: RefCell<VecDeque<Waiting>>,
    left: WaitQueue,
}

struct Waiting {
    link: Weak<Link>,
    from: IpAddr,
    since: Millis,
}

thread_local! {
    static CROWD: Rc<Crowd> = Rc::default();
}

/// Whether another link may be taken.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    Room,
    /// The one at this place makes room.
    InPlaceOf(usize),
    /// Nobody has had its moment yet; so long until the oldest has.
    Wait(u64),
}

/// Where a link comes from: hosts with IPv6 have a whole /64 to themselves.
fn origin(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(addr) => {
            let prefix = u128::from(addr) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 => v4,
    }
}

fn look(links: &VecDeque<Waiting>, now: Millis) -> Look {
    if links.len() < UNVERIFIED_LINKS_MAX / 2 {
        return Look::Room;
    }
    let left_ms = |link: &Waiting| (link.since.0 + UNVERIFIED_GRACE_MS).saturating_sub(now.0);
    let is_of_crowd = |link: &Waiting| {
        let of_same = links.iter().filter(|other| other.from == link.from);
        of_same.count() > UNVERIFIED_OF_ADDRESS_MAX
    };
    let crowding = links
        .iter()
        .take_while(|link| left_ms(link) == 0)
        .position(is_of_crowd);
    match (crowding, links.front().map_or(0, left_ms)) {
        (Some(place), _) => Look::InPlaceOf(place),
        (None, _) if links.len() < UNVERIFIED_LINKS_MAX => Look::Room,
        (None, 0) => Look::InPlaceOf(0),
        (None, left_ms) => Look::Wait(left_ms),
    }
}

/// Waits until another link may be accepted, if need be at the cost of an older one, which ends when the newcomer is there
/// ([`make_room`]); not longer than until the node drains.
pub(super) async fn room(shard: &Shard) {
    let crowd = CROWD.with(Rc::clone);
    loop {
        let looked = look(&crowd.links.borrow(), rt::now());
        match looked {
            Look::Room | Look::InPlaceOf(_) => return,
            Look::Wait(ms) => {
                let count = crowd.links.borrow().len();
                let left = crowd
                    .left
                    .until(|| (crowd.links.borrow().len() < count).then_some(()));
                let waited = futures_lite::future::or(left, shard.draining().wait());
                // Whatever ended it: look again.
                rt::timeout(ms, waited).await.ok();
                if shard.draining().is_set() {
                    return;
                }
            }
        }
    }
}

/// A connection was accepted: the one in whose place it comes ends.
pub(super) fn make_room() {
    let crowd = CROWD.with(Rc::clone);
    let looked = look(&crowd.links.borrow(), rt::now());
    if let Look::InPlaceOf(place) = looked {
        let gone = crowd.links.borrow_mut().remove(place);
        if let Some(link) = gone.and_then(|gone| gone.link.upgrade()) {
            link.close(CloseReason::Crowded);
        }
    }
}

/// A link was accepted.
pub(super) fn add(link: &Rc<Link>) {
    // Without an address it is gone already, and leaves the list at once.
    let from = link.socket.peer_addr();
    let from = from.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |addr| origin(addr.ip()));
    CROWD.with(|crowd| {
        crowd.links.borrow_mut().push_back(Waiting {
            link: Rc::downgrade(link),
            from,
            since: rt::now(),
        });
    });
}

/// A link has finished its handshake, or has ended.
pub(super) fn forget(link: &Rc<Link>) {
    CROWD.with(|crowd| {
        let mut links = crowd.links.borrow_mut();
        let place = links
            .iter()
            .position(|waiting| std::ptr::eq(waiting.link.as_ptr(), Rc::as_ptr(link)));
        if place.and_then(|place| links.remove(place)).is_some() {
            drop(links);
            crowd.left.wake_all();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first `count` of these came at `at`.
    fn come(links: &mut VecDeque<Waiting>, from: impl Fn(usize) -> [u8; 4], count: usize, at: u64) {
        for n in 0..count {
            links.push_back(Waiting {
                link: Weak::new(),
                from: origin(IpAddr::from(from(n))),
                since: Millis(at),
            });
        }
    }

    fn one(_: usize) -> [u8; 4] {
        [192, 0, 2, 1]
    }

    fn many(n: usize) -> [u8; 4] {
        [198, 51, 100, n as u8]
    }

    const MAX: usize = UNVERIFIED_LINKS_MAX;

    #[test]
    fn who_came_at_once_waits_for_its_moment_and_then_the_oldest_goes() {
        let mut links = VecDeque::new();
        come(&mut links, many, MAX - 1, 1_000);
        assert_eq!(look(&links, Millis(1_000)), Look::Room);
        come(&mut links, |_| many(MAX), 1, 1_100);
        assert_eq!(
            look(&links, Millis(1_001)),
            Look::Wait(UNVERIFIED_GRACE_MS - 1)
        );
        assert_eq!(
            look(&links, Millis(1_000 + UNVERIFIED_GRACE_MS)),
            Look::InPlaceOf(0)
        );
    }

    #[test]
    fn one_address_loses_its_oldest_before_others_do_once_half_is_taken() {
        let late = Millis(1_000 + UNVERIFIED_GRACE_MS);
        let mut links = VecDeque::new();
        come(&mut links, many, 3, 900);
        come(&mut links, one, MAX / 2 - 4, 1_000);
        assert_eq!(look(&links, late), Look::Room, "less than half");
        come(&mut links, one, 1, 1_000);
        assert_eq!(look(&links, late), Look::InPlaceOf(3));
        assert_eq!(
            look(&links, Millis(1_001)),
            Look::Room,
            "a crowd, but young"
        );
        // At its share it is no crowd.
        links.clear();
        come(&mut links, one, UNVERIFIED_OF_ADDRESS_MAX, 900);
        come(&mut links, many, MAX / 2, 1_000);
        assert_eq!(look(&links, late), Look::Room);
        come(&mut links, one, 1, 1_000);
        assert_eq!(look(&links, late), Look::InPlaceOf(0));
    }

    #[test]
    fn hosts_are_told_apart_by_their_network() {
        let origin = |text: &str| super::origin(text.parse().expect("an address"));
        assert_eq!(origin("2001:db8:1:2::1"), origin("2001:db8:1:2:ffff::"));
        assert_ne!(origin("2001:db8:1:2::1"), origin("2001:db8:1:3::1"));
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.2"), origin("192.0.2.1"));
    }
}
