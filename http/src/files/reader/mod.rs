//! Files of a directory, or one file, as answers of the server. Owns a site: where it lies and how it is served. Refuses to
//! know routes; errors are handed back as answers, since whoever routes also knows how an answer looks.
//!
//! `load` opens and reads, `cache` remembers, `send` answers; the rules are those of the pure modules beside this one. The
//! invariant that a change is likeliest to break: head and body come from one [`load::Resource`], which never changes.

mod cache;
mod load;
mod send;
#[cfg(test)]
mod told_tests;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use bytes::Bytes;
use flatend::rt::{self, io_words, File};

use super::{page, resolve, takes_fallback, Accepts, Conditions, Row};
use crate::error::RequestError;
use crate::h1::{Method, RequestHead};
use crate::limits::CACHED_LOOK_MS;
use crate::server::Exchange;
use cache::{Node, Page};
use load::{Found, Lack, Resource};

/// The file that stands for a directory.
const INDEX: &[u8] = b"index.html";

/// How files are served.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// A directory, or one file.
    pub path: PathBuf,
    /// It is a directory.
    pub is_directory: bool,
    /// Directories without an index file are listed.
    pub listing: bool,
    /// The file inside the directory that answers for pages that do not exist.
    pub fallback: Option<String>,
    /// Clients must not keep the answers.
    pub nocache: bool,
}

/// A directory or a file that is served, on one shard.
pub struct Site {
    options: SiteOptions,
    /// Begins this site's keys in the shard's cache.
    number: [u8; 4],
    /// The fallback's key: the file has one however it is asked for.
    fallback_key: Option<Vec<u8>>,
    root: RefCell<Option<(File, rt::Millis)>>,
    trouble: Box<dyn Fn(String)>,
}

/// What is kept of a request's head.
pub struct Wanted {
    is_get: bool,
    /// Of the cache: the site's number and the path; for a directory that of its index file.
    key: Vec<u8>,
    is_directory: bool,
    accepts: Accepts,
    conditions: Option<Box<Conditions>>,
    takes_fallback: bool,
    /// The path as received, with a slash at its end, and the query: where a directory lies.
    with_slash: String,
    /// The path as received, decoded, for a listing.
    shown: Option<Vec<u8>>,
}

/// How it ended.
pub enum Served {
    /// The response is whole.
    Complete,
    /// The file failed in the middle of its response: the client must see a cut.
    Cut,
    /// The client is gone.
    ClientGone,
    /// Nothing was sent; this is to be answered.
    Answer {
        /// The status.
        status: u16,
        /// One sentence.
        sentence: String,
        /// Further fields.
        fields: Vec<(&'static str, String)>,
    },
}

thread_local! {
    static SITES: Cell<u32> = const { Cell::new(0) };
}

impl Site {
    /// A site of this shard. `trouble` gets sentences for the log.
    pub fn new(options: SiteOptions, trouble: impl Fn(String) + 'static) -> Site {
        let number = SITES.get();
        SITES.set(number + 1);
        let number = number.to_le_bytes();
        let fallback = options.fallback.as_deref();
        Site {
            fallback_key: fallback.map(|name| [&number[..], &plain_name(name)].concat()),
            options,
            number,
            root: RefCell::new(None),
            trouble: Box::new(trouble),
        }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.options.is_directory
    }

    /// Takes what is needed of a GET or HEAD; `below` is what of its path follows the route's own.
    ///
    /// # Errors
    /// 400 or 404: the path names nothing that could be here.
    pub fn take(&self, head: &RequestHead<'_>, below: &str) -> Result<Wanted, RequestError> {
        let below = if self.options.is_directory { below } else { "" };
        let resolved = resolve(below)?;
        let path = &resolved.path;
        let is_directory = self.options.is_directory && resolved.is_directory;
        let mut key = Vec::with_capacity(self.number.len() + path.len() + INDEX.len() + 1);
        key.extend_from_slice(&self.number);
        key.extend_from_slice(path);
        if is_directory {
            if !path.is_empty() {
                key.push(b'/');
            }
            key.extend_from_slice(INDEX);
        }
        let (raw, query) = (head.target.path, head.target.query);
        let wants_listing = is_directory && self.options.listing;
        Ok(Wanted {
            is_get: head.method == Method::Get,
            key,
            is_directory,
            accepts: Accepts::read(head.fields.values("accept-encoding")),
            conditions: Conditions::read(head.fields),
            takes_fallback: self.options.fallback.is_some()
                && takes_fallback(path, head.fields.values("accept")),
            with_slash: match query {
                _ if is_directory || !self.options.is_directory => String::new(),
                query => with_slash(raw, query),
            },
            // It was decoded once already, for the route.
            shown: wants_listing.then(|| match crate::percent::decode(raw) {
                Ok(path) => path.into_owned(),
                Err(_) => raw.as_bytes().to_vec(),
            }),
        })
    }

    /// Answers with the file, as far as there is one.
    pub async fn run(&self, wanted: Wanted, exchange: &Exchange<'_>, request_id: &str) -> Served {
        // Nearly every file is in memory and was looked at within the last second.
        if let Some(resource) = self.known(&wanted.key) {
            if let Some(served) = send::at_once(self, &wanted, &resource, exchange, request_id) {
                return send::finish(served, exchange).await;
            }
        }
        // In memory of its own, so that the usual answer stays small.
        Box::pin(self.run_slowly(wanted, exchange, request_id)).await
    }

    /// Whether `key` is that of the page of a single-page application.
    fn is_fallback(&self, key: &[u8]) -> bool {
        self.fallback_key.as_deref() == Some(key)
    }

    /// A file that the cache has, if it was looked at recently.
    fn known(&self, key: &[u8]) -> Option<Rc<Resource>> {
        match cache::find(key)? {
            Node::File(resource) if !resource.is_old() => Some(resource),
            Node::File(_) | Node::Page(..) => None,
        }
    }

    async fn run_slowly(
        &self,
        wanted: Wanted,
        exchange: &Exchange<'_>,
        request_id: &str,
    ) -> Served {
        let found = self.look(&wanted).await;
        match found {
            Ok(Look::File(resource)) => {
                send::file(self, &wanted, resource, &wanted.key, exchange, request_id).await
            }
            Ok(Look::Page(page)) => send::page(self, &page, exchange, request_id).await,
            Ok(Look::Elsewhere) => elsewhere(wanted.with_slash),
            Err(Lack::Missing) if wanted.takes_fallback => {
                self.fall_back(&wanted, exchange, request_id).await
            }
            Err(lack) => self.answer(&wanted.key, lack),
        }
    }

    /// The page of a single-page application, for a path that does not exist.
    async fn fall_back(
        &self,
        wanted: &Wanted,
        exchange: &Exchange<'_>,
        request_id: &str,
    ) -> Served {
        let key = self.fallback_key.as_deref().unwrap_or_default();
        match self.find(key).await {
            Ok(Found::File(resource)) => {
                send::file(self, wanted, resource, key, exchange, request_id).await
            }
            Ok(Found::Directory) => self.answer(key, Lack::Missing),
            Err(lack) => self.answer(key, lack),
        }
    }

    async fn look(&self, wanted: &Wanted) -> Result<Look, Lack> {
        if let (Some(Node::Page(page)), Some(shown)) = (cache::find(&wanted.key), &wanted.shown) {
            if *page.shown == **shown && rt::now().0 < page.made_at.0 + CACHED_LOOK_MS {
                return Ok(Look::Page(page.html));
            }
        }
        match self.find(&wanted.key).await {
            Ok(Found::File(resource)) => Ok(Look::File(resource)),
            Ok(Found::Directory) if wanted.is_directory => Err(Lack::Missing),
            Ok(Found::Directory) => Ok(Look::Elsewhere),
            Err(Lack::Missing) => match &wanted.shown {
                Some(shown) => self.list(&wanted.key, shown).await.map(Look::Page),
                None => Err(Lack::Missing),
            },
            Err(lack) => Err(lack),
        }
    }

    /// The page that lists the directory whose index file `key` would be.
    async fn list(&self, key: &[u8], shown: &[u8]) -> Result<Bytes, Lack> {
        let below = self.below(key);
        let path = below.strip_suffix(INDEX).unwrap_or(below);
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let listing = self.root().await?.list(path).await?;
        let rows = listing.entries.into_iter().map(|entry| Row {
            is_directory: entry.stat.kind == rt::FileKind::Directory,
            bytes: entry.stat.bytes,
            modified: u64::try_from(entry.stat.modified_s).unwrap_or(0),
            name: entry.name,
        });
        let html = Bytes::from(page(shown, !path.is_empty(), rows.collect(), listing.cut));
        let page = Page {
            html: html.clone(),
            shown: shown.into(),
            made_at: rt::now(),
        };
        cache::keep(key, Node::Page(page));
        Ok(html)
    }

    /// A key without the site's number.
    fn below<'k>(&self, key: &'k [u8]) -> &'k [u8] {
        key.get(self.number.len()..).unwrap_or_default()
    }

    /// A file and its directory, for the log.
    fn named(&self, key: &[u8]) -> String {
        let name = String::from_utf8_lossy(self.below(key));
        let directory = self.options.path.display();
        format!("the file '{}' of '{directory}'", name.escape_debug())
    }

    /// Says why a response was cut.
    fn tell_cut(&self, key: &[u8], error: Option<&std::io::Error>) {
        let file = self.named(key);
        (self.trouble)(match error {
            Some(error) => format!("Cannot read {file} to its end: {}; its response was cut.", io_words(error)),
            None => format!("{} became shorter while it was sent; its response was cut. Put files in place with a rename.", file.replacen('t', "T", 1)),
        });
    }

    fn answer(&self, key: &[u8], lack: Lack) -> Served {
        let file = self.named(key);
        let directory = self.options.path.display();
        let (status, sentence, fields) = match lack {
            Lack::Missing => (404, "There is no such file.".to_owned(), Vec::new()),
            Lack::Forbidden => {
                (self.trouble)(format!("Cannot read {file}: permission denied; let the user that runs the gateway read it."));
                (
                    403,
                    "The gateway may not read this file.".to_owned(),
                    Vec::new(),
                )
            }
            Lack::Exhausted(error) => {
                cache::give_back_descriptors();
                // ENOMEM has a kind of its own; the rest are the descriptors of the process or the system.
                let (why, sentence) = if error.kind() == std::io::ErrorKind::OutOfMemory {
                    (
                        "the system is out of memory",
                        "The gateway has no memory to open the file.",
                    )
                } else {
                    (
                        "too many open files; raise the limit (ulimit -n, LimitNOFILE)",
                        "The gateway has too many files open.",
                    )
                };
                (self.trouble)(format!("Cannot open {file}: {why}."));
                let after = vec![("retry-after", "1".to_owned())];
                (503, sentence.to_owned(), after)
            }
            Lack::Changing => {
                let after = vec![("retry-after", "1".to_owned())];
                (
                    503,
                    "The file is being changed; try again.".to_owned(),
                    after,
                )
            }
            Lack::NoRoot(error) => {
                (self.trouble)(format!(
                    "Cannot open '{directory}', which a route serves: {}.",
                    io_words(&error)
                ));
                let after = vec![("retry-after", "1".to_owned())];
                (
                    503,
                    "The files of this route cannot be reached.".to_owned(),
                    after,
                )
            }
            Lack::Failed(error) => {
                (self.trouble)(format!("Cannot read {file}: {}.", io_words(&error)));
                (500, "The file cannot be read.".to_owned(), Vec::new())
            }
        };
        Served::Answer {
            status,
            sentence,
            fields,
        }
    }
}

/// What a request leads to.
enum Look {
    File(Rc<Resource>),
    Page(Bytes),
    /// A directory without its slash.
    Elsewhere,
}

/// A name of the configuration as paths of requests have it: `./a//b` is `a/b`.
fn plain_name(name: &str) -> Vec<u8> {
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    parts.join("/").into_bytes()
}

/// Where a directory lies whose path came without the slash at its end: an address, whatever bytes the target held.
pub fn with_slash(path: &str, query: Option<&str>) -> String {
    let target = match query {
        Some(query) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    };
    crate::percent::escape(&target).into_owned()
}

fn elsewhere(with_slash: String) -> Served {
    // Two slashes would be another host. No path that resolves begins so; this is the second look.
    if with_slash.starts_with("//") || with_slash.starts_with("/\\") {
        return Served::Answer {
            status: 404,
            sentence: "There is no such file.".to_owned(),
            fields: Vec::new(),
        };
    }
    Served::Answer {
        status: 301,
        sentence: "A directory's path ends with a slash.".to_owned(),
        fields: vec![("location", with_slash)],
    }
}
