//! Routes that serve files: which part of a path is the file's, and what a directory does with other methods.

use flatend_http::files::reader::{with_slash, Served, Site, SiteOptions, Wanted};
use flatend_http::h1::{Method, RequestHead};
use flatend_http::router::Match;
use flatend_http::server::Exchange;

use super::bridge::Facts;
use super::own::Own;
use crate::config::{Route, StaticFiles, Target};
use crate::logs;

/// Methods that files take.
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The files of one section on one shard.
pub(super) struct Files {
    /// One a route that serves files.
    sites: Vec<Option<Site>>,
}

impl Files {
    pub(super) fn new(routes: &[Route]) -> Files {
        let site = |route: &Route| match &route.target {
            Target::Static(files) => Some(Site::new(options(files, route.nocache), trouble)),
            _ => None,
        };
        Files {
            sites: routes.iter().map(site).collect(),
        }
    }

    /// Takes a request that the route numbered `route` matched; `None` for one that no route takes and a directory at `/` may.
    pub(super) fn take<T>(
        &self,
        route: usize,
        head: &RequestHead<'_>,
        matched: Option<&Match<'_, '_, T>>,
    ) -> Result<Wanted, Own> {
        let Some(Some(site)) = self.sites.get(route) else {
            // The table and the sites are made of the same routes.
            return Err(Own::plain(
                500,
                "The files of this route are not there.".to_owned(),
            ));
        };
        match head.method {
            Method::Get | Method::Head => {}
            Method::Options => {
                return Err(Own::with(204, String::new(), "allow", ALLOW.to_owned()))
            }
            _ => {
                let sentence = "Files can be read alone: this path takes GET and HEAD.".to_owned();
                return Err(Own::with(405, sentence, "allow", ALLOW.to_owned()));
            }
        }
        let path = head.target.path;
        let rest = matched.and_then(|matched| {
            let is_rest = matched.pattern.contains('*');
            matched.params.raw().last().filter(|_| is_rest)
        });
        let below = match (rest, matched) {
            (Some((_, rest)), _) => rest,
            (None, None) => path,
            (None, Some(_)) if path.ends_with('/') || !site.is_directory() => "/",
            (None, Some(_)) => {
                let sentence = "A directory's path ends with a slash.".to_owned();
                let location = with_slash(path, head.target.query);
                return Err(Own::with(301, sentence, "location", location));
            }
        };
        site.take(head, below)
            .map_err(|error| Own::plain(error.status, error.to_string()))
    }

    pub(super) async fn run(&self, wanted: Wanted, facts: &Facts, exchange: &Exchange<'_>) {
        let Some(Some(site)) = self.sites.get(facts.route) else {
            return;
        };
        match site.run(wanted, exchange, &facts.request_id).await {
            Served::Complete => {}
            Served::Cut | Served::ClientGone => exchange.abort(),
            Served::Answer {
                status,
                sentence,
                fields,
            } => exchange.answer(&facts.answer(Own {
                status,
                sentence,
                fields,
            })),
        }
    }
}

fn options(files: &StaticFiles, nocache: bool) -> SiteOptions {
    SiteOptions {
        path: files.path.clone(),
        is_directory: files.is_directory,
        listing: files.listing,
        fallback: files.fallback.clone(),
        nocache,
    }
}

/// What a client can cause at will is limited.
fn trouble(sentence: String) {
    static FILES: logs::Kind = logs::Kind::new("files that could not be read");
    FILES.line(format_args!("{sentence}"));
}
