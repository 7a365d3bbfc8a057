//! How a handler fails: a status and a sentence, made from any error with `?`.

use std::error::Error;
use std::fmt;
use std::io;

use super::body_error::ReadError;
use crate::client::ResponseError;
use crate::error::{CallError, Fault};

/// An error of a handler: becomes a JSON response `{"error": …}` with the status, if nothing was sent yet; a response that has
/// begun is cut, so that nobody takes it for whole. **The caller reads the message.**
///
/// `?` makes one of any error, its text as the message. The status: 413 for [`ReadError::TooLarge`], 400 for
/// [`ReadError::Json`]; for a call to another service what a gateway says: 503 without a provider or before anything left, 504 for
/// [`CallError::TimedOut`] and a deadline, 431 for a head that is too large, 502 otherwise; 500 for all else. [`OrStatus`] gives another status:
///
/// ```
/// use flatend::{Context, HandlerError, OrStatus};
///
/// async fn square(context: Context) -> Result<(), HandlerError> {
///     let number = context.query("n").or_status(400, "say ?n=NUMBER")?;
///     let number: i64 = number.parse().or_status(400, "n is not a number")?;
///     let square = number.checked_mul(number).ok_or(HandlerError::new("too large"))?;
///     context.send(square.to_string()).await
/// }
/// # let _ = flatend::Node::builder().service("square", square);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerError {
    status: u16,
    message: String,
    /// No handler made it: a node on the way has found no answer.
    of_relay: bool,
}

impl HandlerError {
    /// Status 500 with `message`, which the caller sees.
    pub fn new(message: impl Into<String>) -> HandlerError {
        HandlerError::with_status(500, message)
    }

    /// `message` with an HTTP status of its own, 200 to 599; any other number becomes 500.
    pub fn with_status(status: u16, message: impl Into<String>) -> HandlerError {
        HandlerError {
            status: if is_status(status) { status } else { 500 },
            message: message.into(),
            of_relay: false,
        }
    }

    /// What a node that relays says itself.
    pub(super) fn of_relay(status: u16, message: impl Into<String>) -> HandlerError {
        HandlerError {
            of_relay: true,
            ..HandlerError::with_status(status, message)
        }
    }

    pub(super) fn is_of_relay(&self) -> bool {
        self.of_relay
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What the caller reads.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Whether a response may have this status: of those below 200 another one follows.
pub(super) fn is_status(status: u16) -> bool {
    (200..=599).contains(&status)
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.message, self.status)
    }
}

impl<E: Error + 'static> From<E> for HandlerError {
    fn from(error: E) -> HandlerError {
        HandlerError::with_status(status_of(&error), error.to_string())
    }
}

/// The status that an error of our own stands for, also inside of the I/O error of a reader.
fn status_of(error: &(dyn Error + 'static)) -> u16 {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return error.get_ref().map_or(500, |inner| status_of(inner));
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            ReadError::TooLarge { .. } => 413,
            ReadError::Json(_) => 400,
            ReadError::Cut(_) | ReadError::HandlerEnded => 500,
        };
    }
    match error.downcast_ref() {
        Some(error) => CallError::status(error),
        None => of_response(error),
    }
}

/// The status of a response that could not be read; 500 for what is no error of ours.
fn of_response(error: &(dyn Error + 'static)) -> u16 {
    match error.downcast_ref() {
        Some(ResponseError::Cut(Fault::DeadlinePassed)) => 504,
        Some(_) => 502,
        None => 500,
    }
}

/// Gives what may be missing or fail a status and a sentence for the caller.
pub trait OrStatus<T> {
    /// The value, or an error with `status` and `message`; an error's own text follows the message.
    ///
    /// # Errors
    /// When there is no value.
    fn or_status(self, status: u16, message: &str) -> Result<T, HandlerError>;
}

impl<T> OrStatus<T> for Option<T> {
    fn or_status(self, status: u16, message: &str) -> Result<T, HandlerError> {
        self.ok_or_else(|| HandlerError::with_status(status, message))
    }
}

impl<T, E: fmt::Display> OrStatus<T> for Result<T, E> {
    fn or_status(self, status: u16, message: &str) -> Result<T, HandlerError> {
        self.map_err(|error| HandlerError::with_status(status, format!("{message}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(error: impl Error + 'static) -> (u16, String) {
        let error = HandlerError::from(error);
        (error.status(), error.message().to_owned())
    }

    #[test]
    fn errors_of_bodies_carry_their_status_through_readers_too() {
        let large = ReadError::TooLarge { limit_bytes: 7 };
        let sentence = "the body is larger than the limit of 7 bytes";
        assert_eq!(made(large.clone()), (413, sentence.to_owned()));
        assert_eq!(made(io::Error::from(large)), (413, sentence.to_owned()));
        assert_eq!(made(ReadError::Json(String::new())).0, 400);
        assert_eq!(made(ReadError::Cut(Fault::Refused)).0, 500);
        assert_eq!(made(CallError::NoProvider).0, 503);
        assert_eq!(made(CallError::TimedOut).0, 504);
        let lost = |left| CallError::Broken(Fault::LinkLost { left });
        assert_eq!((made(lost(false)).0, made(lost(true)).0), (503, 502));
        let large = CallError::HeadTooLarge {
            bytes: 2,
            max_bytes: 1,
        };
        assert_eq!(made(large).0, 431);
        let late = ResponseError::Cut(Fault::DeadlinePassed);
        assert_eq!(made(late).0, 504);
        assert_eq!(made(CallError::Broken(Fault::Refused)).0, 502);
        assert_eq!(made(ResponseError::Json(String::new())).0, 502);
        assert_eq!(made(io::Error::other("disk")), (500, "disk".to_owned()));
    }

    #[test]
    fn the_first_and_the_last_status_pass_and_their_neighbours_do_not() {
        for (status, becomes) in [(199, 500), (200, 200), (599, 599), (600, 500)] {
            assert_eq!(HandlerError::with_status(status, "").status(), becomes);
        }
    }

    #[test]
    fn what_is_missing_gets_a_status_and_what_failed_its_reason() {
        let missing = None::<u8>.or_status(404, "no such thing").unwrap_err();
        assert_eq!(missing, HandlerError::with_status(404, "no such thing"));
        let failed = "x".parse::<u8>().or_status(400, "n is no number");
        assert_eq!(
            failed.unwrap_err().message(),
            "n is no number: invalid digit found in string"
        );
        assert_eq!(Some(1).or_status(404, ""), Ok(1));
    }
}
