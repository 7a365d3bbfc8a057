//! Which headers a handler may set: what a gateway can say in HTTP. What is carried on from another provider is not looked at here.

use super::body_error::WriteError;
use crate::blocks::ends_a_line;

/// Whether the header may stand in a response.
///
/// # Errors
/// [`WriteError::BadHeader`]: a name with a colon, `:status` among them, with white space or what else no name has, or a value that
/// would end its line.
pub(super) fn check(name: &str, value: &str) -> Result<(), WriteError> {
    let bad = |why: String| Err(WriteError::BadHeader(why));
    let shown = name.get(..40).unwrap_or(name).escape_debug();
    if name.starts_with(':') {
        return bad(format!(
            "'{shown}' cannot be set as a header: names with a colon are the protocol's own; set_status sets the status"
        ));
    }
    // An empty one, and one that is too long, have errors of their own. What is not ASCII is left to whoever says it in HTTP.
    if let Some(byte) = name.bytes().find(|byte| ends_a_name(*byte)) {
        return bad(format!(
            "'{shown}' is no name of a header: '{}' has no place in one",
            byte.escape_ascii()
        ));
    }
    match value.bytes().find(|byte| ends_a_line(*byte)) {
        Some(byte) => bad(format!(
            "the value of '{shown}' has '{}' in it, which would end the header",
            byte.escape_ascii()
        )),
        None => Ok(()),
    }
}

fn ends_a_name(byte: u8) -> bool {
    byte == b':' || byte == b' ' || byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_http_cannot_say_is_refused_and_its_neighbours_pass() {
        let why = |name, value| check(name, value).expect_err(name).to_string();
        assert!(why(":status", "101").contains("set_status"));
        for name in ["a:b", "a b", "a\r\nb", "a\u{7f}"] {
            assert!(why(name, "v").contains("no name of a header"), "{name}");
        }
        for value in ["a\r\nset-cookie: b=1", "a\nb", "a\0"] {
            assert!(why("x-a", value).contains("x-a"), "{value}");
        }
        for (name, value) in [("x-a", "a\tb \u{e4}"), ("!#$%&'*+-.^_`|~09az\u{e4}", "")] {
            assert_eq!(check(name, value), Ok(()));
        }
    }
}
