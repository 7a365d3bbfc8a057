//! Which patterns and which sets of them are refused, and how it is said.

mod support;

use flatend_http::router::{RouteError, RouterBuilder};
use support::routes::{build, check, router};

#[test]
fn conflicts_name_both_patterns() {
    for (patterns, expected) in [
        (
            &["GET /a", "GET /a"][..],
            "route \"GET /a\" takes paths that route \"GET /a\" takes",
        ),
        (
            &["GET /x", "GET /a/:b", "GET /a/:c"],
            "route \"GET /a/:c\" takes paths that route \"GET /a/:b\" takes",
        ),
        (
            &["GET /a/:b", "GET /y", "GET /a/*c"],
            "route \"GET /a/*c\" takes paths that route \"GET /a/:b\" takes",
        ),
        (
            &["ANY /a/*c", "GET /a/:b"],
            "route \"GET /a/:b\" takes paths that route \"ANY /a/*c\" takes",
        ),
        (
            &["ANY /a/:b", "ANY /a/:c"],
            "route \"ANY /a/:c\" takes paths that route \"ANY /a/:b\" takes",
        ),
    ] {
        let errors = build(patterns).map(|_| ()).unwrap_err();
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, [expected], "{patterns:?}");
    }
    let errors = build(&["GET /a", "GET /b", "GET /a", "GET /b"])
        .map(|_| ())
        .unwrap_err();
    let numbers: Vec<(usize, usize)> = errors
        .iter()
        .map(|error| match error {
            RouteError::Conflict {
                route, with_route, ..
            } => (*with_route, *route),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [(0, 2), (1, 3)]);
}

#[test]
fn what_is_no_conflict() {
    for patterns in [
        &["GET /a", "POST /a"][..],
        &["GET /a", "HEAD /a"],
        &["GET /a/:b", "POST /a/:c"],
        &["GET /a/b", "GET /a/:b", "GET /:a/b"],
        &["ANY /a", "GET /a"],
        &["GET /a/", "GET /a"],
        &["GET /a/", "GET /a/*b"],
        &["GET /a", "GET /A"],
        &["GET /{a}", "GET /:a"],
    ] {
        assert!(build(patterns).is_ok(), "{patterns:?}");
    }
    check(
        &router(&["GET /{a}/}", "GET /b"]),
        &[("GET /{a}/}", "GET /{a}/}")],
    );
}

#[test]
fn patterns_that_are_refused() {
    for (pattern, part) in [
        ("", "write a method and a path"),
        ("/a", "write a method and a path"),
        ("GET", "write a method and a path"),
        ("GET /a b", "write a method and a path"),
        ("get /a", "upper-case"),
        ("G,T /a", "upper-case"),
        ("CONNECT /a", "never routed"),
        ("TRACE /a", "never routed"),
        ("GET a", "does not begin with /"),
        ("GET :a", "does not begin with /"),
        ("GET *", "does not begin with /"),
        ("GET /a?b", "leave ? and # out"),
        ("GET /a#b", "leave ? and # out"),
        ("GET /é", "percent-encoded"),
        ("GET /:", "needs a name"),
        ("GET /:/a", "needs a name"),
        ("GET /*", "needs a name"),
        ("GET /:a:b", "needs a name"),
        ("GET /:a*b", "needs a name"),
        ("GET /:a/:a", "same name"),
        ("GET /*a/b", "the last"),
        ("GET /x*a", "the last"),
        ("GET /*a/", "the last"),
    ] {
        match RouterBuilder::new().add(None, pattern, ()) {
            Err(RouteError::Pattern { reason, .. }) => {
                assert!(reason.contains(part), "{pattern:?}: {reason}");
            }
            other => panic!("{pattern:?}: {other:?}"),
        }
    }
}
