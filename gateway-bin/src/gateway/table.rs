//! The routes of one section: what the router answers with, and the settings of each route.

use flatend_http::router::{host_of, RouteError, Router, RouterBuilder};

use crate::config::{Http, Route};

/// The routes of one section: built once, shared by the shards.
pub struct RouteTable {
    pub(super) router: Router<usize>,
    pub(super) routes: Vec<Route>,
    /// Directories at `/`: host and route.
    roots: Vec<(Option<String>, usize)>,
}

impl RouteTable {
    /// Builds the table of a checked section.
    ///
    /// # Errors
    /// Routes that clash; the configuration check finds them first.
    pub fn new(http: &Http) -> Result<RouteTable, Vec<RouteError>> {
        let mut builder = RouterBuilder::new();
        builder
            .redirect_trailing_slash(http.redirect_trailing_slash)
            .redirect_fixed_path(http.redirect_fixed_path);
        for (number, route) in http.routes.iter().enumerate() {
            for pattern in route.patterns() {
                builder
                    .add(route.host.as_deref(), &pattern, number)
                    .map_err(|error| vec![error])?;
            }
        }
        let routes = http.routes.iter().enumerate();
        Ok(RouteTable {
            router: builder.build()?,
            roots: routes
                .filter(|(_, route)| route.path == "/" && route.is_directory())
                .map(|(number, route)| (route.host.clone(), number))
                .collect(),
            routes: http.routes.clone(),
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
        host.and_then(|host| of_host(Some(host)))
            .or_else(|| of_host(None))
    }
}
