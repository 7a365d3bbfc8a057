//! Routes: matching, precedence, hosts, Allow and parameters.

mod support;

use flatend_http::limits::ROUTE_PARAMETERS_MAX;
use flatend_http::router::{Outcome, RouteError, RouterBuilder};
use support::routes::{build, check, router};

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

#[test]
fn an_ipv6_host_is_one_however_it_is_written() {
    let mut builder = RouterBuilder::new();
    builder.add(Some("[0:0:0:0:0:0:0:1]"), "GET /", ()).unwrap();
    builder.add(Some("[2001:DB8::]"), "GET /", ()).unwrap();
    let router = builder.build().unwrap();
    for (host, known) in [
        ("[::1]", true),
        ("[::1]:8080", true),
        ("[0::0001]", true),
        ("[2001:db8:0:0::]", true),
        ("[::2]", false),
        ("a.example", false),
    ] {
        let found = matches!(
            router.lookup("GET", Some(host), "/", None),
            Outcome::Found(_)
        );
        assert_eq!(found, known, "{host}");
    }
    let mut builder = RouterBuilder::new();
    builder.add(Some("[::1]"), "GET /", ()).unwrap();
    builder.add(Some("[0::1]"), "GET /", ()).unwrap();
    assert!(builder.build().is_err(), "one host");
}
