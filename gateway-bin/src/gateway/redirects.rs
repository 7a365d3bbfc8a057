//! Routes that the gateway answers by itself: redirects with the path's parameters, and bare statuses.
//!
//! Owns the text of a Location. Refuses to let a client choose the host: the configuration's own text reaches behind it, and
//! a path of the same host never begins with two slashes. The invariant that a change is likeliest to break: what comes from
//! the request is visible ASCII without what would end the part of the URL that it stands in.

use flatend_http::h1::{reason_phrase, Method, RequestHead};
use flatend_http::percent;
use flatend_http::router::Match;

use super::own::Own;
use crate::config::{Location, Piece, Route, Target};
use flatend_http::headers::NOCACHE;

/// The answer of a route whose target needs nobody else; `None` if it does.
pub(super) fn answer<T>(
    route: &Route,
    head: &RequestHead<'_>,
    matched: &Match<'_, '_, T>,
) -> Option<Own> {
    let mut own = match &route.target {
        Target::Redirect { location, status } => {
            let param = |name: &str| matched.params.first(name).unwrap_or_default();
            let location = expand(location, param, head.target.query);
            let is_read = matches!(head.method, Method::Get | Method::Head);
            let status = status.unwrap_or(if is_read { 301 } else { 308 });
            let sentence = "The resource is at another address.".to_owned();
            Own::with(status, sentence, "location", location)
        }
        Target::Status(status @ (204 | 205 | 304)) => Own::plain(*status, String::new()),
        Target::Status(status) => {
            let phrase = reason_phrase(*status);
            Own::plain(
                *status,
                format!("This path is answered with {status} {phrase}."),
            )
        }
        _ => return None,
    };
    if route.nocache {
        let fields = NOCACHE.iter();
        own.fields
            .extend(fields.map(|(name, value)| (*name, (*value).to_owned())));
    }
    Some(own)
}

/// The location for one request; `query` is kept unless the location has its own.
fn expand<'p>(location: &Location, param: impl Fn(&str) -> &'p str, query: Option<&str>) -> String {
    let mut out = String::new();
    fill(&mut out, &location.pieces, &param);
    if location.is_path() {
        // `/*rest` with a rest of `//a.example` must not become a host.
        let doubled = out.bytes().take_while(|&byte| byte == b'/').count();
        out.drain(1.min(doubled)..doubled);
    }
    if let Some(query) = query.filter(|_| !location.has_query()) {
        out.push('?');
        out.push_str(&percent::escape(query));
    }
    fill(&mut out, &location.fragment, &param);
    out
}

fn fill<'p>(out: &mut String, pieces: &[Piece], param: &impl Fn(&str) -> &'p str) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Param(name) => {
                let value = param(name);
                // A catch-all's value begins with its slash.
                let value = match value.strip_prefix('/') {
                    Some(rest) if out.ends_with('/') => rest,
                    _ => value,
                };
                let kept = if out.contains(['?', '#']) {
                    VALUE
                } else {
                    PATH
                };
                // Escapes are whole (the bridge has looked), and stay.
                percent::push_escaped(out, value, |byte| {
                    byte.is_ascii_alphanumeric() || kept.contains(&byte)
                });
            }
        }
    }
}

/// What may stand in a path, and in the value of a query or in a fragment, where it must not end that value.
const PATH: &[u8] = b"-._~%!$&'()*+,;=:@/";
const VALUE: &[u8] = b"-._~%!$'()*,:@/";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_location;

    fn expanded(location: &str, value: &'static str, query: Option<&str>) -> String {
        expand(&parse_location(location).unwrap(), |_| value, query)
    }

    #[test]
    fn parameters_and_queries_are_carried() {
        for (location, value, query, result) in [
            ("https://a.example/:id", "7", None, "https://a.example/7"),
            (
                "https://a.example/:id",
                "7",
                Some("x=1&y"),
                "https://a.example/7?x=1&y",
            ),
            (
                "https://a.example/:id?z=2",
                "7",
                Some("x=1"),
                "https://a.example/7?z=2",
            ),
            (
                "https://a.example/:id#top",
                "7",
                Some("x=1"),
                "https://a.example/7?x=1#top",
            ),
            (
                "https://a.example/#:id?x",
                "7",
                Some("x=1"),
                "https://a.example/?x=1#7?x",
            ),
            ("https://a.example", "7", Some("x"), "https://a.example?x"),
            ("/new/*rest", "/a/b", None, "/new/a/b"),
            ("/new?at=*rest", "/a/b", None, "/new?at=/a/b"),
            ("/:id/:id/", "a%2Fb", None, "/a%2Fb/a%2Fb/"),
        ] {
            assert_eq!(expanded(location, value, query), result);
        }
    }

    #[test]
    fn what_a_client_sends_stays_in_its_part() {
        for (location, value, query, result) in [
            // The next `//` would name a host.
            ("/*rest", "//evil.example", None, "/evil.example"),
            ("/*rest", "///evil.example/x", None, "/evil.example/x"),
            ("/:id", "\\evil.example", None, "/%5Cevil.example"),
            ("/*rest", "/\\evil.example", None, "/%5Cevil.example"),
            (
                "https://a.example/*rest",
                "//evil.example",
                None,
                "https://a.example//evil.example",
            ),
            (
                "https://a.example/:id",
                "@evil.example",
                None,
                "https://a.example/@evil.example",
            ),
            ("/x?a=:id", "1&b=2+3;c", None, "/x?a=1%26b%3D2%2B3%3Bc"),
            ("/x#:id", "a&b", None, "/x#a%26b"),
            (
                "/:id",
                "%0d%0aSet-Cookie:a=b",
                None,
                "/%0d%0aSet-Cookie:a=b",
            ),
            ("/:id", "\"<ü>", None, "/%22%3C%C3%BC%3E"),
            ("/:id", "a", Some("\"<script>\\"), "/a?%22%3Cscript%3E%5C"),
            ("/*rest", "/", None, "/"),
        ] {
            assert_eq!(expanded(location, value, query), result);
        }
    }
}
