//! Whether a response's body is as long as its `content-length` says. One that is not would be cut by a gateway, or would wait for more,
//! and its handler would never hear why.

use std::cell::Cell;

use flatend_codec::HeaderBlock;

use super::body_error::WriteError;

/// The length of one response's body: announced, and written so far.
pub(super) struct BodyLength {
    /// The answer to HEAD: it says how long the body would be.
    head_only: bool,
    announced: Cell<Option<u64>>,
    written: Cell<u64>,
    /// It was found to be wrong.
    broken: Cell<bool>,
}

impl BodyLength {
    /// For the answer to a request with these headers.
    pub(super) fn new(request: &HeaderBlock) -> BodyLength {
        BodyLength {
            head_only: request.get(b":method") == Some(b"HEAD"),
            announced: Cell::new(None),
            written: Cell::new(0),
            broken: Cell::new(false),
        }
    }

    /// The head is about to leave, or will be: takes what it says.
    ///
    /// # Errors
    /// [`WriteError::BadHeader`]: a length that is no number, or two that differ.
    pub(super) fn announce(&self, headers: &HeaderBlock) -> Result<(), WriteError> {
        let mut lengths = headers
            .iter()
            .filter(|(name, _)| *name == b"content-length")
            .map(|(_, value)| value);
        let Some(first) = lengths.next() else {
            self.announced.set(None);
            return Ok(());
        };
        if lengths.any(|other| other != first) {
            self.broken.set(true);
            return Err(WriteError::BadHeader(
                "the response has two content-lengths that differ".to_owned(),
            ));
        }
        let digits = first.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(first).ok().filter(|_| digits);
        let Some(length) = number.and_then(|number| number.parse().ok()) else {
            self.broken.set(true);
            return Err(WriteError::BadHeader(format!(
                "the content-length '{}' is no number of bytes",
                first.escape_ascii()
            )));
        };
        // Nothing follows these, whatever length they tell of (RFC 9110, 8.6).
        let bodiless = matches!(headers.get(b":status"), Some(b"204" | b"304"));
        let counts = !self.head_only && !bodiless;
        self.announced.set(counts.then_some(length));
        Ok(())
    }

    /// Whether `bytes` more are announced.
    ///
    /// # Errors
    /// [`WriteError::Length`].
    pub(super) fn has_room(&self, bytes: usize) -> Result<(), WriteError> {
        let written = self.written.get().saturating_add(bytes as u64);
        match self.announced.get() {
            Some(announced) if written > announced => self.wrong(announced, written),
            _ => Ok(()),
        }
    }

    pub(super) fn note_written(&self, bytes: usize) {
        self.written.set(self.written.get() + bytes as u64);
    }

    /// Whether all that was announced has been written.
    ///
    /// # Errors
    /// [`WriteError::Length`].
    pub(super) fn is_whole(&self) -> Result<(), WriteError> {
        let written = self.written.get();
        match self.announced.get() {
            Some(announced) if written < announced => self.wrong(announced, written),
            _ => Ok(()),
        }
    }

    /// Whether `bytes` are the whole body that was announced.
    ///
    /// # Errors
    /// [`WriteError::Length`].
    pub(super) fn is_all(&self, bytes: usize) -> Result<(), WriteError> {
        match self.announced.get() {
            Some(announced) if bytes as u64 != announced => self.wrong(announced, bytes as u64),
            _ => Ok(()),
        }
    }

    /// Whether it was wrong at any time.
    pub(super) fn was_broken(&self) -> bool {
        self.broken.get()
    }

    fn wrong(&self, announced: u64, written: u64) -> Result<(), WriteError> {
        self.broken.set(true);
        Err(WriteError::Length { announced, written })
    }
}
