//! Which loop, as words joined by `+`: `epoll`, `ring+defer+files`. One text for the command line, reports and processes.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::limits::{BATCH_EVENTS_MAX, BATCH_US_MAX};

/// How the ring's client sends leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Send {
    /// As entries of the ring.
    Ring,
    /// By `send(2)`, at once.
    Plain,
    /// As zero-copy entries.
    Zc,
}

/// A busy turn does not wait for the next event but for more of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// For so long at most, unless nothing comes at all.
    pub(crate) us: u32,
    /// Or until there are so many; epoll cannot wait for that.
    pub(crate) events: Option<usize>,
}

impl FromStr for Batch {
    type Err = ();

    fn from_str(text: &str) -> Result<Batch, ()> {
        let (us, events) = match text.split_once('x') {
            Some((us, events)) => (us, Some(events.parse().map_err(drop)?)),
            None => (text, None),
        };
        let us = us.parse().map_err(drop)?;
        let fits = (1..=BATCH_US_MAX).contains(&us)
            && events.is_none_or(|events| (2..=BATCH_EVENTS_MAX).contains(&events));
        fits.then_some(Batch { us, events }).ok_or(())
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+batch{}", self.us)?;
        match self.events {
            Some(events) => write!(f, "x{events}"),
            None => Ok(()),
        }
    }
}

/// What a ring is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingSpec {
    /// `SINGLE_ISSUER` and `DEFER_TASKRUN`; else `COOP_TASKRUN`.
    pub(crate) defer: bool,
    /// Direct descriptors.
    pub(crate) files: bool,
    pub(crate) send: Send,
    pub(crate) batch: Option<Batch>,
    /// Registered buffers; of the bulk relay alone.
    pub(crate) buffers: bool,
}

/// When epoll's answers to clients leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// By `send(2)` as soon as they are there.
    AtOnce,
    /// By `send(2)`, one after the other, when the turn's events have been looked at.
    Late,
    /// At that time too, as entries of a ring that are handed over by one call.
    Together { files: bool },
}

/// What an epoll loop does beside the engine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpollSpec {
    pub(crate) leave: Leave,
    pub(crate) batch: Option<Batch>,
}

/// A loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    /// The engine's: edge-triggered, plain calls.
    Epoll(EpollSpec),
    /// Epoll and a pipe, without the bytes in this process; of the bulk relay alone.
    Splice,
    Ring(RingSpec),
}

impl Spec {
    /// Whether it can serve requests.
    pub(crate) fn serves_requests(self) -> bool {
        match self {
            Spec::Epoll(_) => true,
            Spec::Splice => false,
            Spec::Ring(ring) => !ring.buffers,
        }
    }

    /// Whether it can be a bulk relay.
    pub(crate) fn serves_bulk(self) -> bool {
        match self {
            Spec::Epoll(epoll) => epoll.leave == Leave::AtOnce && epoll.batch.is_none(),
            Spec::Splice => true,
            Spec::Ring(ring) => !ring.files && ring.batch.is_none() && ring.send != Send::Plain,
        }
    }
}

const WORDS: &str =
    "epoll with any of +late or +sends, +files, +batchUS, splice, or ring with any of +defer, +files, +plain or +zc, +batchUSxEVENTS, +buffers";

impl FromStr for Spec {
    type Err = String;

    fn from_str(text: &str) -> Result<Spec, String> {
        let wanted = |what: &str| format!("{text}: {what}; wanted is {WORDS}");
        let mut words = text.split('+');
        let mut ring = RingSpec {
            defer: false,
            files: false,
            send: Send::Ring,
            batch: None,
            buffers: false,
        };
        let mut epoll = EpollSpec {
            leave: Leave::AtOnce,
            batch: None,
        };
        let spec = match words.next() {
            Some("epoll") => Spec::Epoll(epoll),
            Some("splice") => Spec::Splice,
            Some("ring") => Spec::Ring(ring),
            _ => return Err(wanted("no such loop")),
        };
        for word in words {
            let batch = word.strip_prefix("batch").map(str::parse::<Batch>);
            match (spec, batch, word) {
                (Spec::Epoll(_), Some(Ok(batch)), _) if batch.events.is_none() => {
                    epoll.batch = Some(batch);
                }
                (Spec::Ring(_), Some(Ok(batch)), _) if batch.events.is_some() => {
                    ring.batch = Some(batch);
                }
                (Spec::Epoll(_), None, "late") => epoll.leave = Leave::Late,
                (Spec::Epoll(_), None, "sends") => epoll.leave = Leave::Together { files: false },
                (Spec::Epoll(_), None, "files")
                    if matches!(epoll.leave, Leave::Together { .. }) =>
                {
                    epoll.leave = Leave::Together { files: true };
                }
                (Spec::Ring(_), None, "defer") => ring.defer = true,
                (Spec::Ring(_), None, "files") => ring.files = true,
                (Spec::Ring(_), None, "plain") => ring.send = Send::Plain,
                (Spec::Ring(_), None, "zc") => ring.send = Send::Zc,
                (Spec::Ring(_), None, "buffers") => ring.buffers = true,
                _ => return Err(wanted(&format!("`{word}` is no option of it"))),
            }
        }
        if ring.files && ring.send == Send::Plain {
            return Err(wanted("send(2) knows no direct descriptors"));
        }
        if ring.buffers && ring.send != Send::Zc {
            return Err(wanted("only zero-copy sends take registered buffers"));
        }
        Ok(match spec {
            Spec::Epoll(_) => Spec::Epoll(epoll),
            Spec::Splice => Spec::Splice,
            Spec::Ring(_) => Spec::Ring(ring),
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batch = match self {
            Spec::Splice => return f.write_str("splice"),
            Spec::Epoll(epoll) => {
                f.write_str(match epoll.leave {
                    Leave::AtOnce => "epoll",
                    Leave::Late => "epoll+late",
                    Leave::Together { files: false } => "epoll+sends",
                    Leave::Together { files: true } => "epoll+sends+files",
                })?;
                epoll.batch
            }
            Spec::Ring(ring) => {
                ring.words(f)?;
                ring.batch
            }
        };
        match batch {
            Some(batch) => batch.fmt(f),
            None => Ok(()),
        }
    }
}

impl RingSpec {
    /// All but its batch.
    fn words(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ring")?;
        for (is_set, word) in [
            (self.defer, "+defer"),
            (self.files, "+files"),
            (self.send == Send::Plain, "+plain"),
            (self.send == Send::Zc, "+zc"),
            (self.buffers, "+buffers"),
        ] {
            if is_set {
                f.write_str(word)?;
            }
        }
        Ok(())
    }
}

impl Serialize for Spec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_as_they_are_written() {
        for text in [
            "epoll",
            "epoll+batch30",
            "epoll+late",
            "epoll+sends",
            "epoll+sends+files+batch30",
            "splice",
            "ring",
            "ring+defer",
            "ring+defer+files+zc+batch1000x64",
            "ring+plain",
            "ring+defer+zc+buffers",
        ] {
            let spec: Spec = text.parse().expect(text);
            assert_eq!(spec.to_string(), text);
        }
    }

    #[test]
    fn what_no_loop_is_made_of_is_refused() {
        for text in [
            "",
            "kqueue",
            "epoll+defer",
            "epoll+files",
            "epoll+late+files",
            "ring+sends",
            "splice+zc",
            "ring+",
            "ring+quick",
            "ring+files+plain",
            "ring+buffers",
            "epoll+batch",
            "epoll+batch0",
            "epoll+batch1001",
            "epoll+batch30x8",
            "ring+batch30",
            "ring+batch30x1",
            "ring+batch30x65",
            "splice+batch30",
        ] {
            assert!(text.parse::<Spec>().is_err(), "{text}");
        }
    }
}
