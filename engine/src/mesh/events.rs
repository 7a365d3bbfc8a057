//! What a link's events mean for the shard: readers are fed, handlers started, the registry told, the log written.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use flatend_codec::{Event, NodeId, ResetCode, StreamId};

use super::core::{Lane, LinkUp, Process};
use super::driver::Progress;
use super::link::{CloseReason, Link};
use super::steer::News;
use super::{goodbye, lanes, lookup, mistaken, small, unverified, welcome, Recipient};
use crate::blocks::header_block;
use crate::error::Fault;
use crate::node::{self, Caller, NodeEvent, PeerName};
use crate::routing::{LinkInfo, ProviderKey};
use crate::rt;
use crate::shard::{Inbound, Shard, Source};

/// Acts on one event.
pub(crate) fn handle(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    event: Event<'_>,
) -> Result<(), CloseReason> {
    match event {
        Event::Handshake { again } => return handshake(shard, link, progress, again),
        Event::Response {
            stream,
            status,
            headers,
            end,
        } => {
            let mut block = header_block();
            block.copy_from(headers);
            if let Some(status) = status.filter(|status| *status != 200) {
                // One header more than the peer could send, and five digits at most: it fits.
                block.push(b":status", decimal(status, &mut [0; 5])).ok();
            }
            link.streams.head(stream, block);
            if end {
                link.streams.end(stream);
            }
        }
        Event::Data { stream, bytes } => data(link, stream, small::copied(bytes)),
        Event::End { stream } => link.streams.end(stream),
        Event::Trailers { stream, headers } => {
            if headers.count() > 0 {
                link.streams.trailers(stream, headers.to_block());
            }
            link.streams.end(stream);
        }
        Event::Refused { stream } => {
            link.streams.fail(stream, Fault::Refused);
            link.cut(stream);
        }
        Event::Credit { stream, .. } => link.admitted(stream),
        Event::Reset {
            stream,
            code: ResetCode::Protocol,
            reason,
        } => {
            link.streams
                .fail(stream, Fault::Malformed(reason.to_owned()));
            link.cut(stream);
            shard.look_at_work();
        }
        Event::Reset {
            stream,
            code,
            reason,
        } => {
            if code != ResetCode::Done || !link.streams.has_ended(stream) {
                let reason = reason_of(code, reason);
                link.streams.fail(stream, Fault::Reset(reason));
            }
            link.cut(stream);
            shard.look_at_work();
        }
        Event::Request {
            stream,
            services,
            headers,
            deadline_ms,
            end,
        } => {
            link.note_request();
            let service = services.iter().find_map(|name| {
                std::str::from_utf8(name)
                    .ok()
                    .and_then(|name| shard.handlers.find(name))
            });
            let service =
                service.or_else(|| node::find_relay(shard, services.iter(), provider_key(link)));
            let head_bytes = link.handler_head_bytes.get() + headers.byte_len();
            let limits = &shard.shared.limits;
            // A handler without a body has no entry among the streams, a body without a handler has.
            let requests = link.handlers.get().max(link.streams.len());
            let has_room =
                requests < limits.handler_streams && head_bytes <= limits.handler_head_bytes;
            match service {
                Some(service) if has_room && link.may_call.get() && !shard.draining().is_set() => {
                    let budget = link.is_flatend2().then(|| shard.receive.clone());
                    let inbound = Inbound::new(budget);
                    inbound.set_source(Source::Link(link.clone(), stream));
                    if end {
                        inbound.finish();
                    } else {
                        link.streams
                            .insert(stream, Recipient::Local(inbound.clone()), 0);
                    }
                    node::start_handler(
                        shard,
                        link,
                        stream,
                        service,
                        headers.to_block(),
                        inbound,
                        Caller {
                            id: peer_id(link),
                            deadline: deadline_ms.map(|ms| rt::now().after(u64::from(ms))),
                        },
                    );
                }
                _ => {
                    link.refuse(stream);
                }
            }
        }
        Event::FindNode { token, target } => lookup::answer(shard, link, token, &target),
        Event::Nodes { ids, .. } => lookup::ids(shard, link, ids.iter()),
        Event::Records { records, .. } => lookup::records(shard, link, records),
        Event::Goodbye { code, reason, .. } => goodbye::heard(shard, link, progress, code, reason),
        // Events that a later version of the codec may have.
        _ => {}
    }
    Ok(())
}

/// Why a stream was cut, in words.
fn reason_of(code: ResetCode, reason: &str) -> String {
    if !reason.is_empty() {
        return reason.to_owned();
    }
    match code {
        ResetCode::Refused => "it was refused",
        ResetCode::Done => "it ended before its response was whole",
        ResetCode::Cancel => "it was given up",
        ResetCode::Deadline => "its deadline has passed",
        ResetCode::Limit => "a limit was exceeded",
        ResetCode::Internal => "the handler failed",
        ResetCode::Protocol => "the protocol was broken on it",
        ResetCode::Unavailable => "the service cannot answer now",
    }
    .to_owned()
}

/// A number as text, without an allocation. Whatever the peer said: who reads the status judges it.
fn decimal(number: u16, digits: &mut [u8; 5]) -> &[u8] {
    let (mut left, mut at) = (number, digits.len());
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return &digits[at..];
        }
    }
}

/// Hands a piece of a body to its reader.
pub(crate) fn data(link: &Rc<Link>, stream: StreamId, bytes: Bytes) {
    let len = bytes.len();
    if !link.streams.data(stream, bytes, rt::now()) {
        // Nobody reads it any more: it is gone, so it is credited.
        link.credit(stream, len);
    }
}

fn peer_id(link: &Link) -> Option<NodeId> {
    link.conn.borrow().peer().and_then(|peer| peer.id.clone())
}

fn provider_key(link: &Link) -> ProviderKey {
    if let Some(hello) = link.conn.borrow().hello() {
        return ProviderKey::Instance {
            key: hello.public_key,
            instance: hello.instance,
        };
    }
    peer_id(link).map_or(ProviderKey::Anonymous(link.at), |id| {
        ProviderKey::Public(id.public_key)
    })
}

/// Whether the peer of a link is this node: who shows our key on legacy, or our instance too on flatend/2.
fn is_ourselves(shard: &Shard, link: &Link) -> bool {
    let own = &shard.shared.credentials;
    match provider_key(link) {
        ProviderKey::Public(key) => key == own.public_key(),
        ProviderKey::Instance { key, instance } => {
            key == own.public_key() && instance == own.instance
        }
        ProviderKey::Anonymous(_) | ProviderKey::Outlet(_) => false,
    }
}

/// Where a peer can be dialed: an ID with an unspecified address is reached where its link came from.
fn reachable(id: &NodeId, link: &Link) -> Option<SocketAddr> {
    if id.address.ip().is_unspecified() {
        let from = link.socket.peer_addr().ok()?;
        return Some(SocketAddr::new(from.ip().to_canonical(), id.address.port()));
    }
    Some(id.address)
}

/// How the log names the peer of a link.
pub(crate) fn name_of(link: &Link) -> PeerName {
    PeerName(peer_id(link).and_then(|id| reachable(&id, link)))
}

pub(crate) fn services_of(link: &Link) -> Vec<String> {
    link.conn
        .borrow()
        .peer()
        .map(|peer| peer.services.clone())
        .unwrap_or_default()
}

fn handshake(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &mut Progress,
    again: bool,
) -> Result<(), CloseReason> {
    if is_ourselves(shard, link) {
        return Err(CloseReason::Ourselves);
    }
    if !again {
        lanes::check(link, progress)?;
    }
    unverified::forget(link);
    welcome::check(shard, link)?;
    let services = welcome::believed(shard, link, !again);
    // The reply to a list of ours shows the peer's own once more.
    let answers_ours = again && link.announcing.take();
    if again && (progress.reprobed || answers_ours) && services == progress.services {
        // Nothing new: a peer that shakes hands all the time costs neither a snapshot nor a log line.
        return Ok(());
    }
    progress.reprobed = again;
    progress.services = services;
    if !progress.handshaked {
        progress.handshaked = true;
        if link.is_flatend2() {
            link.streams.are_windowed();
        }
        let own = shard.shared.credentials.public_key();
        if peer_id(link).is_some_and(|id| id.public_key == own) {
            let (from, closed) = (name_of(link).0, false);
            shard.emit(NodeEvent::OwnKey { from, closed });
        }
        tell_up(shard, link, progress);
        // Who is known by another link has been asked.
        if progress.lane == 0 {
            lookup::first(shard, link, progress.dialed);
        }
    }
    // Lane 0 speaks for the others.
    if progress.lane == 0 {
        let (peer, services) = (name_of(link), progress.services.clone());
        shard.emit(match (again, progress.dialed) {
            (true, _) => NodeEvent::Reprobed { peer, services },
            (false, true) => NodeEvent::Dialed { peer, services },
            (false, false) => NodeEvent::Accepted { peer, services },
        });
    }
    if shard.draining().is_set() {
        // The drain began before it could be told.
        link.goodbye();
    }
    let ready = link.conn.borrow().is_ready();
    note_ready(shard, link, progress, ready);
    progress.announced_retiring = link.is_retiring();
    announce(shard, link, progress);
    lanes::note_leaving(shard, link, progress);
    Ok(())
}

/// Tells the mesh core when questions may be sent over a link.
pub(crate) fn note_ready(shard: &Rc<Shard>, link: &Rc<Link>, progress: &mut Progress, ready: bool) {
    if ready && !progress.announced_ready {
        shard.shared.registry.tell(News::Ready(link.at));
    }
    progress.announced_ready = ready;
}

/// Tells the mesh core that a link is there.
fn tell_up(shard: &Rc<Shard>, link: &Rc<Link>, progress: &mut Progress) {
    progress.since = Some(rt::now());
    let id = peer_id(link);
    let lane = link.conn.borrow().hello().map(|hello| Lane {
        process: Process {
            key: hello.public_key,
            instance: hello.instance,
        },
        lane: progress.lane,
        shards: hello.shards,
    });
    shard.shared.registry.tell(News::Up(LinkUp {
        link: link.at,
        lane,
        key: id.as_ref().map(|id| id.public_key),
        addr: id.as_ref().and_then(|id| reachable(id, link)),
        from: link.socket.peer_addr().ok().map(canonical),
        dial: progress.dialing.take().map(|dialing| dialing.succeeded()),
    }));
}

fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// What the peer has signed about itself.
fn record_of(link: &Link) -> Option<Arc<[u8]>> {
    link.conn.borrow().hello()?.record.clone()
}

/// Tells the registry what this link offers now.
pub(crate) fn announce(shard: &Rc<Shard>, link: &Rc<Link>, progress: &Progress) {
    let id = peer_id(link);
    link.note_open();
    shard.shared.registry.announce(LinkInfo {
        link: link.at,
        provider: provider_key(link),
        addr: id.as_ref().and_then(|id| reachable(id, link)),
        // A peer that is gone already has none, and will not be asked.
        record: record_of(link),
        from: link.socket.peer_addr().ok(),
        services: progress.services.as_slice().into(),
        epoch: link.conn.borrow().services_epoch(),
        ready: progress.announced_ready,
        retiring: progress.announced_retiring,
        open: link.open.clone(),
    });
}

/// One log line for the end of a link.
pub(crate) fn report_end(
    shard: &Rc<Shard>,
    link: &Rc<Link>,
    progress: &Progress,
    reason: &CloseReason,
) {
    let from = link.socket.peer_addr().ok();
    if let CloseReason::Fault(what) | CloseReason::Silent(what) = reason {
        shard.emit(NodeEvent::PeerFault {
            from,
            what: what.clone(),
        });
    }
    match reason {
        CloseReason::Crowded | CloseReason::Full { .. } | CloseReason::Unwelcome(_) => {
            shard.emit(NodeEvent::PeerFault {
                from,
                what: text(reason),
            })
        }
        CloseReason::Http => mistaken::tell(shard, link),
        CloseReason::Ourselves => shard.emit(NodeEvent::OwnKey { from, closed: true }),
        _ => {}
    }
    if progress.handshaked && progress.lane == 0 {
        let (peer, services) = (name_of(link), progress.services.clone());
        shard.emit(NodeEvent::Disconnected {
            peer,
            services,
            reason: text(reason),
        });
    }
}

fn text(reason: &CloseReason) -> String {
    match reason {
        CloseReason::PeerLeft => "it closed the connection".to_owned(),
        CloseReason::Broken(err) => err.clone(),
        CloseReason::Fault(what) | CloseReason::Silent(what) => what.clone(),
        CloseReason::Retired => {
            "the link is replaced: too many requests on it were given up".to_owned()
        }
        CloseReason::Drained => "this node shuts down".to_owned(),
        CloseReason::Crowded => "too many connections wait for their handshake".to_owned(),
        CloseReason::Full { links } => {
            format!("this shard has its {links} links, and takes no more")
        }
        CloseReason::Unwelcome(why) | CloseReason::Goodbye(why) => why.clone(),
        CloseReason::Superseded => "another link leads to it".to_owned(),
        CloseReason::Elsewhere => "another process answers there".to_owned(),
        CloseReason::Http => "it speaks HTTP, and this is a mesh port".to_owned(),
        CloseReason::Ourselves => "it is this node itself".to_owned(),
        CloseReason::Renewed => {
            "the link is made again: what this node offers has changed".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_written_as_the_peer_said_it_whatever_it_is() {
        for number in [0, 7, 99, 204, 999, 1_200, 65_535] {
            let text = number.to_string();
            assert_eq!(decimal(number, &mut [0; 5]), text.as_bytes());
        }
    }
}
