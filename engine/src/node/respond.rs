//! The context's way to answer: status and headers first, then a body as a whole or in pieces.

use std::io::{self, Read};
use std::path::Path;
use std::pin::pin;

use futures_io::AsyncRead;
use serde::Serialize;

use super::body_error::WriteError;
use super::body_io::ResponseWriter;
use super::context::Context;
use super::handler_error::{is_status, HandlerError};
use super::response_header;
use crate::limits::{BLOCKING_PIECE_BYTES, PIPE_PIECE_BYTES};
use crate::rt;

impl Context {
    /// Sets a response header in place of all of that name; the name becomes lower case.
    ///
    /// # Errors
    /// [`WriteError::HeadSent`] after the first write, [`WriteError::Header`] for a name outside of 1 to 255 bytes or a value
    /// over 65,535, [`WriteError::BadHeader`] for what HTTP cannot say: a name with a colon or a space in it, a value with a line
    /// break. Nothing is changed then. A `content-length` that is not the length of the body is an error of the write that shows it.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        response_header::check(name, value)?;
        self.reply.set_header(&name.to_ascii_lowercase(), value)
    }

    /// Adds a response header beside those of the same name: `set-cookie`, say.
    ///
    /// # Errors
    /// As [`Context::set_header`].
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        response_header::check(name, value)?;
        self.reply.add_header(&name.to_ascii_lowercase(), value)
    }

    /// Adds a header behind the response's body, where it has one to say only then: a checksum, the outcome of a stream. The name
    /// becomes lower case. A caller on legacy does not get it; an HTTP client of a gateway gets it behind a chunked body if it has said
    /// `TE: trailers`. A response with trailers gets no `content-length` from [`Context::send`].
    ///
    /// ```
    /// # let _ = flatend::Node::builder().service("count", |mut context| async move {
    /// let mut bytes = 0;
    /// while let Some(piece) = context.read().await? {
    ///     bytes += piece.len();
    ///     context.write(&piece).await?;
    /// }
    /// context.add_trailer("x-bytes", &bytes.to_string())?;
    /// Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`Context::set_header`]; [`WriteError::Gone`] after the end.
    pub fn add_trailer(&mut self, name: &str, value: &str) -> Result<(), WriteError> {
        response_header::check(name, value)?;
        self.reply.add_trailer(&name.to_ascii_lowercase(), value)
    }

    /// Sets the HTTP status that a gateway answers with; 200 if never set. It is the header `:status`.
    ///
    /// # Errors
    /// [`WriteError::Status`] outside of 200 to 599; else as [`Context::set_header`].
    pub fn set_status(&mut self, status: u16) -> Result<(), WriteError> {
        if !is_status(status) {
            return Err(WriteError::Status(status));
        }
        self.reply.set_header(":status", &status.to_string())
    }

    /// Sends status and headers now, ahead of the body: for an event stream that has no event yet, say. A caller on legacy gets them
    /// with the first write, as without it.
    ///
    /// ```
    /// # let _ = flatend::Node::builder().service("events", |mut context| async move {
    /// # async fn next_event() -> Option<String> { None }
    /// context.set_header("content-type", "text/event-stream")?;
    /// context.start()?;
    /// while let Some(event) = next_event().await {
    ///     context.write(event).await?;
    /// }
    /// Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`Context::write`].
    pub fn start(&mut self) -> Result<(), WriteError> {
        self.reply.start()
    }

    /// Writes a piece of the response's body, all of it; waits while the link is full (256 KiB) and lets other tasks of the
    /// shard run after as much. The first piece takes status and headers along; an empty one does nothing.
    ///
    /// ```
    /// # let _ = flatend::Node::builder().service("count", |mut context| async move {
    /// context.set_header("content-type", "text/plain")?;
    /// for i in 0..1_000 {
    ///     context.write(format!("{i}\n")).await?;
    /// }
    /// Ok(())
    /// # });
    /// ```
    ///
    /// A response without a `content-length` should not fall silent for a second between its head and its first piece, which is
    /// why they travel together: old nodes send no end for an empty body, so silence is taken for one.
    ///
    /// # Errors
    /// [`WriteError::Gone`] when the caller has gone: stop. [`WriteError::HeadTooLarge`]. [`WriteError::Length`] when it is more than
    /// the `content-length` that was set.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), WriteError> {
        self.reply.write(bytes.as_ref()).await
    }

    /// Writes the whole response, or its last piece, and ends it. If nothing was written before, `content-length` is set.
    ///
    /// # Errors
    /// As [`Context::write`].
    pub async fn send(self, bytes: impl AsRef<[u8]>) -> Result<(), HandlerError> {
        let bytes = bytes.as_ref();
        if !self.reply.is_head_sent() {
            // The whole body is known: HTTP clients get its length instead of chunks, behind which alone there are trailers.
            if !self.reply.has_trailers() {
                self.reply
                    .suggest_header("content-length", || bytes.len().to_string())?;
            }
            self.reply.check_whole(bytes.len())?;
        }
        self.reply.write(bytes).await?;
        Ok(self.reply.finish()?)
    }

    /// Sends `value` as JSON and ends the response; `content-type` is `application/json` unless it was set.
    ///
    /// # Errors
    /// When `value` has no form in JSON (a map whose keys are no strings); else as [`Context::write`].
    pub async fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<(), HandlerError> {
        let text = serde_json::to_vec(value)?;
        if !self.reply.is_head_sent() {
            self.reply
                .suggest_header("content-type", || "application/json".to_owned())?;
        }
        self.send(text).await
    }

    /// Sends all that `reader` gives, 64 KiB at a time, and ends the response. The body of the request itself is
    /// [`Context::reader`]:
    ///
    /// ```
    /// # let _ = flatend::Node::builder().service("pipe", |context| async move {
    /// let body = context.reader();
    /// context.pipe(body).await
    /// # });
    /// ```
    ///
    /// # Errors
    /// What the reader says: the response is cut. As [`Context::write`].
    pub async fn pipe(self, reader: impl AsyncRead) -> Result<(), HandlerError> {
        let mut reader = pin!(reader);
        let mut buffer = vec![0; PIPE_PIECE_BYTES];
        loop {
            let read = std::future::poll_fn(|cx| reader.as_mut().poll_read(cx, &mut buffer));
            match read.await {
                Ok(0) => return Ok(self.reply.finish()?),
                Ok(n) => self.reply.write(&buffer[..n]).await?,
                Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// As [`Context::pipe`] for a reader that blocks: each 256 KiB are read on a thread of its own, so that the shard goes on.
    ///
    /// # Errors
    /// As [`Context::pipe`], and when no thread can be had or the reader panics.
    pub async fn pipe_blocking(
        self,
        reader: impl Read + Send + 'static,
    ) -> Result<(), HandlerError> {
        let (mut reader, mut buffer) = (reader, Vec::new());
        loop {
            let work = move || {
                buffer.clear();
                let mut piece = reader.by_ref().take(BLOCKING_PIECE_BYTES);
                let result = piece.read_to_end(&mut buffer);
                (reader, buffer, result)
            };
            let (back, bytes, result) = rt::run_blocking(work).await.map_err(HandlerError::new)?;
            result?;
            if bytes.is_empty() {
                return Ok(self.reply.finish()?);
            }
            self.reply.write(&bytes).await?;
            (reader, buffer) = (back, bytes);
        }
    }

    /// Sends the regular file at `path`, read through the shard's ring, and ends the response. `content-length` is its size,
    /// unless that was set; `content-type` is yours to set.
    ///
    /// # Errors
    /// Status 404 when there is no regular file at `path`; 500 with the system's reason when it cannot be read. A file that
    /// becomes shorter meanwhile cuts the response; one that grows is sent to its first size. As [`Context::write`].
    pub async fn send_file(self, path: impl AsRef<Path>) -> Result<(), HandlerError> {
        let file = rt::File::open(path.as_ref()).await.map_err(not_found)?;
        let stat = file.stat()?;
        if stat.kind != rt::FileKind::Regular {
            return Err(HandlerError::with_status(404, "this is not a regular file"));
        }
        if !self.reply.is_head_sent() {
            self.reply
                .suggest_header("content-length", || stat.bytes.to_string())?;
        }
        let mut sent = 0;
        while sent < stat.bytes {
            let left = usize::try_from(stat.bytes - sent).unwrap_or(usize::MAX);
            let bytes = file.read_at(sent, left).await?;
            if bytes.is_empty() {
                let what = "the file became shorter while it was sent";
                return Err(HandlerError::new(what));
            }
            self.reply.write(&bytes).await?;
            sent += bytes.len() as u64;
        }
        Ok(self.reply.finish()?)
    }

    /// The response for code that writes to an [`AsyncWrite`](futures_io::AsyncWrite). Its `close` ends the response; a handler
    /// that returns does so too.
    ///
    /// ```
    /// use futures_lite::AsyncWriteExt;
    ///
    /// # let _ = flatend::Node::builder().service("copy", |context| async move {
    /// let (mut reader, mut writer) = (context.reader(), context.writer());
    /// futures_lite::io::copy(&mut reader, &mut writer).await?;
    /// writer.close().await?;
    /// Ok(())
    /// # });
    /// ```
    pub fn writer(&self) -> ResponseWriter {
        ResponseWriter::new(self.reply.clone())
    }
}

fn not_found(err: io::Error) -> HandlerError {
    match err.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            HandlerError::with_status(404, "there is no such file")
        }
        _ => err.into(),
    }
}
