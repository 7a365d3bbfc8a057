//! What can go wrong with a call, who is at fault, and whether another provider may be tried.

use std::fmt;

/// Why a stream ended without a clean end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The link was lost. `left`: bytes of the request had left already, so the service may have seen it.
    LinkLost {
        /// Whether any byte of the request left.
        left: bool,
    },
    /// The link ended because its peer broke the protocol, on this stream or another; the sentence says how.
    LinkBroken(String),
    /// The request's own body broke its content-length. It is no fault of the provider, which never saw a whole request.
    RequestBroken(String),
    /// The provider does not handle the service, or takes no more: not started, safe to send elsewhere.
    Refused,
    /// What the peer sent for this stream did not decode, or broke a limit of ours.
    Malformed(String),
    /// The peer gave the stream up.
    Reset(String),
    /// The reader took nothing for too long while others waited for the link.
    Stalled,
    /// Another shard could not open the stream; nothing was sent.
    NotOpened(Box<CallError>),
    /// This node is shutting down.
    ShuttingDown,
    /// Our caller's deadline passed before the response was whole.
    DeadlinePassed,
    /// Our caller dropped the request's body before its end.
    BodyDropped,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::LinkLost { left: true } => {
                f.write_str("the link to the provider was lost after the request had left")
            }
            Fault::LinkLost { left: false } => {
                f.write_str("the link to the provider was lost before the request left")
            }
            Fault::LinkBroken(how) => {
                write!(f, "the link to the provider ended, because the provider broke the protocol: {how}")
            }
            Fault::RequestBroken(what) => write!(f, "the request is not whole: {what}"),
            Fault::Refused => f.write_str("the provider does not handle this service"),
            Fault::Malformed(what) => write!(f, "the provider sent what cannot be read: {what}"),
            Fault::Reset(why) => write!(f, "the provider gave the stream up: {why}"),
            Fault::Stalled => f.write_str(
                "the reader took nothing for 10 s while other streams waited for the link",
            ),
            Fault::NotOpened(error) => error.fmt(f),
            Fault::ShuttingDown => f.write_str("this node is shutting down"),
            Fault::DeadlinePassed => {
                f.write_str("the request's deadline passed before its response was whole")
            }
            Fault::BodyDropped => f.write_str(
                "the request's body was dropped before its end: call finish when it is complete",
            ),
        }
    }
}

impl std::error::Error for Fault {}

/// Why a call got no response head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No connected peer offers any of the names.
    NoProvider,
    /// Every provider has as many requests of ours as the limit allows.
    Saturated,
    /// What the responses of this shard's requests may bring takes all of its receive budget
    /// ([`NodeLimits::receive_bytes`](crate::NodeLimits::receive_bytes)): a limit of ours, and no fault of a provider.
    OverBudget {
        /// The budget.
        bytes_max: u64,
    },
    /// Every provider that was tried said that it does not handle the names.
    Refused,
    /// As many connections to the provider as this shard may have are in use: a limit of ours, and no fault of the provider.
    ConnectionsInUse {
        /// The limit.
        connections_max: usize,
    },
    /// The request's head does not fit the provider's frames.
    HeadTooLarge {
        /// Bytes that the head takes.
        bytes: usize,
        /// Bytes that the provider takes at most.
        max_bytes: usize,
    },
    /// The stream broke before a response and the request may not be sent again.
    Broken(Fault),
    /// The provider's response head breaks a rule.
    BadResponse(String),
    /// The request cannot be said in the provider's protocol. Nothing left, and it is no fault of the provider.
    Unsendable {
        /// The HTTP status that says best whose fault it is.
        status: u16,
        /// A clause.
        why: String,
    },
    /// No response head within the call's timeout.
    TimedOut,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::NoProvider => f.write_str("no connected node offers the service"),
            CallError::Saturated => f.write_str(
                "every provider of the service has as many requests in flight as its limit, or that of its link, allows",
            ),
            CallError::OverBudget { bytes_max } => write!(
                f,
                "the streams of this shard may bring as much as its receive budget of {} MiB allows, 64 KiB each; raise it if so many at once are meant",
                bytes_max / (1024 * 1024)
            ),
            CallError::Refused => f.write_str("every provider that was tried refused the request"),
            CallError::ConnectionsInUse { connections_max } => write!(
                f,
                "all {connections_max} connections that this shard may have to the provider are in use"
            ),
            CallError::HeadTooLarge { bytes, max_bytes } => {
                write!(f, "the request's head takes {bytes} bytes and the provider takes {max_bytes} at most")
            }
            CallError::Broken(fault) => fault.fmt(f),
            CallError::BadResponse(what) => {
                write!(f, "the provider's response cannot be used: {what}")
            }
            CallError::Unsendable { why, .. } => write!(f, "the request cannot be sent on: {why}"),
            CallError::TimedOut => f.write_str("the service sent no response in time"),
        }
    }
}

impl std::error::Error for CallError {}

impl CallError {
    /// The HTTP status that stands for it wherever one is needed: at a gateway, an agent, a relay, and in a handler whose own call
    /// failed. 503 where nobody could be asked, 504 for time that was over, 431 for a head that is too large, 502 for a provider that
    /// failed.
    pub fn status(&self) -> u16 {
        match self {
            CallError::NoProvider
            | CallError::Saturated
            | CallError::Refused
            | CallError::OverBudget { .. }
            | CallError::ConnectionsInUse { .. } => 503,
            // Nothing left: the same as nobody there.
            CallError::Broken(Fault::LinkLost { left: false }) => 503,
            CallError::TimedOut => 504,
            CallError::HeadTooLarge { .. } => 431,
            CallError::Unsendable { status, .. } => *status,
            CallError::Broken(_) | CallError::BadResponse(_) => 502,
        }
    }

    /// Whether no provider can have seen any of the request: it may go elsewhere.
    pub(crate) fn is_unseen(&self) -> bool {
        self.status() == 503 && !matches!(self, CallError::Unsendable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_its_status_and_what_nobody_has_seen_may_go_elsewhere() {
        let unsendable = |status| CallError::Unsendable {
            status,
            why: String::new(),
        };
        let head = CallError::HeadTooLarge {
            bytes: 2,
            max_bytes: 1,
        };
        let connections_max = 1;
        for (error, status, unseen) in [
            (CallError::NoProvider, 503, true),
            (CallError::Saturated, 503, true),
            (CallError::Refused, 503, true),
            (CallError::OverBudget { bytes_max: 1 }, 503, true),
            (CallError::ConnectionsInUse { connections_max }, 503, true),
            (
                CallError::Broken(Fault::LinkLost { left: false }),
                503,
                true,
            ),
            (
                CallError::Broken(Fault::LinkLost { left: true }),
                502,
                false,
            ),
            (CallError::Broken(Fault::Stalled), 502, false),
            (CallError::BadResponse(String::new()), 502, false),
            (CallError::TimedOut, 504, false),
            (head, 431, false),
            (unsendable(411), 411, false),
            (unsendable(503), 503, false),
        ] {
            assert_eq!(
                (error.status(), error.is_unseen()),
                (status, unseen),
                "{error}"
            );
        }
    }
}

/// Why a node did not start.
#[derive(Debug)]
pub enum StartError {
    /// The machine cannot run shards; the text names cause and remedy.
    Preflight(crate::rt::PreflightError),
    /// An address cannot be listened on.
    Listen {
        /// The address.
        addr: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Settings make no sense: a sentence for each, one a line.
    Setting(String),
    /// The file of the secret key cannot be used.
    SecretKey {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        error: crate::keys::KeyError,
    },
    /// A shard or thread could not be started.
    Shard(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Preflight(err) => err.fmt(f),
            StartError::Listen { addr, source }
                if source.kind() == std::io::ErrorKind::AddrInUse =>
            {
                write!(f, "cannot listen on '{addr}': the address is in use by another process; stop it or choose another port")
            }
            StartError::Listen { addr, source } => write!(f, "cannot listen on '{addr}': {source}"),
            StartError::Setting(what) => f.write_str(what),
            StartError::SecretKey { path, error } => {
                write!(f, "the secret key '{}', {error}", path.display())
            }
            StartError::Shard(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StartError {}
