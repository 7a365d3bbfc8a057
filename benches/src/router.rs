//! Routes, beside matchit alone on one tree of the same paths: without methods, hosts and redirects.

use std::time::Duration;

use flatend_http::router::{Outcome, Router, RouterBuilder};

use crate::{timed, Case};

/// Paths of a middling service, each for GET; matchit's spelling is made of them.
pub(crate) const PATHS: [&str; 24] = [
    "/",
    "/about",
    "/hello",
    "/login",
    "/logout",
    "/assets/*file",
    "/users",
    "/users/:user",
    "/users/:user/posts",
    "/users/:user/posts/:post",
    "/users/:user/posts/:post/comments/:comment",
    "/users/:user/followers",
    "/teams",
    "/teams/:team",
    "/teams/:team/members",
    "/teams/:team/members/:user",
    "/search",
    "/search/:kind",
    "/orders",
    "/orders/:order",
    "/orders/:order/items/:item",
    "/feeds/:feed/atom",
    "/feeds/:feed/rss",
    "/docs/*page",
];

/// What is looked up, and how many parameters it has.
const LOOKUPS: [(&str, &str, usize); 4] = [
    ("literal route", "/hello", 0),
    ("route with one parameter", "/users/4711", 1),
    (
        "route with three parameters",
        "/users/4711/posts/12/comments/99",
        3,
    ),
    ("catch-all route", "/assets/css/site.css", 1),
];

enum Table {
    Flatend(Box<Router<usize>>),
    Matchit(matchit::Router<usize>),
}

struct Lookup {
    what: &'static str,
    path: &'static str,
    params: usize,
    table: Table,
}

/// Each lookup, ours and matchit's.
pub fn cases() -> Vec<Box<dyn Case>> {
    let mut cases: Vec<Box<dyn Case>> = Vec::new();
    for (what, path, params) in LOOKUPS {
        for table in [
            Table::Flatend(Box::new(flatend(PATHS.len()))),
            Table::Matchit(raw_matchit(PATHS.len())),
        ] {
            cases.push(Box::new(Lookup {
                what,
                path,
                params,
                table,
            }));
        }
    }
    cases
}

/// So many paths: [`PATHS`], and then the same in one area after the other.
fn paths(count: usize) -> impl Iterator<Item = String> {
    let all = PATHS.iter().cycle().enumerate().take(count);
    all.map(|(number, path)| match number / PATHS.len() {
        0 => (*path).to_owned(),
        area => format!("/area-{area}{path}"),
    })
}

/// A table of so many routes.
pub(crate) fn flatend(count: usize) -> Router<usize> {
    let mut builder = RouterBuilder::new();
    for (number, path) in paths(count).enumerate() {
        let added = builder.add(None, &format!("GET {path}"), number);
        added.expect("a sound pattern");
    }
    builder.build().expect("no two take the same path")
}

/// The same in matchit alone.
pub(crate) fn raw_matchit(count: usize) -> matchit::Router<usize> {
    let mut router = matchit::Router::new();
    for (number, path) in paths(count).enumerate() {
        let segment = |segment: &str| match segment.split_at_checked(1) {
            Some((":", name)) => format!("{{{name}}}"),
            Some(("*", name)) => format!("{{*{name}}}"),
            _ => segment.to_owned(),
        };
        let pattern: Vec<String> = path.split('/').map(segment).collect();
        let added = router.insert(pattern.join("/"), number);
        added.expect("a sound pattern");
    }
    router
}

impl Lookup {
    /// How many parameters the route that was found has.
    fn once(&self, path: &str) -> usize {
        match &self.table {
            Table::Flatend(router) => match router.lookup("GET", Some("a.example"), path, None) {
                Outcome::Found(found) => std::hint::black_box(&found).params.raw().count(),
                other => panic!("{path} has a route, not {other:?}"),
            },
            Table::Matchit(router) => {
                let found = router.at(path).expect("there is a route");
                std::hint::black_box(&found).params.len()
            }
        }
    }
}

impl Case for Lookup {
    fn name(&self) -> String {
        let how = match self.table {
            Table::Flatend(_) => "flatend",
            Table::Matchit(_) => "floor: matchit",
        };
        format!("{}/{how}", self.what)
    }

    fn time(&mut self, iterations: u64) -> Duration {
        let (time, right) = timed(|| {
            (0..iterations).all(|_| self.once(std::hint::black_box(self.path)) == self.params)
        });
        assert!(right, "{} has {} parameters", self.path, self.params);
        time
    }
}
