//! Routers whose values are their own patterns, and tables of what they do with requests.

use flatend_http::router::{Outcome, RouteError, Router, RouterBuilder};

/// A router whose values are the patterns themselves.
pub fn router(patterns: &[&'static str]) -> Router<&'static str> {
    build(patterns).unwrap()
}

pub fn build(patterns: &[&'static str]) -> Result<Router<&'static str>, Vec<RouteError>> {
    let mut builder = RouterBuilder::new();
    for pattern in patterns {
        builder.add(None, pattern, *pattern).unwrap();
    }
    builder.build()
}

/// An outcome in one line: `pattern name=value`, `301 /x`, `405 GET`, `404`.
pub fn show(outcome: Outcome<'_, '_, &'static str>) -> String {
    match outcome {
        Outcome::Found(found) => {
            assert_eq!(*found.value, found.pattern);
            let params = found
                .params
                .raw()
                .map(|(name, value)| format!(" {name}={value}"));
            format!("{}{}", found.value, params.collect::<String>())
        }
        Outcome::Redirect { status, location } => format!("{status} {location}"),
        Outcome::MethodNotAllowed { allow } => format!("405 {allow}"),
        Outcome::NotFound => "404".to_owned(),
    }
}

/// Asserts the outcome of each `METHOD path`.
pub fn check(router: &Router<&'static str>, table: &[(&str, &str)]) {
    for (request, expected) in table {
        let (method, path) = request.split_once(' ').unwrap();
        assert_eq!(
            show(router.lookup(method, None, path, None)),
            *expected,
            "{request}"
        );
    }
}
