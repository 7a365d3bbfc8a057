//! Answering with a form of a file: its fields, what of it the client wants, and the bytes.

use std::rc::Rc;

use bytes::Bytes;
use flatend::rt::File;

use super::load::{Content, Form, Found, Lack, Resource};
use super::{Served, Site, Wanted};
use crate::files::{Multipart, Span, Validators, Verdict};
use crate::server::{Exchange, FileError, SendError};

/// How often a file that changed since the last look is looked at again for one request.
const LOOKS_MAX: u32 = 3;

/// The fields of one answer, without an allocation.
struct Fields<'f> {
    fields: [(&'f [u8], &'f [u8]); 12],
    used: usize,
}

impl<'f> Fields<'f> {
    fn new() -> Fields<'f> {
        Fields {
            fields: [(b"", b""); 12],
            used: 0,
        }
    }

    fn add(&mut self, name: &'static str, value: &'f str) {
        debug_assert!(
            self.used < self.fields.len(),
            "room for every field that there is"
        );
        if let Some(field) = self.fields.get_mut(self.used) {
            *field = (name.as_bytes(), value.as_bytes());
            self.used += 1;
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&'f [u8], &'f [u8])> + Clone + '_ {
        self.fields.iter().take(self.used).copied()
    }
}

/// What all answers with one form share.
struct Reply<'r> {
    site: &'r Site,
    resource: &'r Resource,
    form: &'r Form,
    /// Of the file, in the cache.
    key: &'r [u8],
    exchange: &'r Exchange<'r>,
    request_id: &'r str,
}

impl<'r> Reply<'r> {
    /// Fields that 304 has too (RFC 9110 15.4.5).
    fn fields(&self) -> Fields<'r> {
        let mut fields = Fields::new();
        if self.resource.there() != [false; 3] {
            fields.add("vary", "accept-encoding");
        }
        if self.site.options.nocache {
            nocache(&mut fields);
            return fields;
        }
        fields.add("etag", &self.form.etag);
        fields.add("last-modified", &self.form.last_modified);
        if self.site.is_fallback(self.key) {
            // The next version's page names the next version's scripts.
            fields.add("cache-control", "no-cache");
        }
        fields
    }

    fn validators(&self) -> Validators<'r> {
        let told = !self.site.options.nocache;
        Validators {
            etag: told.then_some(&self.form.etag),
            modified: told.then_some(self.form.modified),
            bytes: self.form.stat.bytes,
        }
    }

    fn head(
        &self,
        status: u16,
        bytes: u64,
        kind: &'r str,
        range: Option<&'r str>,
    ) -> Result<(), Served> {
        let mut fields = self.fields();
        fields.add("content-type", kind);
        if let Some(token) = self.form.coding.token() {
            fields.add("content-encoding", token);
        }
        if let Some(range) = range {
            fields.add("content-range", range);
        }
        fields.add("accept-ranges", "bytes");
        fields.add("x-content-type-options", "nosniff");
        let sent = self
            .exchange
            .send_head(status, Some(bytes), self.request_id, fields.iter());
        sent.map_err(|error| broken(&error))
    }

    /// 304, or an answer in words.
    fn without_body(&self, verdict: &Verdict) -> Served {
        match verdict {
            Verdict::NotModified => {
                let fields = self.fields();
                let sent = self
                    .exchange
                    .send_head(304, None, self.request_id, fields.iter());
                sent.map_or_else(|error| broken(&error), |()| Served::Complete)
            }
            Verdict::Unsatisfiable => Served::Answer {
                status: 416,
                sentence: format!(
                    "The file has {} bytes, none of which are in the range asked for.",
                    self.form.stat.bytes
                ),
                fields: vec![("content-range", format!("bytes */{}", self.form.stat.bytes))],
            },
            _ => Served::Answer {
                status: 412,
                sentence: "The file is not the one that the request's conditions name.".to_owned(),
                fields: Vec::new(),
            },
        }
    }
}

fn nocache(fields: &mut Fields<'_>) {
    for (name, value) in crate::headers::NOCACHE {
        fields.add(name, value);
    }
}

/// A head that cannot be sent: our own fields are valid, so the response had begun.
fn broken(error: &SendError) -> Served {
    match error {
        SendError::Gone => Served::ClientGone,
        SendError::Invalid(_) => Served::Cut,
    }
}

fn verdict(wanted: &Wanted, validators: &Validators<'_>) -> Verdict {
    let now = flatend::rt::unix_seconds();
    match &wanted.conditions {
        None => Verdict::Whole,
        Some(conditions) => conditions.judge(wanted.is_get, validators, now),
    }
}

/// The usual answer, of what is in memory: queued, not yet flushed. `None`: it takes longer.
pub(super) fn at_once(
    site: &Site,
    wanted: &Wanted,
    resource: &Resource,
    exchange: &Exchange<'_>,
    request_id: &str,
) -> Option<Served> {
    let form = resource.form(wanted.accepts.choose(resource.there()));
    let Content::Memory(content) = &form.content else {
        return None;
    };
    let reply = Reply {
        site,
        resource,
        form,
        key: &wanted.key,
        exchange,
        request_id,
    };
    let span = match verdict(wanted, &reply.validators()) {
        Verdict::Whole => None,
        Verdict::Part(span) => Some(span),
        Verdict::Parts(_) => return None,
        other => return Some(reply.without_body(&other)),
    };
    let queued = match span {
        None => reply
            .head(200, content.len() as u64, &resource.content_type, None)
            .and_then(|()| queue(exchange, content.clone())),
        Some(span) => {
            let range = span.content_range(form.stat.bytes);
            reply
                .head(206, span.len, &resource.content_type, Some(&range))
                .and_then(|()| queue(exchange, slice(content, span)))
        }
    };
    Some(queued.map_or_else(|served| served, |()| Served::Complete))
}

fn queue(exchange: &Exchange<'_>, bytes: Bytes) -> Result<(), Served> {
    exchange.queue_data(bytes).map_err(|error| broken(&error))
}

fn slice(content: &Bytes, span: Span) -> Bytes {
    // Spans lie inside the file.
    let from = usize::try_from(span.from).map_or(content.len(), |from| from.min(content.len()));
    let len = usize::try_from(span.len).unwrap_or(usize::MAX);
    content.slice(from..from.saturating_add(len).min(content.len()))
}

/// Sends what is queued, and the end of a response that is complete.
pub(super) async fn finish(served: Served, exchange: &Exchange<'_>) -> Served {
    if !matches!(served, Served::Complete) {
        return served;
    }
    if exchange.finish().is_err() {
        return Served::Cut;
    }
    match exchange.flush().await {
        Ok(()) => Served::Complete,
        Err(_) => Served::ClientGone,
    }
}

/// Answers with a file, wherever its bytes are.
pub(super) async fn file(
    site: &Site,
    wanted: &Wanted,
    mut resource: Rc<Resource>,
    key: &[u8],
    exchange: &Exchange<'_>,
    request_id: &str,
) -> Served {
    // A file that was written over since the last look must not be sent under its old head.
    let mut looks = 0;
    while has_changed(&resource, wanted) {
        looks += 1;
        if looks > LOOKS_MAX {
            return site.answer(key, Lack::Changing);
        }
        resource = match site.load(key, Some(resource)).await {
            Ok(Found::File(resource)) => resource,
            Ok(Found::Directory) => return site.answer(key, Lack::Missing),
            Err(lack) => return site.answer(key, lack),
        };
    }
    let form = resource.form(wanted.accepts.choose(resource.there()));
    let reply = Reply {
        site,
        resource: &resource,
        form,
        key,
        exchange,
        request_id,
    };
    let served = match verdict(wanted, &reply.validators()) {
        Verdict::Whole => {
            let whole = Span {
                from: 0,
                len: form.stat.bytes,
            };
            match reply.head(200, whole.len, &resource.content_type, None) {
                Ok(()) => body(&reply, whole).await,
                Err(served) => Err(served),
            }
        }
        Verdict::Part(span) => {
            let range = span.content_range(form.stat.bytes);
            match reply.head(206, span.len, &resource.content_type, Some(&range)) {
                Ok(()) => body(&reply, span).await,
                Err(served) => Err(served),
            }
        }
        Verdict::Parts(spans) => parts(&reply, &spans).await,
        other => Err(reply.without_body(&other)),
    };
    finish(
        served.map_or_else(|served| served, |()| Served::Complete),
        exchange,
    )
    .await
}

fn has_changed(resource: &Resource, wanted: &Wanted) -> bool {
    let form = resource.form(wanted.accepts.choose(resource.there()));
    match &form.content {
        Content::Memory(_) => false,
        Content::File(file) => !file.stat().is_ok_and(|stat| stat == form.stat),
    }
}

async fn parts(reply: &Reply<'_>, spans: &[Span]) -> Result<(), Served> {
    let (form, exchange) = (reply.form, reply.exchange);
    let frame = Multipart::new(
        spans,
        form.stat.bytes,
        &reply.resource.content_type,
        &form.etag,
    );
    reply.head(206, frame.bytes, &frame.content_type(), None)?;
    for (head, span) in frame.heads.into_iter().zip(spans) {
        queue(exchange, head.into())?;
        body(reply, *span).await?;
    }
    queue(exchange, frame.tail.into())
}

async fn body(reply: &Reply<'_>, span: Span) -> Result<(), Served> {
    match &reply.form.content {
        Content::Memory(content) => queue(reply.exchange, slice(content, span)),
        Content::File(file) => large(reply, file, span).await,
    }
}

async fn large(reply: &Reply<'_>, file: &File, span: Span) -> Result<(), Served> {
    let exchange = reply.exchange;
    match exchange.send_file(file, span.from, span.len).await {
        Ok(()) => return Ok(()),
        Err(FileError::Gone) => return Err(Served::ClientGone),
        Err(FileError::Short) => reply.site.tell_cut(reply.key, None),
        Err(FileError::Unreadable(error)) => reply.site.tell_cut(reply.key, Some(&error)),
        Err(FileError::Misuse) => {}
    }
    // What was read is sent on; then the cut.
    exchange.flush().await.map_err(|_| Served::ClientGone)?;
    Err(Served::Cut)
}

/// Answers with a directory's listing.
pub(super) async fn page(
    site: &Site,
    page: &Bytes,
    exchange: &Exchange<'_>,
    request_id: &str,
) -> Served {
    let mut fields = Fields::new();
    fields.add("content-type", "text/html; charset=utf-8");
    fields.add("x-content-type-options", "nosniff");
    if site.options.nocache {
        nocache(&mut fields);
    } else {
        fields.add("cache-control", "no-cache");
    }
    let sent = exchange.send_head(200, Some(page.len() as u64), request_id, fields.iter());
    let queued = sent
        .map_err(|error| broken(&error))
        .and_then(|()| queue(exchange, page.clone()));
    finish(
        queued.map_or_else(|served| served, |()| Served::Complete),
        exchange,
    )
    .await
}
