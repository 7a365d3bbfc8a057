//! The routes of one section: what the router answers with, and the settings of each route.

use flatend_http::client::UpstreamHandle;
use flatend_http::router::{host_of, RouteError, Router, RouterBuilder};

use super::upstreams::Upstreams;
use crate::config::{Http, Route, Target};

/// The routes of one section: built once, shared by the shards.
pub struct RouteTable {
    pub(super) router: Router<usize>,
    pub(super) routes: Vec<Route>,
    /// Directories at `/`: host and route.
    roots: Vec<(Option<String>, usize)>,
    /// The upstreams of each route; none where it has another target.
    pub(super) upstreams: Vec<Vec<UpstreamHandle>>,
}

impl RouteTable {
    /// Builds the table of a checked section.
    ///
    /// # Errors
    /// Routes that clash, in one sentence; the configuration check finds them first.
    pub fn new(http: &Http, known: &mut Upstreams) -> Result<RouteTable, String> {
        let mut builder = RouterBuilder::new();
        builder
            .redirect_trailing_slash(http.redirect_trailing_slash)
            .redirect_fixed_path(http.redirect_fixed_path);
        for (number, route) in http.routes.iter().enumerate() {
            for pattern in route.patterns() {
                builder
                    .add(route.host.as_deref(), &pattern, number)
                    .map_err(|error| error.to_string())?;
            }
        }
        let upstreams = http.routes.iter().map(|route| match &route.target {
            Target::Proxy(proxy) => proxy
                .upstreams
                .iter()
                .map(|url| known.at(url, proxy.health.as_ref()))
                .collect(),
            _ => Ok(Vec::new()),
        });
        let upstreams = upstreams.collect::<Result<_, String>>()?;
        let routes = http.routes.iter().enumerate();
        Ok(RouteTable {
            router: builder.build().map_err(|errors| sentence(&errors))?,
            roots: routes
                .filter(|(_, route)| route.path == "/" && route.is_directory())
                .map(|(number, route)| {
                    let host = route.host.as_deref();
                    (host.map(|host| host_of(host).into_owned()), number)
                })
                .collect(),
            routes: http.routes.clone(),
            upstreams,
        })
    }

    /// The directory that serves what no route takes: of the request's host, else of every host.
    pub(super) fn root(&self, authority: Option<&str>) -> Option<usize> {
        let host = authority.map(host_of);
        let of_host = |own: Option<&str>| {
            let mut roots = self.roots.iter();
            let root = roots.find(|(other, _)| match (own, other) {
                (Some(own), Some(other)) => own.eq_ignore_ascii_case(other),
                (None, None) => true,
                _ => false,
            });
            root.map(|(_, route)| *route)
        };
        host.and_then(|host| of_host(Some(&host)))
            .or_else(|| of_host(None))
    }
}

fn sentence(errors: &[RouteError]) -> String {
    let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
    all.join("; ")
}
