//! Routes: matching, precedence, conflicts, Allow and redirects.

use flatend_http::limits::ROUTE_PARAMETERS_MAX;
use flatend_http::router::{Outcome, RouteError, Router, RouterBuilder};

/// A router whose values are the patterns themselves.
fn router(patterns: &[&'static str]) -> Router<&'static str> {
    build(patterns).unwrap()
}

fn build(patterns: &[&'static str]) -> Result<Router<&'static str>, Vec<RouteError>> {
    let mut builder = RouterBuilder::new();
    for pattern in patterns {
        builder.add(None, pattern, *pattern).unwrap();
    }
    builder.build()
}

/// An outcome in one line: `pattern name=value`, `301 /x`, `405 GET`, `404`.
fn show(outcome: Outcome<'_, '_, &'static str>) -> String {
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
fn check(router: &Router<&'static str>, table: &[(&str, &str)]) {
    for (request, expected) in table {
        let (method, path) = request.split_once(' ').unwrap();
        assert_eq!(
            show(router.lookup(method, None, path, None)),
            *expected,
            "{request}"
        );
    }
}

#[test]
fn literals_go_before_parameters_whatever_the_method() {
    let router = router(&[
        "GET /",
        "GET /todos",
        "POST /todos",
        "GET /todos/all",
        "GET /todos/:id",
        "DELETE /todos/:todo",
        "GET /todos/:id/items/:item",
        "GET /v-:version/x",
        "ANY /any/:x",
        "GET /any/y",
        "PURGE /cache",
    ]);
    check(
        &router,
        &[
            ("GET /", "GET /"),
            ("GET /todos", "GET /todos"),
            ("POST /todos", "POST /todos"),
            ("GET /todos/all", "GET /todos/all"),
            ("GET /todos/al", "GET /todos/:id id=al"),
            ("DELETE /todos/all", "DELETE /todos/:todo todo=all"),
            (
                "GET /todos/1/items/2",
                "GET /todos/:id/items/:item id=1 item=2",
            ),
            ("GET /v-2/x", "GET /v-:version/x version=2"),
            ("GET /any/y", "GET /any/y"),
            ("GET /any/z", "ANY /any/:x x=z"),
            ("POST /any/y", "ANY /any/:x x=y"),
            ("BREW /any/y", "ANY /any/:x x=y"),
            ("OPTIONS /any/y", "ANY /any/:x x=y"),
            ("PURGE /cache", "PURGE /cache"),
            ("GET /none", "404"),
            ("get /todos", "405 GET, HEAD, POST, OPTIONS"),
            ("GET /todos/a%2Fb", "GET /todos/:id id=a%2Fb"),
        ],
    );
}

#[test]
fn the_rest_begins_with_its_slash() {
    let router = router(&[
        "GET /files/*rest",
        "GET /u/:user/*path",
        "GET /f/",
        "GET /f/*rest",
    ]);
    check(
        &router,
        &[
            ("GET /files/", "GET /files/*rest rest=/"),
            ("GET /files/a", "GET /files/*rest rest=/a"),
            ("GET /files/a/b/", "GET /files/*rest rest=/a/b/"),
            ("GET /files//a", "GET /files/*rest rest=//a"),
            ("GET /files", "301 /files/"),
            ("GET /u/me/", "GET /u/:user/*path user=me path=/"),
            ("GET /u/me/a/b", "GET /u/:user/*path user=me path=/a/b"),
            ("GET /f/", "GET /f/"),
            ("GET /f/x", "GET /f/*rest rest=/x"),
        ],
    );
    let all = build(&["ANY /*all"]).unwrap();
    check(
        &all,
        &[
            ("GET /", "ANY /*all all=/"),
            ("GET /a/b", "ANY /*all all=/a/b"),
        ],
    );
}

#[test]
fn get_routes_serve_head() {
    let router = router(&["GET /a", "HEAD /b", "GET /b", "ANY /c", "POST /d"]);
    check(
        &router,
        &[
            ("HEAD /a", "GET /a"),
            ("HEAD /b", "HEAD /b"),
            ("GET /b", "GET /b"),
            ("HEAD /c", "ANY /c"),
            ("HEAD /d", "405 POST, OPTIONS"),
        ],
    );
}

#[test]
fn allow_names_the_methods_of_the_path() {
    let router = router(&[
        "DELETE /a",
        "GET /a",
        "PATCH /:x",
        "OPTIONS /o",
        "POST /o",
        "ZAP /a",
    ]);
    check(
        &router,
        &[
            ("PUT /a", "405 GET, HEAD, PATCH, DELETE, ZAP, OPTIONS"),
            ("GET /z", "405 PATCH, OPTIONS"),
            ("OPTIONS /a", "405 GET, HEAD, PATCH, DELETE, ZAP, OPTIONS"),
            ("OPTIONS /o", "OPTIONS /o"),
            ("GET /o", "405 POST, PATCH, OPTIONS"),
            ("GET /a/b", "404"),
        ],
    );
    assert_eq!(
        router.allow_all(None),
        "OPTIONS, GET, HEAD, POST, PATCH, DELETE, ZAP"
    );
}

#[test]
fn redirects() {
    let router = router(&[
        "GET /a",
        "POST /a",
        "GET /b/",
        "PUT /b/",
        "GET /Users/:Name/Posts",
        "GET /Docs/*page",
        "GET /x/:y/",
    ]);
    check(
        &router,
        &[
            ("GET /a/", "301 /a"),
            ("HEAD /a/", "301 /a"),
            ("POST /a/", "308 /a"),
            ("GET /b", "301 /b/"),
            ("PUT /b", "308 /b/"),
            ("DELETE /b", "404"),
            ("GET /A", "301 /a"),
            ("GET //a", "301 /a"),
            ("GET /./a", "301 /a"),
            ("GET /b/../a", "301 /a"),
            ("GET /../../a/", "301 /a"),
            ("GET /B", "301 /b/"),
            ("GET /users/Ann/POSTS", "301 /Users/Ann/Posts"),
            ("GET /USERS//Ann/posts/", "301 /Users/Ann/Posts"),
            ("GET /docs/A/b", "301 /Docs/A/b"),
            ("GET /docs", "301 /Docs/"),
            ("GET /docs/", "301 /Docs/"),
            ("GET /Docs", "301 /Docs/"),
            ("GET /x/Q", "301 /x/Q/"),
            ("GET /none/", "404"),
            ("GET /", "404"),
            ("CONNECT /a/", "404"),
        ],
    );
    let kept = router.lookup("GET", None, "/a/", Some("q=/&r"));
    assert_eq!(show(kept), "301 /a?q=/&r");
    let empty = router.lookup("GET", None, "/a/", Some(""));
    assert_eq!(show(empty), "301 /a?");
}

#[test]
fn a_redirect_never_leads_to_another_host() {
    let router = router(&["GET /:a/", "GET /:a/:b", "GET /x/*rest", "POST /:host"]);
    for path in [
        "//evil.example",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "/\\/evil",
        "/\\evil.example/..",
        "//evil.example/%2e%2e",
        "/.//evil.example",
        "/..//evil.example/",
        "/x/..//evil.example",
        "//x/a",
        "/\\x/a/",
        "/X/..//evil.example",
        "/./\\evil.example",
        "//\\evil.example",
        "/a/../\\evil.example",
    ] {
        for method in ["GET", "POST", "HEAD", "PUT"] {
            let outcome = router.lookup(method, None, path, Some("//evil"));
            if let Outcome::Redirect { location, .. } = outcome {
                let second = location.as_bytes().get(1);
                assert!(location.starts_with('/'), "{method} {path}: {location}");
                assert!(
                    !matches!(second, Some(b'/' | b'\\')),
                    "{method} {path}: {location}"
                );
            }
        }
    }
    assert_eq!(
        show(router.lookup("GET", None, "//evil", None)),
        "301 /evil/"
    );
    assert_eq!(
        show(router.lookup("GET", None, "/\\evil", None)),
        "405 POST, OPTIONS"
    );
}

#[test]
fn redirects_can_be_off() {
    let mut builder = RouterBuilder::new();
    builder
        .redirect_trailing_slash(false)
        .redirect_fixed_path(false);
    builder.add(None, "GET /a", "GET /a").unwrap();
    check(
        &builder.build().unwrap(),
        &[("GET /a/", "404"), ("GET /A", "404"), ("GET //a", "404")],
    );

    let mut builder = RouterBuilder::new();
    builder.redirect_trailing_slash(false);
    builder.add(None, "GET /a", "GET /a").unwrap();
    check(
        &builder.build().unwrap(),
        &[("GET /a/", "404"), ("GET /A/", "404"), ("GET /A", "301 /a")],
    );
}

#[test]
fn a_redirect_target_is_a_route() {
    let router = router(&["GET /a/b", "GET /A/:x", "GET /:y/c/", "GET /q", "GET /Q/"]);
    for path in [
        "/a/B", "/A/b/", "/a/x", "/A//c", "/q/", "/Q", "/z/C", "/Z/c",
    ] {
        if let Outcome::Redirect { location, .. } = router.lookup("GET", None, path, None) {
            let again = router.lookup("GET", None, &location, None);
            assert!(
                matches!(again, Outcome::Found(_)),
                "{path} to {location}: {again:?}"
            );
        }
    }
}

#[test]
fn hosts() {
    let mut builder = RouterBuilder::new();
    builder.add(None, "GET /x", "any").unwrap();
    builder.add(None, "GET /y", "any y").unwrap();
    builder.add(Some("A.example"), "GET /x", "a").unwrap();
    builder.add(Some("b.example."), "POST /x", "b").unwrap();
    builder.add(Some("[::1]"), "GET /x", "six").unwrap();
    let router = builder.build().unwrap();
    for (host, method, path, expected) in [
        (None, "GET", "/x", "any"),
        (Some("c.example"), "GET", "/x", "any"),
        (Some("a.example"), "GET", "/x", "a"),
        (Some("a.EXAMPLE:8080"), "GET", "/x", "a"),
        (Some("a.example."), "GET", "/x", "a"),
        (Some("a.example"), "GET", "/y", "any y"),
        (Some("b.example"), "GET", "/x", "any"),
        (Some("b.example"), "POST", "/x", "b"),
        (Some("[::1]:80"), "GET", "/x", "six"),
        (Some("[::1]"), "GET", "/x", "six"),
    ] {
        match router.lookup(method, host, path, None) {
            Outcome::Found(found) => assert_eq!(*found.value, expected, "{host:?} {method} {path}"),
            other => panic!("{host:?} {method} {path}: {other:?}"),
        }
    }
    let allow = router.lookup("DELETE", Some("b.example"), "/x", None);
    assert!(
        matches!(allow, Outcome::MethodNotAllowed { allow } if allow == "POST, GET, HEAD, OPTIONS")
    );
    for host in ["", "a:80", "a b", "a@b", "http://a", "."] {
        let refused = RouterBuilder::new().add(Some(host), "GET /", ());
        assert!(
            matches!(refused, Err(RouteError::Host { .. })),
            "{host:?}: {refused:?}"
        );
    }
}

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

#[test]
fn parameters_last_that_pass_and_first_that_fail() {
    let pattern = |count: usize| {
        (0..count).fold("GET ".to_owned(), |text, index| format!("{text}/:p{index}"))
    };
    let mut builder = RouterBuilder::new();
    builder
        .add(None, &pattern(ROUTE_PARAMETERS_MAX), ())
        .unwrap();
    assert!(builder
        .add(None, &pattern(ROUTE_PARAMETERS_MAX + 1), ())
        .is_err());
    let router = builder.build().unwrap();
    let path = "/v".repeat(ROUTE_PARAMETERS_MAX);
    let Outcome::Found(found) = router.lookup("GET", None, &path, None) else {
        panic!("{path}")
    };
    assert_eq!(
        found
            .params
            .raw()
            .filter(|(_, value)| *value == "v")
            .count(),
        16
    );
}

#[test]
fn parameters_are_decoded_after_the_match() {
    let router = router(&["GET /u/:name/*rest"]);
    let Outcome::Found(found) = router.lookup("GET", None, "/u/a%2Fb%C3%A9+/c%20d", None) else {
        panic!("no route")
    };
    let decoded: Vec<_> = found.params.decoded().map(Result::unwrap).collect();
    assert_eq!(decoded[0], ("name", "a/bé+".as_bytes().into()));
    assert_eq!(decoded[1], ("rest", b"/c d".as_slice().into()));
    assert_eq!(found.params.first("rest"), Some("/c%20d"));
    assert_eq!(found.params.first("none"), None);
    for path in ["/u/%/", "/u/a%4/", "/u/a/%zz"] {
        let Outcome::Found(found) = router.lookup("GET", None, path, None) else {
            panic!("{path}")
        };
        let fault = found.params.decoded().find_map(Result::err);
        assert_eq!(fault.map(|error| error.status), Some(400), "{path}");
    }
}

#[test]
fn a_router_is_shared_among_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&router(&["GET /a"]));
}
