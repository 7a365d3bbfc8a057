//! Routes: from method, host and path to a value.
//!
//! Owns the immutable table and the choice between found, redirect, 405 and 404. Refuses to
//! decode before it matches: an escaped slash is no slash. Invariant: a match allocates nothing
//! (matchit allocates from the fourth parameter of a pattern on); misses may.
//!
//! Built once by [`RouterBuilder`], then shared: `Send` and `Sync` if the values are.

mod build;
mod pattern;
mod redirect;
mod tree;

use std::borrow::Cow;
use std::net::Ipv6Addr;

pub use build::{RouteError, RouterBuilder};

use crate::error::RequestError;
use crate::limits::ROUTE_PARAMETERS_MAX;
use crate::percent;
use pattern::Pattern;
use tree::{Matched, Tree};

/// The routes of a listener. `T` is what a route leads to.
#[derive(Debug)]
pub struct Router<T> {
    patterns: Vec<Pattern>,
    values: Vec<T>,
    any_host: Table,
    /// Sorted by host, in lower case.
    hosts: Vec<(String, Table)>,
    redirect_trailing_slash: bool,
    redirect_fixed_path: bool,
}

/// The routes of one host.
#[derive(Debug, Default)]
struct Table {
    /// One tree a method that is named in a pattern; ANY routes are in each of them.
    methods: Vec<(String, Tree)>,
    /// For all other methods.
    any: Tree,
}

/// What a lookup found.
#[derive(Debug)]
// A match is the common case and lives for the length of a call; a box would be an allocation a
// request.
#[allow(clippy::large_enum_variant)]
pub enum Outcome<'r, 'p, T> {
    /// A route takes the request.
    Found(Match<'r, 'p, T>),
    /// Another spelling of the path is a route.
    Redirect {
        /// 301 for GET and HEAD, 308 for others.
        status: u16,
        /// Path and query, escaped where the request's were not; begins with one slash, followed by neither `/` nor `\`.
        location: String,
    },
    /// Routes take the path with other methods. Answer 405, or 204 to OPTIONS, with `allow`.
    MethodNotAllowed {
        /// The value of Allow; OPTIONS is in it.
        allow: String,
    },
    /// No route takes the path.
    NotFound,
}

/// A route that takes the request.
#[derive(Debug)]
pub struct Match<'r, 'p, T> {
    /// What the route leads to.
    pub value: &'r T,
    /// The pattern, as written.
    pub pattern: &'r str,
    /// The parameters.
    pub params: Params<'r, 'p>,
}

/// The parameters of a match, in the order of the pattern.
#[derive(Clone, Copy, Debug)]
pub struct Params<'r, 'p> {
    names: &'r [String],
    values: [&'p str; ROUTE_PARAMETERS_MAX],
}

impl<'r, 'p> Params<'r, 'p> {
    /// Names and values, still escaped; the value of a catch-all begins with its slash.
    pub fn raw(&self) -> impl Iterator<Item = (&'r str, &'p str)> + use<'r, 'p> {
        self.names.iter().map(String::as_str).zip(self.values)
    }

    /// Names and values, percent-decoded; any bytes.
    ///
    /// # Errors
    /// An item is 400 for a bad escape.
    pub fn decoded(
        &self,
    ) -> impl Iterator<Item = Result<(&'r str, Cow<'p, [u8]>), RequestError>> + use<'r, 'p> {
        self.raw()
            .map(|(name, value)| Ok((name, percent::decode(value)?)))
    }

    /// The value of `name`, still escaped.
    pub fn first(&self, name: &str) -> Option<&'p str> {
        self.raw()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }
}

impl<T> Router<T> {
    /// Looks a request up. `authority` as in [`RequestHead`](crate::h1::RequestHead), a port in
    /// it is ignored; `path` is the raw path, `query` is only kept for redirects. Routes of the
    /// request's host go before routes of any host. GET routes serve HEAD.
    pub fn lookup<'r, 'p>(
        &'r self,
        method: &str,
        authority: Option<&str>,
        path: &'p str,
        query: Option<&str>,
    ) -> Outcome<'r, 'p, T> {
        let own = authority.and_then(|authority| self.host_table(authority));
        let tables = own.into_iter().chain([&self.any_host]);
        for table in tables.clone() {
            if let Some(found) = self.find(table.tree(method), path) {
                return Outcome::Found(found);
            }
        }
        for table in tables.clone() {
            if let Some(target) = self.other_path(table.tree(method), method, path) {
                let status = if matches!(method, "GET" | "HEAD") {
                    301
                } else {
                    308
                };
                let mut location = percent::escape(&target).into_owned();
                if let Some(query) = query {
                    location.push('?');
                    location.push_str(&percent::escape(query));
                }
                return Outcome::Redirect { status, location };
            }
        }
        let allow = allow_list(tables, path);
        if allow.is_empty() {
            Outcome::NotFound
        } else {
            Outcome::MethodNotAllowed { allow }
        }
    }

    /// The value of Allow for a path that a route takes: the methods named for it, and those in common use where a
    /// route takes any.
    pub fn allow(&self, authority: Option<&str>, path: &str) -> String {
        let own = authority.and_then(|authority| self.host_table(authority));
        let tables = own.into_iter().chain([&self.any_host]);
        let mut allow = allow_list(tables.clone(), path);
        if tables.clone().any(|table| table.any.takes(path)) {
            for method in COMMON_METHODS {
                push_method(&mut allow, method);
            }
        }
        allow
    }

    /// The value of Allow for `OPTIONS *`: every method that some route of the host names.
    pub fn allow_all(&self, authority: Option<&str>) -> String {
        let own = authority.and_then(|authority| self.host_table(authority));
        let mut allow = String::from("OPTIONS");
        for table in own.into_iter().chain([&self.any_host]) {
            for (method, _) in &table.methods {
                push_method(&mut allow, method);
            }
        }
        allow
    }

    /// How many routes there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    fn host_table(&self, authority: &str) -> Option<&Table> {
        if self.hosts.is_empty() {
            return None;
        }
        let host = host_of(authority);
        let folded = || host.bytes().map(|b| b.to_ascii_lowercase());
        let at = self
            .hosts
            .binary_search_by(|(name, _)| name.bytes().cmp(folded()))
            .ok()?;
        self.hosts.get(at).map(|(_, table)| table)
    }

    fn find<'r, 'p>(&'r self, tree: &'r Tree, path: &'p str) -> Option<Match<'r, 'p, T>> {
        let matched: Matched<'r, 'p> = tree.at(path)?;
        let pattern = self.patterns.get(*matched.value)?;
        let value = self.values.get(*matched.value)?;
        let mut values = [""; ROUTE_PARAMETERS_MAX];
        for (slot, (_, value)) in values.iter_mut().zip(matched.params.iter()) {
            *slot = value;
        }
        if pattern.has_catch_all() {
            // matchit leaves the slash to the literal before; here it belongs to the value.
            let last = pattern.names.len().checked_sub(1)?;
            let slot = values.get_mut(last)?;
            let from = path.len().checked_sub(slot.len() + 1)?;
            *slot = path.get(from..)?;
        }
        let params = Params {
            names: &pattern.names,
            values,
        };
        Some(Match {
            value,
            pattern: &pattern.text,
            params,
        })
    }

    fn other_path(&self, tree: &Tree, method: &str, path: &str) -> Option<String> {
        if method == "CONNECT" || !path.starts_with('/') || path == "/" {
            return None;
        }
        let slash = self.redirect_trailing_slash;
        let other = || slash.then(|| redirect::other_slash(tree, path)).flatten();
        let fixed = || {
            let wanted = self.redirect_fixed_path;
            wanted
                .then(|| redirect::fixed(tree, &self.patterns, path, slash))
                .flatten()
        };
        other().or_else(fixed)
    }
}

impl Table {
    fn tree(&self, method: &str) -> &Tree {
        self.methods
            .iter()
            .find(|(name, _)| name == method)
            .map_or(&self.any, |(_, tree)| tree)
    }
}

/// What a route for any method is said to allow.
const COMMON_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The methods that take `path`, and OPTIONS if there is any.
fn allow_list<'r>(tables: impl Iterator<Item = &'r Table>, path: &str) -> String {
    let mut allow = String::new();
    for table in tables {
        for (method, tree) in &table.methods {
            if tree.takes(path) {
                push_method(&mut allow, method);
            }
        }
    }
    if !allow.is_empty() {
        push_method(&mut allow, "OPTIONS");
    }
    allow
}

fn push_method(allow: &mut String, method: &str) {
    if allow.split(", ").any(|other| other == method) {
        return;
    }
    if !allow.is_empty() {
        allow.push_str(", ");
    }
    allow.push_str(method);
}

/// The host of an authority as hosts are compared, but for their case: without port, without the dot of the root, an IPv6 address in
/// brackets as RFC 5952 writes it (`[0:0:0:0:0:0:0:1]` is `[::1]`). Allocates for such an
/// address alone.
pub fn host_of(authority: &str) -> Cow<'_, str> {
    let host = written_host(authority);
    let inside = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inside.map(str::parse::<Ipv6Addr>) {
        Some(Ok(address)) => match format!("[{address}]") {
            plain if plain == host => Cow::Borrowed(host),
            plain => Cow::Owned(plain),
        },
        _ => Cow::Borrowed(host),
    }
}

/// The host as it is written.
fn written_host(authority: &str) -> &str {
    let host = match authority.rfind(']') {
        Some(end) => authority.get(..=end).unwrap_or(authority),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host.strip_suffix('.').unwrap_or(host)
}
