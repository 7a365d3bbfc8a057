//! What the server and the client to upstreams share on sockets: output on its way, and buffers that are used again.

pub(crate) mod buffers;
pub(crate) mod queue;
