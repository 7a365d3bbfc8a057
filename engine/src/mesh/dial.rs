//! One dial: the mesh core has decided that and when. However it ends, the core is told once.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use flatend_codec::Role;

use super::core::{DialEnd, DialId};
use super::link::Link;
use super::steer::{Dial, News};
use super::{accept, driver};
use crate::control::Registry;
use crate::limits::DIAL_TIMEOUT_MS;
use crate::node::NodeEvent;
use crate::rt::{self, Socket};
use crate::shard::Shard;

/// A dial whose end has not been told. Dropped, it has failed.
pub(crate) struct Dialing {
    id: DialId,
    /// Which of the links to its process it is for.
    pub(super) lane: u16,
    /// The process that is to answer.
    pub(super) instance: Option<[u8; 16]>,
    registry: Arc<Registry>,
    end: DialEnd,
    told: bool,
}

impl Dialing {
    fn new(shard: &Shard, dial: &Dial) -> Dialing {
        Dialing {
            id: dial.id,
            lane: dial.lane,
            instance: dial.expected.instance,
            registry: shard.shared.registry.clone(),
            end: DialEnd::Failed,
            told: false,
        }
    }

    /// It has led to a link, about which the caller tells.
    pub(crate) fn succeeded(mut self) -> DialId {
        self.told = true;
        self.id
    }

    /// It has led to ourselves.
    pub(crate) fn met_ourselves(mut self) {
        self.end = DialEnd::Ourselves;
    }
}

impl Drop for Dialing {
    fn drop(&mut self) {
        if !self.told {
            self.registry.tell(News::DialEnded {
                dial: self.id,
                end: self.end,
            });
        }
    }
}

/// Dials, and begins the task of the link if there is one.
pub(crate) fn dial(shard: &Rc<Shard>, dial: Dial) {
    let dialing = Dialing::new(shard, &dial);
    let shard = shard.clone();
    rt::spawn(async move {
        let drained = async {
            shard.draining().wait().await;
            None
        };
        let connected = async { Some(connect(&shard, &dial).await) };
        match futures_lite::future::or(connected, drained).await {
            None => {}
            Some(Ok(link)) => {
                let tell = dial.tell.then(|| dial.to.as_str().into());
                // A task of its own: what dialing needed is not to live as long as the link.
                driver::start(&shard, link, Some(Box::new(dialing)), tell, BytesMut::new());
            }
            Some(Err(what)) if dial.tell => tell_trouble(&shard, &dial.to, &what),
            Some(Err(_)) => {}
        }
    });
}

pub(super) fn tell_trouble(shard: &Rc<Shard>, to: &str, what: &str) {
    shard.emit(NodeEvent::Trouble(format!("cannot reach {to}: {what}")));
}

async fn connect(shard: &Rc<Shard>, dial: &Dial) -> Result<Rc<Link>, String> {
    let mut last = "the name has no address".to_owned();
    for addr in lookup(shard, &dial.to).await? {
        let congestion = shard.shared.congestion.as_ref();
        match Socket::connect(addr, congestion, DIAL_TIMEOUT_MS).await {
            Ok(socket) => {
                let here = socket.local_addr().map_err(|err| err.to_string())?;
                let port = shard
                    .shared
                    .identity
                    .as_ref()
                    .map_or(0, |identity| identity.listen_port);
                let here = SocketAddr::new(here.ip(), port);
                let (role, expected) = (Role::Dialer, dial.expected);
                return accept::new_link(shard, socket, role, here, expected, dial.lane)
                    .map_err(|err| err.to_string());
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
