//! The routes of one section: what the router answers with, and the settings of each route.

use flatend_http::router::{RouteError, Router, RouterBuilder};

use crate::config::{Http, Route};

/// The routes of one section: built once, shared by the shards.
pub struct RouteTable {
    pub(super) router: Router<usize>,
    pub(super) routes: Vec<Route>,
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
            builder
                .add(route.host.as_deref(), &route.pattern, number)
                .map_err(|error| vec![error])?;
        }
        Ok(RouteTable {
            router: builder.build()?,
            routes: http.routes.clone(),
        })
    }
}
