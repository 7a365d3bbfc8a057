//! The pure steps of a request's way through the bridge, for benches and profiles: without a shard, a socket or a call. The functions
//! are those that the bridge calls itself. This is no API.

use flatend::HeaderBlock;
use flatend_http::h1::RequestHead;
use flatend_http::router::{Match, Router};
use flatend_http::server::RequestId;

use super::ids::RequestIds;
use super::mapping::Mapper;
use super::{own, reply};

/// What a section has beside its routes.
pub struct Steps {
    ids: RequestIds,
    mapper: Mapper,
}

/// A head as the service gets it.
pub struct Mapped {
    /// What the service must get.
    pub headers: HeaderBlock,
    /// What the gateway adds.
    pub extras: HeaderBlock,
    /// Under which id.
    pub request_id: RequestId,
}

impl Default for Steps {
    fn default() -> Steps {
        Steps {
            ids: RequestIds::new(0, 0),
            mapper: Mapper::new(),
        }
    }
}

impl Steps {
    /// The route of a request; `None` where the gateway would answer by itself.
    pub fn route<'t, 'p, T>(
        &self,
        router: &'t Router<T>,
        head: &RequestHead<'p>,
    ) -> Option<Match<'t, 'p, T>> {
        own::route(router, head).ok()
    }

    /// The head as headers for a service; `None` where the gateway would answer by itself.
    pub fn map<T>(
        &self,
        head: &RequestHead<'_>,
        matched: &Match<'_, '_, T>,
        client_ip: &str,
    ) -> Option<Mapped> {
        own::check_escapes(head).ok()?;
        let request_id = self.ids.of(head);
        let mapped = self.mapper.map(head, Some(matched), client_ip, &request_id);
        let (headers, extras) = mapped.ok()?;
        Some(Mapped {
            headers,
            extras,
            request_id,
        })
    }

    /// The status of a service's response; `None` where it is no response.
    pub fn reply_status(&self, headers: &HeaderBlock) -> Option<u16> {
        reply::status(headers).ok()
    }

    /// The fields of a service's response.
    pub fn reply_fields<'h>(
        &self,
        headers: &'h HeaderBlock,
    ) -> impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone {
        reply::fields(headers, false)
    }
}
