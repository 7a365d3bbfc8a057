//! Local HTTP servers as services of the mesh: `[[services]]` of the configuration and `flatend agent`.
//!
//! Owns what a service's handler does with a request; `flatend_http::client` has the connections. A server that is not there, or
//! that its health check calls unwell, has its requests refused ("not handled"), so that the caller asks another node.

mod handler;

use flatend::NodeBuilder;
use flatend_http::client::UpstreamHandle;

use crate::config::LocalService;
use crate::gateway::Upstreams;

/// Adds the services to a node.
///
/// # Errors
/// A sentence; the configuration's check finds it first.
pub(crate) fn offer(
    mut builder: NodeBuilder,
    services: &[LocalService],
    upstreams: &mut Upstreams,
) -> Result<NodeBuilder, String> {
    let mut unchecked = Vec::new();
    for service in services {
        let upstream = upstreams.at(&service.upstream, service.health.as_ref())?;
        upstream.oust_silent();
        let asked = upstream.clone();
        let timeout_ms = service.timeout.map(|timeout| timeout.as_millis() as u64);
        builder = builder.service(service.name.clone(), move |context| {
            handler::serve(asked.clone(), timeout_ms, context)
        });
        unchecked.push((upstream, service.health.is_none()));
    }
    Ok(watch(builder, unchecked))
}

/// Has each shard make its outlets at the start, so that health checks run before the first request, and has the first one say
/// which of the other servers cannot be reached.
fn watch(builder: NodeBuilder, upstreams: Vec<(UpstreamHandle, bool)>) -> NodeBuilder {
    builder.on_each_shard(move |shard| {
        let upstreams = upstreams.clone();
        async move {
            for (upstream, unchecked) in upstreams {
                let outlet = upstream.outlet(&shard);
                if unchecked && shard.index() == 0 {
                    // What comes of it is in the log; a server that is not up yet is no error.
                    flatend::rt::spawn(async move {
                        outlet.can_be_reached().await;
                    });
                }
            }
        }
    })
}
