//! How a node works, for who builds on it, and why its defaults are what they are. Nothing to call; the names link to what is.
//!
//! # Where a request runs
//!
//! A node is a set of shards, one a core. A link to a peer lives on one shard for its whole life, and so does everything that comes
//! over it: the handler of a request runs on the shard that owns the link, and no other thread ever touches its future. That is
//! why a handler need not be `Send`, and why `Rc` and `Cell` are all that [`service_per_shard`] needs.
//!
//! | link | its shard |
//! | --- | --- |
//! | one that a peer dialed | the kernel chooses among the shards' sockets (`SO_REUSEPORT`), by a hash of both addresses |
//! | one that this node dialed | the shard with the fewest links |
//!
//! So requests are spread as links are, not one by one. A gateway with one link to a service uses one shard of it; two gateways, or
//! a gateway of which both ends dialed, may use two. Who wants all cores behind one link gives the work away:
//!
//! - [`Shard::submit_to`] runs a closure on another shard; state that belongs to a key lives on `hash(key) % shard.count()` (the
//!   example `per_core`).
//! - [`Shard::run_blocking`] runs what computes long or blocks on a thread of its own: a shard that computes for 100 ms answers
//!   nobody for 100 ms.
//! - A second process on the same machine is a second provider, and callers spread over providers request by request.
//!
//! # Threads
//!
//! Programs on other threads, tokio's among them, use [`Node::handle`] and
//! [`Node::watch`]: their futures are `Send` and need no runtime. The other way round, [`Context`], [`Client`] and [`Shard`] belong
//! to their shard, and are no use elsewhere: the compiler says so.
//!
//! **What a handler may await.** All of this crate, and what other tasks of the same shard wake: [`rt::sleep`], [`rt::timeout`],
//! [`rt::spawn`], [`rt::File`], calls, `Rc` channels. What *another thread* wakes (a database client with a thread of its own, a channel
//! from elsewhere) is heard at once too: such a wake rings the shard's bell. A task of [`rt::spawn`] hears it at once if it is
//! wrapped in [`rt::hear`], else up to 200 ms later. Work that blocks goes to [`Shard::run_blocking`]; or the other thread comes
//! with [`Handle::submit_to`](crate::Handle::submit_to).
//!
//! [`rt::sleep`]: crate::rt::sleep
//! [`rt::timeout`]: crate::rt::timeout
//! [`rt::spawn`]: crate::rt::spawn
//! [`rt::hear`]: crate::rt::hear
//! [`rt::File`]: crate::rt::File
//!
//! # Bodies
//!
//! Both bodies of a request stream, at once if the handler wants it. Nothing is kept: `read` gives pieces as they came, `write` waits
//! while 256 KiB wait in the link, and then the sender at the other end waits too. A body that breaks is an error of its reader,
//! never an end, in both directions: a handler that fails after its first write cuts the response.
//!
//! On a legacy link all streams share one TCP connection without credit of their own. A handler that does not read holds up the
//! others once 512 KiB wait for it; after 1 s without progress its body may fill what the link has left of 16 MiB, and when that is full
//! it loses it after 10 s. One that returns without reading holds up nobody.
//!
//! # Failures
//!
//! | what | costs | is told |
//! | --- | --- | --- |
//! | a handler returns an error | its request: `{"error": …}` and a status, or a cut after the first write | the caller |
//! | a handler panics | its request: status 500, or a cut | the caller; [`NodeEvent::HandlerPanicked`] |
//! | a peer breaks the protocol | its link | [`NodeEvent::PeerFault`] |
//! | a link is lost | requests on it; they go elsewhere if nothing has left or they may be repeated | [`NodeEvent::Disconnected`] |
//! | an address is away | nothing; it is dialed again | [`NodeEvent::Redialing`], once [`NodeEvent::GaveUp`] |
//! | a shard panics | the node: end the process, so that somebody starts it anew | [`NodeEvent::ShardDied`] |
//!
//! # Defaults
//!
//! | default | why |
//! | --- | --- |
//! | a shard for each processor that the process may use, pinned | no lock, no cache line that moves; with fewer shards than processors the rest is free for others |
//! | [`bind`]: none | a service needs no port: it dials, and is called over the link that it made |
//! | a key for this run | who listens must be known by a key; one that lasts is a file ([`secret_key_file`]), which is yours to place |
//! | [`Reconnect`]: for ever, 500 ms × 1.25 to 1 s, then to 30 s | most losses are restarts, and npm peers come back after 500 ms; an address that stays away costs a dial each half minute |
//! | an address that is dialed is dialed again, one that was only heard of eight times | the first is your word, the second a rumour |
//! | [`NodeLimits::links`] 8,192 a shard | descriptors are needed for HTTP too |
//! | [`NodeLimits::handler_streams`] 65,536 a link | a gateway carries the requests of all its clients over few links |
//! | [`NodeLimits::stream_unread_bytes`] 512 KiB | a few round trips of a fast link; times the streams of a link it is what a peer can make us hold, therefore |
//! | [`NodeLimits::link_unread_bytes`] 16 MiB | some hundred small responses for slow readers fit |
//! | [`NodeLimits::receive_bytes`] a sixteenth of the memory over all shards, at least 64 MiB a shard | each request in flight on flatend/2 may bring 64 KiB that nobody reads: 1,024 with 64 MiB |
//! | [`NodeLimits::drain`] 10 s | longer than most requests, shorter than an orchestrator's patience |
//! | no limit on the size of a body | bodies stream; who wants a whole one says how large it may be ([`Context::read_all`]) |
//! | no time limit for a handler | only its author knows; callers have [`Request::timeout`] |
//! | [`Request::hold`] 1.5 s for a name that was there within a minute | a provider that restarts is back by then |
//! | a request is not repeated | nobody but its author knows that it may be ([`Request::repeatable`]) |
//! | an error's text goes to the caller | who debugs sees it; what must stay inside belongs into [`HandlerError::with_status`] with another text |
//! | events to standard error | a service that is started by hand says what it does |
//!
//! The constants are in [`limits`](crate::limits), each with its reason.
//!
//! [`service_per_shard`]: crate::NodeBuilder::service_per_shard
//! [`bind`]: crate::NodeBuilder::bind
//! [`secret_key_file`]: crate::NodeBuilder::secret_key_file
//! [`Shard::submit_to`]: crate::Shard::submit_to
//! [`Shard::run_blocking`]: crate::Shard::run_blocking
//! [`Node::handle`]: crate::Node::handle
//! [`Node::watch`]: crate::Node::watch
//! [`Context`]: crate::Context
//! [`Context::read_all`]: crate::Context::read_all
//! [`Client`]: crate::Client
//! [`Shard`]: crate::Shard
//! [`NodeEvent::HandlerPanicked`]: crate::NodeEvent::HandlerPanicked
//! [`NodeEvent::PeerFault`]: crate::NodeEvent::PeerFault
//! [`NodeEvent::Disconnected`]: crate::NodeEvent::Disconnected
//! [`NodeEvent::Redialing`]: crate::NodeEvent::Redialing
//! [`NodeEvent::GaveUp`]: crate::NodeEvent::GaveUp
//! [`NodeEvent::ShardDied`]: crate::NodeEvent::ShardDied
//! [`Reconnect`]: crate::Reconnect
//! [`NodeLimits::links`]: crate::NodeLimits::links
//! [`NodeLimits::handler_streams`]: crate::NodeLimits::handler_streams
//! [`NodeLimits::stream_unread_bytes`]: crate::NodeLimits::stream_unread_bytes
//! [`NodeLimits::link_unread_bytes`]: crate::NodeLimits::link_unread_bytes
//! [`NodeLimits::receive_bytes`]: crate::NodeLimits::receive_bytes
//! [`NodeLimits::drain`]: crate::NodeLimits::drain
//! [`Request::timeout`]: crate::Request::timeout
//! [`Request::hold`]: crate::Request::hold
//! [`Request::repeatable`]: crate::Request::repeatable
//! [`HandlerError::with_status`]: crate::HandlerError::with_status
