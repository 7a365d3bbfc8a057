//! Building a router, and what patterns are refused for.
//!
//! Owns the grouping of routes by host and method. Refuses conflicts, all of them at once, each
//! naming both patterns. Invariant: routes keep the numbers in which they were added, so that a
//! configuration can say where an error stands.

use std::collections::BTreeMap;
use std::fmt;

use super::pattern::{Pattern, ANY};
use super::tree::Tree;
use super::{host_of, written_host, Router, Table};
use crate::h1::is_valid_authority;

/// Why a route cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The pattern is malformed.
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong and what to write instead.
        reason: &'static str,
    },
    /// The host of a route is not a host name or address without a port.
    Host {
        /// As written.
        host: String,
    },
    /// Two routes take the same path.
    Conflict {
        /// Number of the later route, in the order of adding, from 0.
        route: usize,
        /// Its pattern.
        pattern: String,
        /// Number of the earlier route.
        with_route: usize,
        /// Its pattern.
        with: String,
    },
}

impl RouteError {
    pub(super) fn conflict(route: usize, with: Option<usize>, patterns: &[Pattern]) -> Self {
        let text = |index| {
            patterns
                .get(index)
                .map_or_else(String::new, |p: &Pattern| p.text.clone())
        };
        let with = with.unwrap_or(route);
        let (later, earlier) = (route.max(with), route.min(with));
        RouteError::Conflict {
            route: later,
            pattern: text(later),
            with_route: earlier,
            with: text(earlier),
        }
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::Pattern { pattern, reason } => write!(f, "route \"{pattern}\": {reason}"),
            RouteError::Host { host } => {
                write!(f, "\"{host}\" is not a host name or address without a port")
            }
            RouteError::Conflict { pattern, with, .. } => {
                write!(
                    f,
                    "route \"{pattern}\" takes paths that route \"{with}\" takes"
                )
            }
        }
    }
}

impl std::error::Error for RouteError {}

/// Collects routes for a [`Router`].
#[derive(Debug)]
pub struct RouterBuilder<T> {
    patterns: Vec<Pattern>,
    values: Vec<T>,
    /// Route numbers by host, then by method; the host "" is any host.
    hosts: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
    redirect_trailing_slash: bool,
    redirect_fixed_path: bool,
}

impl<T> Default for RouterBuilder<T> {
    fn default() -> Self {
        RouterBuilder::new()
    }
}

impl<T> RouterBuilder<T> {
    /// No routes; both redirects on.
    pub fn new() -> Self {
        RouterBuilder {
            patterns: Vec::new(),
            values: Vec::new(),
            hosts: BTreeMap::new(),
            redirect_trailing_slash: true,
            redirect_fixed_path: true,
        }
    }

    /// Whether a path is redirected if the other form of its trailing slash is a route.
    pub fn redirect_trailing_slash(&mut self, on: bool) -> &mut Self {
        self.redirect_trailing_slash = on;
        self
    }

    /// Whether a path is redirected if it is a route when cleaned and compared without case.
    pub fn redirect_fixed_path(&mut self, on: bool) -> &mut Self {
        self.redirect_fixed_path = on;
        self
    }

    /// Adds `"METHOD /path/:param/*rest"`, for one host or for any.
    ///
    /// # Errors
    /// [`RouteError::Pattern`] or [`RouteError::Host`]; the route is not added then.
    pub fn add(&mut self, host: Option<&str>, pattern: &str, value: T) -> Result<(), RouteError> {
        let host = match host {
            Some(host) => bare_host(host)?,
            None => String::new(),
        };
        let pattern = Pattern::parse(pattern)?;
        let methods = self.hosts.entry(host).or_default();
        methods
            .entry(pattern.method.clone())
            .or_default()
            .push(self.patterns.len());
        self.patterns.push(pattern);
        self.values.push(value);
        Ok(())
    }

    /// Builds the router.
    ///
    /// # Errors
    /// Every [`RouteError::Conflict`] there is, each once.
    pub fn build(self) -> Result<Router<T>, Vec<RouteError>> {
        let mut errors = Vec::new();
        let mut hosts: Vec<(String, Table)> = Vec::new();
        let mut any_host = Table::default();
        for (host, routes) in &self.hosts {
            let table = Table::build(routes, &self.patterns, &mut errors);
            if host.is_empty() {
                any_host = table;
            } else {
                hosts.push((host.clone(), table));
            }
        }
        if !errors.is_empty() {
            let mut once: Vec<RouteError> = Vec::new();
            for error in errors {
                if !once.contains(&error) {
                    once.push(error);
                }
            }
            return Err(once);
        }
        Ok(Router {
            patterns: self.patterns,
            values: self.values,
            any_host,
            hosts,
            redirect_trailing_slash: self.redirect_trailing_slash,
            redirect_fixed_path: self.redirect_fixed_path,
        })
    }
}

/// A host without a port, in lower case and without the dot of the root.
fn bare_host(host: &str) -> Result<String, RouteError> {
    let bare = written_host(host);
    let rest = host.get(bare.len()..).unwrap_or_default();
    if is_valid_authority(host) && !bare.is_empty() && matches!(rest, "" | ".") {
        Ok(host_of(bare).to_ascii_lowercase())
    } else {
        Err(RouteError::Host {
            host: host.to_owned(),
        })
    }
}

/// The order of methods in Allow; others follow by name.
const ORDER: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

impl Table {
    fn build(
        routes: &BTreeMap<String, Vec<usize>>,
        patterns: &[Pattern],
        errors: &mut Vec<RouteError>,
    ) -> Table {
        let named = |method: &str| routes.get(method).cloned().unwrap_or_default();
        let any = named(ANY);
        let mut names: Vec<&str> = routes
            .keys()
            .map(String::as_str)
            .filter(|m| *m != ANY)
            .collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        let rank = |name: &str| {
            ORDER
                .iter()
                .position(|known| *known == name)
                .unwrap_or(ORDER.len())
        };
        names.sort_by_key(|name| (rank(name), *name));
        let methods = names.into_iter().map(|name| {
            let groups = match name {
                "HEAD" => vec![named("HEAD"), named("GET"), any.clone()],
                _ => vec![named(name), any.clone()],
            };
            (name.to_owned(), Tree::build(&groups, patterns, errors))
        });
        let methods = methods.collect();
        Table {
            methods,
            any: Tree::build(&[any], patterns, errors),
        }
    }
}
