//! Redirects: to the other slash, to the cleaned path, and never to another host.

mod support;

use flatend_http::router::{Outcome, RouterBuilder};
use support::routes::{check, router, show};

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
    // A Location is an address, whatever the target was (RFC 9110 10.2.2).
    let raw = router.lookup("GET", None, "/x/é|%41[", Some("ü=\"<'>&^"));
    assert_eq!(show(raw), "301 /x/%C3%A9%7C%41[/?%C3%BC=%22%3C'%3E&%5E");
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
