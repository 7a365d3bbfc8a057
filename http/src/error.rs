//! What a request can be refused for, and what a response can be refused for.
//!
//! Owns the error families: [`RequestError`] (the client is at fault; it carries the status
//! that it is answered with), [`ResponseError`] (the service, or whoever builds the response,
//! is at fault; a gateway answers 502) and [`UpstreamError`] (what an upstream sent is no response). Refuses to hold input bytes: every reason is a fixed
//! sentence, so that a client cannot choose the words of a log line or of an error page.

use std::fmt;

/// A limit that was reached, by the name under which an operator knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitHit {
    /// Name of the setting or of the constant in `limits.rs`.
    pub name: &'static str,
    /// Its value, in the unit that the reason names.
    pub value: u64,
}

/// Why a request is refused. After any of these the connection closes: its framing can no longer
/// be trusted. Displays as one short plain sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The status to answer with: 400, 408, 413, 414, 417, 431, 501 or 505.
    pub status: u16,
    /// A plain sentence without its full stop.
    pub reason: &'static str,
    /// The limit that was reached, if one was.
    pub limit: Option<LimitHit>,
}

impl RequestError {
    pub(crate) const fn new(status: u16, reason: &'static str) -> Self {
        RequestError {
            status,
            reason,
            limit: None,
        }
    }

    pub(crate) const fn bad(reason: &'static str) -> Self {
        RequestError::new(400, reason)
    }

    pub(crate) const fn limit(
        status: u16,
        reason: &'static str,
        name: &'static str,
        value: u64,
    ) -> Self {
        RequestError {
            status,
            reason,
            limit: Some(LimitHit { name, value }),
        }
    }

    /// The client sent nothing for longer than the named timeout allows (408).
    pub const fn timeout(name: &'static str, milliseconds: u64) -> Self {
        RequestError::limit(
            408,
            "The client took longer to send its request than the server waits",
            name,
            milliseconds,
        )
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)?;
        if let Some(limit) = self.limit {
            write!(f, " ({} = {})", limit.name, limit.value)?;
        }
        f.write_str(".")
    }
}

impl std::error::Error for RequestError {}

/// Why a response cannot be sent as it was given. The service is at fault, except for
/// [`ResponseError::Misuse`], which is a defect of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// The status is not a final one (200 to 599), or not an interim one where one is needed.
    Status(u16),
    /// A field name is not a token (RFC 9110 5.6.2).
    FieldName,
    /// A field value holds CR, LF, NUL or another control character (RFC 9110 5.5).
    FieldValue,
    /// More body than `content-length` announced; the connection must be cut.
    BodyTooLong,
    /// Less body than `content-length` announced; the connection must be cut.
    BodyTooShort,
    /// A call in a state that does not allow it.
    Misuse(&'static str),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::Status(status) => {
                write!(
                    f,
                    "The response has a status that cannot be sent ({status})."
                )
            }
            ResponseError::FieldName => {
                f.write_str("The response has a header field name that is not a token.")
            }
            ResponseError::FieldValue => {
                f.write_str("The response has a header field value with a control character.")
            }
            ResponseError::BodyTooLong => {
                f.write_str("The response body is longer than its content-length.")
            }
            ResponseError::BodyTooShort => {
                f.write_str("The response body is shorter than its content-length.")
            }
            ResponseError::Misuse(what) => write!(f, "The connection was misused: {what}."),
        }
    }
}

impl std::error::Error for ResponseError {}

/// Why the response of an upstream cannot be used; its connection closes. Displays as a clause that follows "the response
/// cannot be used:".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamError {
    /// The fault, without a full stop.
    pub reason: &'static str,
    /// The limit that was reached, if one was.
    pub limit: Option<LimitHit>,
}

impl UpstreamError {
    pub(crate) const fn new(reason: &'static str) -> Self {
        UpstreamError {
            reason,
            limit: None,
        }
    }

    pub(crate) const fn limit(reason: &'static str, name: &'static str, value: u64) -> Self {
        UpstreamError {
            reason,
            limit: Some(LimitHit { name, value }),
        }
    }
}

/// The decoder of bodies is the same for both sides.
impl From<RequestError> for UpstreamError {
    fn from(error: RequestError) -> Self {
        UpstreamError {
            reason: error.reason,
            limit: error.limit,
        }
    }
}

impl fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is a sentence to a client is a clause here.
        let (first, rest) = self.reason.split_at(self.reason.len().min(1));
        if rest.starts_with(|second: char| second == ' ' || second.is_lowercase()) {
            write!(f, "{}{rest}", first.to_ascii_lowercase())?;
        } else {
            f.write_str(self.reason)?;
        }
        match self.limit {
            Some(limit) => write!(f, " ({} = {})", limit.name, limit.value),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UpstreamError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_response_is_a_clause() {
        let clause = |reason| UpstreamError::from(RequestError::bad(reason)).to_string();
        assert_eq!(
            clause("A chunk size does not fit 64 bits"),
            "a chunk size does not fit 64 bits"
        );
        assert_eq!(clause("The trailers are"), "the trailers are");
        assert_eq!(clause("CRLF is missing"), "CRLF is missing");
        assert_eq!(clause("it sent"), "it sent");
        assert_eq!(clause(""), "");
        let limit = UpstreamError::limit("The head is too large", "x_max", 1);
        assert_eq!(limit.to_string(), "the head is too large (x_max = 1)");
    }
}
