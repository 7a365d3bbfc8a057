//! Answers of the gateway's own that need nobody else: where no route leads, what a method may be, where else to go.

use flatend_http::h1::{Method, RequestHead};
use flatend_http::router::{Match, Outcome, Router};
use flatend_http::{percent, RequestError};

use super::hops::{self, Hops};
use super::mapping::MapError;

/// Characters of a client's method in an answer.
const METHOD_SHOWN_MAX: usize = 20;

/// An answer of the gateway's own, before ids are added.
pub(super) struct Own {
    pub(super) status: u16,
    pub(super) sentence: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Own {
    pub(super) fn plain(status: u16, sentence: String) -> Own {
        Own {
            status,
            sentence,
            fields: Vec::new(),
        }
    }

    pub(super) fn with(status: u16, sentence: String, name: &'static str, value: String) -> Own {
        Own {
            status,
            sentence,
            fields: vec![(name, value)],
        }
    }
}

impl From<MapError> for Own {
    fn from(error: MapError) -> Own {
        match error {
            MapError::Request(error) => Own::plain(error.status, error.to_string()),
            MapError::TooLarge { what } => {
                Own::plain(431, format!("The request cannot be passed on: {what}."))
            }
        }
    }
}

/// Why the router gives a request to nobody.
pub(super) enum Unrouted {
    /// No route takes its path.
    Nowhere,
    /// This is the answer.
    Answer(Own),
}

impl From<Unrouted> for Own {
    fn from(unrouted: Unrouted) -> Own {
        match unrouted {
            Unrouted::Answer(own) => own,
            Unrouted::Nowhere => {
                let sentence = "No route of this gateway takes this path.";
                Own::plain(404, sentence.to_owned())
            }
        }
    }
}

/// Refuses a target with an escape that is none, in the path or the query.
pub(super) fn check_escapes(head: &RequestHead<'_>) -> Result<(), Own> {
    let parts = [head.target.path, head.target.query.unwrap_or_default()];
    for part in parts {
        percent::check(part).map_err(|bad| {
            let error = RequestError::from(bad);
            Own::plain(error.status, error.to_string())
        })?;
    }
    Ok(())
}

/// The route of a request, or the answer that there is none.
pub(super) fn route<'t, 'p, T>(
    router: &'t Router<T>,
    head: &RequestHead<'p>,
) -> Result<Match<'t, 'p, T>, Unrouted> {
    let answer = |own| Err(Unrouted::Answer(own));
    let allow_all = || router.allow_all(head.authority);
    if matches!(head.method, Method::Connect | Method::Trace) {
        let sentence = format!("This gateway does not serve {}.", head.method.as_str());
        return answer(Own::with(405, sentence, "allow", allow_all()));
    }
    if head.target.is_https {
        // RFC 9110 7.4: an https target is for connections that TLS secures.
        let sentence = "This address serves plain HTTP and no https targets.";
        return answer(Own::plain(421, sentence.to_owned()));
    }
    let hops = hops::of(head);
    if hops == Hops::Malformed {
        let sentence = "The Max-Forwards of the request is not one decimal number.";
        return answer(Own::plain(400, sentence.to_owned()));
    }
    if head.target.path == "*" {
        return answer(Own::with(204, String::new(), "allow", allow_all()));
    }
    let method = head.method.as_str();
    match router.lookup(method, head.authority, head.target.path, head.target.query) {
        Outcome::Found(_) if hops == Hops::None => {
            let allow = router.allow(head.authority, head.target.path);
            answer(Own::with(204, String::new(), "allow", allow))
        }
        Outcome::Found(matched) => Ok(matched),
        Outcome::Redirect { status, location } => {
            let sentence = "The resource is at another path.".to_owned();
            answer(Own::with(status, sentence, "location", location))
        }
        Outcome::MethodNotAllowed { allow } if head.method == Method::Options => {
            answer(Own::with(204, String::new(), "allow", allow))
        }
        Outcome::MethodNotAllowed { allow } => {
            let shown: String = method.chars().take(METHOD_SHOWN_MAX).collect();
            let sentence = format!("This path takes {allow}, not {shown}.");
            answer(Own::with(405, sentence, "allow", allow))
        }
        Outcome::NotFound => Err(Unrouted::Nowhere),
    }
}
