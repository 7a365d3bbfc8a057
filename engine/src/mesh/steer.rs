//! The mesh core on the control thread: what the shards tell goes in, what it wants done is posted to them. A dial goes to the
//! shard with the fewest links, a question to the shard of its link.

use std::collections::BTreeMap;
use std::sync::Arc;

use flatend_codec::Millis;

use super::accept::Expected;
use super::core::{Action, Config, Core, DialEnd, DialId, Down, LinkUp, Named, Target};
use crate::node::{Events, NodeEvent};
use crate::routing::LinkRef;
use crate::rt::{self, Address};
use crate::shard::Message;
use crate::trust::Known;

/// What shards tell the mesh core.
pub(crate) enum News {
    /// A handshake is done.
    Up(LinkUp),
    /// Questions may be sent over a link.
    Ready(LinkRef),
    /// A link that had shaken hands has ended.
    Down { link: LinkRef, how: Down },
    /// A peer has answered a question.
    Named { link: LinkRef, named: Vec<Named> },
    /// Requests pass over a link that we dialed.
    Works(LinkRef),
    /// No new requests pass over a link that the peer dialed.
    Leaves(LinkRef),
    /// A dial led to no link.
    DialEnded { dial: DialId, end: DialEnd },
    /// The node shuts down.
    Drain,
}

/// A dial for a shard.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) id: DialId,
    /// `host:port`; names are looked up again at every dial.
    pub(crate) to: String,
    /// Its failure is worth a line: it is the first of a bootstrap address.
    pub(crate) tell: bool,
    /// Who is to answer there.
    pub(crate) expected: Expected,
    /// Which of the links to its process this is to be.
    pub(crate) lane: u16,
}

/// An address that is dialed for ever.
pub(crate) struct Bootstrap {
    to: String,
    expected: Expected,
}

impl Bootstrap {
    /// `host:port`, and the key that alone may answer there. A legacy peer cannot prove that it is the one.
    pub(crate) fn new(to: &str, key: Option<[u8; 32]>) -> Bootstrap {
        let expected = Expected {
            key,
            instance: None,
            legacy: key.is_none(),
        };
        Bootstrap {
            to: to.to_owned(),
            expected,
        }
    }
}

/// Keeps the core and knows the way to the shards.
pub(crate) struct Steer {
    core: Core,
    bootstrap: Vec<Bootstrap>,
    known: Arc<Known>,
    mailboxes: Vec<Address<Message>>,
    events: Events,
    /// Links and dials of each shard.
    load: Vec<usize>,
    /// The shard of each dial under way.
    dials: BTreeMap<DialId, usize>,
}

impl Steer {
    pub(crate) fn new(
        now: Millis,
        config: Config,
        bootstrap: Vec<Bootstrap>,
        known: Arc<Known>,
        mailboxes: Vec<Address<Message>>,
        events: Events,
    ) -> Steer {
        Steer {
            core: Core::new(now, config),
            bootstrap,
            known,
            load: vec![0; mailboxes.len()],
            mailboxes,
            events,
            dials: BTreeMap::new(),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.core.next_deadline()
    }

    /// One turn: takes the news, does what is due, posts what follows.
    pub(crate) fn turn(&mut self, now: Millis, news: Vec<News>) {
        for news in news {
            self.take(now, news);
        }
        self.core.timeout(now);
        while let Some(action) = self.core.poll_action() {
            self.act(now, action);
        }
    }

    fn take(&mut self, now: Millis, news: News) {
        match news {
            News::Up(up) => {
                if let Some(lane) = up.lane {
                    self.remember(lane.process.key);
                }
                if let Some(dial) = up.dial {
                    self.dial_over(dial);
                }
                self.count(up.link, 1);
                self.core.link_up(now, up);
            }
            News::Ready(link) => self.core.link_ready(now, link),
            News::Down { link, how } => {
                self.count(link, -1);
                self.core.link_down(now, link, how);
            }
            News::Named { link, named } => self.core.named(now, link, &named),
            News::Works(link) => self.core.link_works(now, link),
            News::Leaves(link) => self.core.link_leaves(now, link),
            News::DialEnded { dial, end } => {
                self.dial_over(dial);
                self.core.dial_ended(now, dial, end);
            }
            News::Drain => self.core.stop(),
        }
    }

    fn remember(&self, key: [u8; 32]) {
        if let Err(error) = self.known.remember(key) {
            (self.events)(NodeEvent::Trouble(format!(
                "cannot keep the key of a peer that speaks flatend/2: {}",
                rt::io_words(&error)
            )));
        }
    }

    fn bootstrap_name(&self, number: usize) -> String {
        let bootstrap = self.bootstrap.get(number);
        bootstrap.map_or_else(String::new, |bootstrap| bootstrap.to.clone())
    }

    fn count(&mut self, link: LinkRef, change: isize) {
        if let Some(load) = self.load.get_mut(link.shard) {
            *load = load.saturating_add_signed(change);
        }
    }

    fn dial_over(&mut self, dial: DialId) {
        if let Some(load) = self
            .dials
            .remove(&dial)
            .and_then(|shard| self.load.get_mut(shard))
        {
            *load = load.saturating_sub(1);
        }
    }

    fn act(&mut self, now: Millis, action: Action) {
        match action {
            Action::Dial {
                dial,
                target,
                attempt,
            } => self.dial(now, dial, target, attempt),
            Action::Ask { link, target } => {
                if let Some(mailbox) = self.mailboxes.get(link.shard) {
                    // Who cannot be asked because his shard is that busy counts as one who does not answer.
                    mailbox.post(Message::Ask { link, target }).ok();
                }
            }
            Action::Supersede { link } => {
                if let Some(mailbox) = self.mailboxes.get(link.shard) {
                    // Where the shard is that busy both links stay, which costs memory and nothing else.
                    mailbox.post(Message::Supersede { link }).ok();
                }
            }
            Action::Pausing {
                bootstrap,
                pause_ms,
            } => (self.events)(NodeEvent::Redialing {
                target: self.bootstrap_name(bootstrap),
                pause_ms,
            }),
            Action::GaveUp {
                bootstrap,
                attempts,
            } => (self.events)(NodeEvent::GaveUp {
                target: self.bootstrap_name(bootstrap),
                attempts,
            }),
            Action::Discovered { peers } => (self.events)(NodeEvent::Discovered { peers }),
        }
    }

    /// The shard with the fewest links.
    fn idlest(&self) -> usize {
        let loads = self.load.iter().enumerate();
        loads
            .min_by_key(|(_, load)| **load)
            .map_or(0, |(shard, _)| shard)
    }

    fn dial(&mut self, now: Millis, id: DialId, target: Target, attempt: u32) {
        let (to, tell, expected) = match target {
            Target::Bootstrap(number) => {
                let expected = self.bootstrap.get(number).map(|own| own.expected);
                let expected = expected.unwrap_or(Expected::ANYBODY);
                (self.bootstrap_name(number), attempt == 0, expected)
            }
            // A record proves that its key speaks flatend/2; an ID proves nothing.
            Target::Peer { key, addr, signed } => {
                let expected = Expected {
                    key: signed.then_some(key),
                    instance: None,
                    legacy: !signed,
                };
                (addr.to_string(), false, expected)
            }
            Target::Lane { process, addr, .. } => {
                let expected = Expected {
                    key: Some(process.key),
                    instance: Some(process.instance),
                    legacy: false,
                };
                (addr.to_string(), false, expected)
            }
        };
        let (lane, shard) = match target {
            Target::Lane { lane, shard, .. } => (lane, shard),
            Target::Bootstrap(_) | Target::Peer { .. } => (0, self.idlest()),
        };
        let message = Message::Dial(Dial {
            id,
            to,
            tell,
            expected,
            lane,
        });
        let posted = self
            .mailboxes
            .get(shard)
            .is_some_and(|mailbox| mailbox.post(message).is_ok());
        if posted {
            self.load[shard] += 1;
            self.dials.insert(id, shard);
        } else {
            self.core.dial_ended(now, id, DialEnd::Failed);
        }
    }
}
