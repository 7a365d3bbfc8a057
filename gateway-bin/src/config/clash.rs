//! What is fine alone and cannot stand side by side: routes of one shape, listeners of one address.
//!
//! Owns the checks across sections. The mesh's own address among the HTTP addresses is only a warning, because the
//! seed's sample has it; running such a file ends in a named port clash.

use std::net::SocketAddr;

use flatend_http::router::{RouteError, RouterBuilder};

use super::http::ReadHttp;
use super::model::{Mesh, Target};
use super::reader::Check;
use super::route::ReadRoute;
use super::schema::shorten;

/// Notes routes of one section that take the same requests. The router itself is asked, so what passes here runs.
pub(super) fn check_routes(routes: &[ReadRoute], check: &mut Check<'_, '_>) {
    let mut builder = RouterBuilder::new();
    let mut added: Vec<&ReadRoute> = Vec::with_capacity(routes.len());
    for read in routes {
        for pattern in read.route.patterns() {
            match builder.add(read.route.host.as_deref(), &pattern, ()) {
                Ok(()) => added.push(read),
                // Our own checks are as strict as the router's; if not, the user still gets a place and a reason.
                Err(error) => check.findings.error(
                    read.path_span.clone(),
                    format!("{error}: write another path"),
                ),
            }
        }
    }
    let mut told: Vec<(usize, usize)> = Vec::new();
    for error in builder.build().err().unwrap_or_default() {
        let RouteError::Conflict {
            route, with_route, ..
        } = error
        else {
            continue;
        };
        let (Some(read), Some(first)) = (added.get(route), added.get(with_route)) else {
            continue;
        };
        // The two patterns of a directory may clash with the same route.
        let pair = (read.path_span.start, first.path_span.start);
        if told.contains(&pair) {
            continue;
        }
        told.push(pair);
        let (this, other) = (shorten(&read.route.pattern), shorten(&first.route.pattern));
        let same = if this == other {
            String::new()
        } else {
            format!(" (\"{other}\")")
        };
        let instead = match (&read.route.target, &first.route.target) {
            (Target::Services(_), Target::Services(_)) => {
                "remove one, or write both services in one route"
            }
            _ => "remove one, or write another path or `host`",
        };
        let line = first.route.at.line;
        check.findings.error(
            read.path_span.clone(),
            format!(
                "\"{this}\" takes requests that the route on line {line}{same} takes too: {instead}"
            ),
        );
    }
}

/// Notes listeners that take each other's address.
pub(super) fn check_listeners(mesh: &Mesh, sections: &[ReadHttp], check: &mut Check<'_, '_>) {
    let mut seen: Vec<(SocketAddr, usize)> = Vec::new();
    for (index, read) in sections.iter().enumerate() {
        for (addr, span) in read.section.addrs.iter().zip(&read.addr_spans) {
            if clashes(addr.socket, mesh.addr) {
                let message = format!(
                    "HTTP on {} takes the address of the mesh ({}), so running this ends in a port clash: write another port",
                    addr.socket, mesh.addr
                );
                check.findings.warning(span.clone(), message);
            }
            if let Some(&(other, section)) =
                seen.iter().find(|(other, _)| clashes(addr.socket, *other))
            {
                let message = if other == addr.socket {
                    // Repetitions within a section are the union's and were dropped.
                    format!("HTTP on {other} is in another `[[http]]` too: write its routes in one section, told apart by `host` if need be")
                } else if section == index {
                    format!(
                        "HTTP on {} is covered by {other}: write one of them",
                        addr.socket
                    )
                } else {
                    format!("HTTP on {} is covered by {other} of another `[[http]]`: write another port, or one section", addr.socket)
                };
                check.findings.error(span.clone(), message);
            }
            seen.push((addr.socket, index));
        }
    }
}

/// Whether two listeners cannot be bound at once. `[::]` takes IPv4 too; `0.0.0.0` takes every IPv4 address.
#[must_use]
pub fn clashes(a: SocketAddr, b: SocketAddr) -> bool {
    let covers = |wide: SocketAddr, other: SocketAddr| {
        wide.ip().is_unspecified() && (wide.is_ipv6() || other.is_ipv4())
    };
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || covers(a, b) || covers(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_cover_their_families() {
        let clash = |a: &str, b: &str| {
            let (a, b): (SocketAddr, SocketAddr) = (a.parse().unwrap(), b.parse().unwrap());
            assert_eq!(clashes(a, b), clashes(b, a));
            clashes(a, b)
        };
        assert!(clash("[::]:80", "127.0.0.1:80"));
        assert!(clash("[::]:80", "0.0.0.0:80"));
        assert!(clash("[::]:80", "[::1]:80"));
        assert!(clash("0.0.0.0:80", "127.0.0.1:80"));
        assert!(clash("127.0.0.1:80", "127.0.0.1:80"));
        assert!(!clash("0.0.0.0:80", "[::1]:80"));
        assert!(!clash("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!clash("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!clash("[::]:0", "[::]:0"));
    }
}
