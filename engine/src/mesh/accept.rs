//! Accepting links: each connection becomes a task at once, while those without a handshake are few (`unverified`).

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use bytes::BytesMut;
use flatend_codec::{Config, Connection, Flatend2, Limits, Role};

use super::driver;
use super::link::{CloseReason, Link};
use super::unverified;
use crate::limits::{GRANTED_REQUESTS_MAX, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S};
use crate::node::{NodeEvent, SOFTWARE};
use crate::rt::{self, AcceptRest, Listener, Socket};
use crate::shard::{Shard, Share};
use crate::trust::Shown;

/// Accepts links on `listener` until the node drains.
pub(crate) fn serve_listener(shard: &Rc<Shard>, listener: Listener) {
    let shard = shard.clone();
    rt::spawn(async move {
        let mut rest = AcceptRest::default();
        loop {
            unverified::room(&shard).await;
            match listener.accept_until(shard.draining()).await {
                None => return,
                Some(Ok(fd)) => match Socket::adopt(fd).and_then(|socket| accepted(&shard, socket))
                {
                    Ok(link) => driver::start(&shard, link, None, None, BytesMut::new()),
                    Err(err) => shard.emit(NodeEvent::Trouble(format!(
                        "cannot take a connection: {err}"
                    ))),
                },
                Some(Err(err)) => {
                    let tell = |sentence| shard.emit(NodeEvent::Trouble(sentence));
                    rest.after(&err, "links", tell).await;
                }
            }
        }
    });
}

fn accepted(shard: &Rc<Shard>, socket: Socket) -> io::Result<Rc<Link>> {
    let shown = socket.local_addr()?;
    // Its dialer says which lane it is.
    let link = new_link(shard, socket, Role::Acceptor, shown, Expected::ANYBODY, 0)?;
    let links = shard.shared.limits.links;
    if shard.live_links.get() >= links {
        link.close(CloseReason::Full { links });
    }
    // Our frames are answered at once until we know whom we talk to.
    link.socket.quick_ack();
    unverified::make_room();
    unverified::add(&link);
    Ok(link)
}

/// Whom a link is to lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// The key that the peer must show.
    pub(crate) key: Option<[u8; 32]>,
    /// The process that is to answer.
    pub(crate) instance: Option<[u8; 16]>,
    /// Whether it may speak legacy alone, which proves nothing.
    pub(crate) legacy: bool,
}

impl Expected {
    pub(crate) const ANYBODY: Expected = Expected {
        key: None,
        instance: None,
        legacy: true,
    };
}

/// A link over a connected socket. `here`: the address that we show on it unless a public one is configured.
pub(crate) fn new_link(
    shard: &Rc<Shard>,
    socket: Socket,
    role: Role,
    here: SocketAddr,
    expected: Expected,
    lane: u16,
) -> io::Result<Rc<Link>> {
    socket.keepalive(KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S);
    let mut ephemeral_secret = [0; 32];
    getrandom::fill(&mut ephemeral_secret)
        .map_err(|err| io::Error::other(format!("no randomness for a session key: {err}")))?;
    let identity = shard.shared.identity.as_ref().map(|identity| {
        let shown = identity
            .public_addr
            .unwrap_or(SocketAddr::new(here.ip().to_canonical(), here.port()));
        (identity.key.clone(), shown)
    });
    let offered = shard.shared.offered.load_full();
    let trust = shard.shared.trust.load();
    let credentials = &shard.shared.credentials;
    let addresses: Vec<SocketAddr> = identity.iter().map(|(_, shown)| *shown).collect();
    let limits = &shard.shared.limits;
    let requests_max = limits.handler_streams.min(GRANTED_REQUESTS_MAX);
    let flatend2 = Flatend2 {
        key: credentials.key.clone(),
        addresses: &addresses,
        instance: credentials.instance,
        shards: u16::try_from(shard.shared.shards).unwrap_or(u16::MAX),
        lane,
        requests_max: u32::try_from(requests_max).unwrap_or(u32::MAX),
        software: SOFTWARE,
        record: credentials.record(&addresses),
        network_key: shard.shared.network_key,
        expected_key: expected.key,
        // Its secret would not protect against a legacy peer.
        legacy: expected.legacy && shard.shared.network_key.is_none() && trust.takes_legacy(),
    };
    let config = Config {
        role,
        ephemeral_secret,
        identity,
        services: &offered.names,
        limits: Limits::default(),
        flatend2: shard.shared.flatend2.then_some(flatend2),
    };
    let mut conn =
        Connection::new(rt::now(), config).map_err(|err| io::Error::other(err.to_string()))?;
    conn.set_services_epoch(offered.epoch);
    Ok(Link::new(
        shard.new_link_ref(),
        socket,
        conn,
        limits,
        Share::new(shard.receive.clone()),
        offered,
        // Until it has shown who it is.
        trust.may_call(&Shown::Legacy(None)),
    ))
}
