//! Request ids: unique without asking anybody, short enough to read out. `PPPPPPPP-SSL-N`: random for the process, two
//! digits of the shard, the section of the configuration, and a count, all in hexadecimal.

use std::cell::Cell;
use std::sync::OnceLock;

use flatend_http::h1::RequestHead;
use flatend_http::headers;
use flatend_http::server::RequestId;

/// Hands out ids on one shard.
pub(super) struct RequestIds {
    prefix: String,
    next: Cell<u64>,
}

impl RequestIds {
    pub(super) fn new(shard: usize, listener: usize) -> RequestIds {
        static PROCESS: OnceLock<u32> = OnceLock::new();
        let process = PROCESS.get_or_init(|| {
            let mut bytes = [0; 4];
            // Without randomness the process number still tells two gateways of one machine apart.
            getrandom::fill(&mut bytes)
                .map_or_else(|_| std::process::id(), |()| u32::from_ne_bytes(bytes))
        });
        RequestIds {
            prefix: format!("{process:08x}-{shard:02x}{listener:x}-"),
            next: Cell::new(1),
        }
    }

    /// The client's own, if it is one; else the next of ours.
    pub(super) fn of(&self, head: &RequestHead<'_>) -> RequestId {
        let own = head
            .fields
            .first("x-request-id")
            .filter(|id| headers::is_request_id(id));
        own.and_then(|id| std::str::from_utf8(id).ok())
            .map_or_else(|| self.next(), RequestId::from)
    }

    pub(super) fn next(&self) -> RequestId {
        let n = self.next.get();
        self.next.set(n + 1);
        let mut id = RequestId::default();
        id.push_str(&self.prefix);
        let digits = (u64::BITS - n.leading_zeros()).div_ceil(4).max(1);
        for at in (0..digits).rev() {
            id.push(char::from(
                b"0123456789abcdef"[(n >> (4 * at)) as usize & 0xf],
            ));
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_between_shards_and_requests_and_are_valid() {
        let (a, b) = (RequestIds::new(0, 0), RequestIds::new(1, 0));
        let ids = [a.next(), a.next(), b.next(), b.next()];
        assert!(ids[0].ends_with("-1") && ids[1].ends_with("-2"));
        a.next.set(0x1f0);
        assert!(a.next().ends_with("-1f0"));
        for (i, id) in ids.iter().enumerate() {
            assert!(headers::is_request_id(id.as_bytes()), "{id}");
            assert!(!ids[..i].contains(id));
        }
    }
}
