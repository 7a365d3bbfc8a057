//! The head of a response, wherever it is read: its status and headers.

use flatend_codec::HeaderBlock;

use crate::blocks::ends_a_line;
use crate::error::CallError;

/// The head of a response: what the service said before its body. Names are in lower case.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    headers: HeaderBlock,
    status: u16,
}

impl ResponseHead {
    /// Reads the status, and looks that no header would be two where somebody passes it on.
    ///
    /// # Errors
    /// [`CallError::BadResponse`]: there is a status and it is none, or a header with a line break in it.
    pub(crate) fn new(headers: HeaderBlock) -> Result<ResponseHead, CallError> {
        let status = match headers.get(b":status") {
            None => 200,
            Some(text) => parse_status(text).ok_or_else(|| {
                CallError::BadResponse(format!(
                    "its status is '{}': a number from 100 to 999 is possible",
                    text.escape_ascii()
                ))
            })?,
        };
        let broken = |part: &[u8]| part.iter().any(|byte| ends_a_line(*byte));
        if let Some((name, _)) = headers
            .iter()
            .find(|(name, value)| broken(name) || broken(value))
        {
            return Err(CallError::BadResponse(format!(
                "its header '{}' has a line break or a NUL in it",
                name.get(..40).unwrap_or(name).escape_ascii()
            )));
        }
        Ok(ResponseHead { headers, status })
    }

    /// The status as a gateway would answer with it: the service's `:status`, and 200 where it set none.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All headers in order, repeated names and `:status` included.
    pub fn headers(&self) -> &HeaderBlock {
        &self.headers
    }

    /// The first header of that name in any case, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_all(name).next()
    }

    /// All headers of that name in any case, in order; those that are not UTF-8 are passed over.
    pub fn header_all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.headers
            .iter()
            .filter(move |(have, _)| have.eq_ignore_ascii_case(name.as_bytes()))
            .filter_map(|(_, value)| std::str::from_utf8(value).ok())
    }
}

fn parse_status(text: &[u8]) -> Option<u16> {
    match text {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |byte: &u8| u16::from(byte - b'0');
            Some(digit(a) * 100 + digit(b) * 10 + digit(c))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: Option<&str>) -> Result<ResponseHead, CallError> {
        let mut headers = HeaderBlock::new();
        for (name, value) in [("a", "1"), ("b", "x"), ("a", "2")] {
            headers
                .push(name.as_bytes(), value.as_bytes())
                .expect("it fits");
        }
        if let Some(status) = status {
            headers
                .push(b":status", status.as_bytes())
                .expect("it fits");
        }
        ResponseHead::new(headers)
    }

    #[test]
    fn a_status_is_three_digits_and_200_where_there_is_none() {
        assert_eq!(head(None).expect("fine").status(), 200);
        for (text, status) in [("100", 100), ("404", 404), ("999", 999)] {
            assert_eq!(head(Some(text)).expect("fine").status(), status);
        }
        for text in ["", "20", "2000", "+20", "099", "2x0", " 200"] {
            let error = head(Some(text)).expect_err("no status");
            assert!(error.to_string().contains("status"), "{text}: {error}");
        }
    }

    #[test]
    fn headers_of_one_name_keep_their_order() {
        let head = head(None).expect("fine");
        assert_eq!(head.header("a"), Some("1"));
        assert_eq!(head.header("A"), Some("1"));
        assert!(head.header_all("a").eq(["1", "2"]));
    }

    #[test]
    fn a_header_that_would_be_two_lines_is_refused() {
        for (name, value) in [
            ("a", "1\r\nset-cookie: b=2"),
            ("a", "\n"),
            ("a", "\0"),
            ("a\rb", ""),
        ] {
            let mut headers = HeaderBlock::new();
            headers
                .push(name.as_bytes(), value.as_bytes())
                .expect("it fits");
            let error = ResponseHead::new(headers).expect_err("two lines");
            assert!(error.to_string().contains("line break"), "{error}");
        }
    }
}
