//! Errors of the system as words for a log line or an answer.

use std::fmt::Display;

/// An error of the system in plain words: in lower case, without its number.
#[must_use]
pub fn io_words(error: &dyn Display) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_goes_and_other_texts_stay() {
        let error = std::io::Error::from_raw_os_error(111);
        assert_eq!(io_words(&error), "connection refused");
        assert_eq!(io_words(&"No Such Thing"), "No Such Thing");
    }
}
