//! Reads the few lines of a response's head that a load test needs.
//!
//! Pure. Refuses what it does not understand, with a sentence.

/// What a head says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) chunked: bool,
    /// No other response follows on this connection.
    pub(super) close: bool,
}

impl Head {
    /// Parses a head; it ends with the line end of its last field.
    ///
    /// # Errors
    /// A sentence: what is not understood.
    pub(super) fn parse(head: &[u8]) -> Result<Head, String> {
        let first_end = memchr::memchr(b'\n', head).unwrap_or(head.len());
        let (first, mut rest) = head.split_at(first_end);
        let status = first
            .strip_prefix(b"HTTP/1.1 ")
            .or_else(|| first.strip_prefix(b"HTTP/1.0 "))
            .and_then(|after| std::str::from_utf8(after.get(..3)?).ok()?.parse().ok())
            .ok_or_else(|| {
                format!(
                    "'{}' is no status line",
                    String::from_utf8_lossy(first).trim()
                )
            })?;
        let mut parsed = Head {
            status,
            length: None,
            chunked: false,
            close: first.starts_with(b"HTTP/1.0"),
        };
        while let Some((_, line_on)) = rest.split_first() {
            let end = memchr::memchr(b'\n', line_on).unwrap_or(line_on.len());
            let (line, after) = line_on.split_at(end);
            parsed.field(line)?;
            rest = after;
        }
        Ok(parsed)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), String> {
        // Most fields are none of ours: their first letter says so.
        match line.first() {
            Some(b'c' | b'C' | b't' | b'T') => {}
            _ => return Ok(()),
        }
        let Some(colon) = memchr::memchr(b':', line) else {
            return Ok(());
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.parse().ok());
            let length = length.ok_or_else(|| {
                format!("'{}' is no content-length", String::from_utf8_lossy(value))
            })?;
            // RFC 9112 6.3: nobody knows where such a response ends.
            if let Some(other) = self.length.filter(|other| *other != length) {
                return Err(format!(
                    "the response has two content-lengths, {other} and {length}"
                ));
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = value.eq_ignore_ascii_case(b"chunked");
            if !self.chunked {
                return Err(format!(
                    "transfer-encoding '{}' is not known here",
                    String::from_utf8_lossy(value)
                ));
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.close = value.eq_ignore_ascii_case(b"close");
        }
        Ok(())
    }
}
