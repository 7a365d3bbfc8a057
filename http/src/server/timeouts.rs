//! How long a client may keep us waiting. Each is the longest time without progress of the client, never a total.

/// Timeouts of one listener, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the client's next bytes of a body, counted while we wait for them.
    pub read_ms: u64,
    /// For a whole head, from its first byte.
    pub read_header_ms: u64,
    /// Bytes a second that a body must average after [`BODY_RATE_GRACE_MS`](crate::limits::BODY_RATE_GRACE_MS), counted while
    /// we wait for it; `None`: any pace.
    pub body_rate_min: Option<u64>,
    /// Between requests.
    pub idle_ms: u64,
    /// For the client to take bytes that wait for it.
    pub write_ms: u64,
    /// For what runs when the server drains.
    pub shutdown_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            read_ms: 10_000,
            body_rate_min: None,
            read_header_ms: 10_000,
            idle_ms: 10_000,
            write_ms: 10_000,
            shutdown_ms: 10_000,
        }
    }
}
