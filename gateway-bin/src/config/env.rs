//! `${NAME}` and `${NAME:-default}` in string values, `$$` for a dollar sign.
//!
//! Owns the replacement after the file was parsed, so a variable's value can never change the file's structure.
//! Refuses to guess: a variable that is not set and has no default is an error. A dollar sign before anything
//! else than `{` or `$` stands for itself. What was put in is not looked at again.

/// Looks a variable up: `None` if it is not set.
pub type Lookup<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// A string after replacement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Expanded {
    /// The text.
    pub(super) text: String,
    /// At least one variable stood in it.
    pub(super) substituted: bool,
}

impl Expanded {
    /// Whether variables left nothing.
    pub(super) fn is_emptied(&self) -> bool {
        self.substituted && self.text.is_empty()
    }
}

/// Replaces the variables in `raw`.
///
/// # Errors
/// A sentence that says what is wrong and what to write instead.
pub(super) fn expand(raw: &str, lookup: &Lookup<'_>) -> Result<Expanded, String> {
    let mut text = String::with_capacity(raw.len());
    let mut substituted = false;
    let mut rest = raw;
    while let Some(dollar) = rest.find('$') {
        text.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let Some(end) = after.find('}') else {
                return Err(
                    "`${` has no closing brace: write `${NAME}`, or `$$` for a dollar sign"
                        .to_owned(),
                );
            };
            text.push_str(&variable(&after[..end], lookup)?);
            substituted = true;
            rest = &after[end + 1..];
        } else {
            text.push('$');
        }
    }
    text.push_str(rest);
    Ok(Expanded { text, substituted })
}

fn variable(inside: &str, lookup: &Lookup<'_>) -> Result<String, String> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    if !is_name(name) {
        return Err(format!(
            "`${{{inside}}}` does not name a variable: write `${{NAME}}` or `${{NAME:-default}}` with letters, digits and `_`"
        ));
    }
    match (lookup(name), default) {
        // As in a shell, `:-` also stands in for a variable that is empty.
        (Some(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Some(value), _) => Ok(value),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "the environment variable `{name}` is not set: set it, or write `${{{name}:-default}}`"
        )),
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("3000".to_owned()),
            "EMPTY" => Some(String::new()),
            "NESTED" => Some("${PORT}".to_owned()),
            _ => None,
        }
    }

    fn text(raw: &str) -> String {
        expand(raw, &lookup).unwrap().text
    }

    #[test]
    fn variables_are_replaced_and_dollars_escaped() {
        assert_eq!(text(":${PORT}"), ":3000");
        assert_eq!(text("${PORT}${PORT}"), "30003000");
        assert_eq!(text("$${PORT}"), "${PORT}");
        assert_eq!(text("$$$$"), "$$");
        assert_eq!(text("a$b $"), "a$b $");
        assert_eq!(text("ü${PORT}ü"), "ü3000ü");
    }

    #[test]
    fn a_default_stands_in_for_unset_and_empty() {
        assert_eq!(text("${NONE:-x}"), "x");
        assert_eq!(text("${EMPTY:-x}"), "x");
        assert_eq!(text("${PORT:-x}"), "3000");
        assert_eq!(text("${EMPTY}"), "");
        assert_eq!(text("${NONE:-}"), "");
        assert_eq!(text("${NONE:-a:-b}"), "a:-b");
    }

    #[test]
    fn a_value_is_not_looked_at_again() {
        assert_eq!(text("${NESTED}"), "${PORT}");
    }

    #[test]
    fn whether_a_variable_was_replaced_is_known() {
        assert!(expand("${PORT}", &lookup).unwrap().substituted);
        assert!(expand("${NONE:-3}", &lookup).unwrap().substituted);
        assert!(!expand("3000$$", &lookup).unwrap().substituted);
    }

    #[test]
    fn mistakes_say_what_to_write() {
        let refused = |raw: &str| expand(raw, &lookup).unwrap_err();
        assert!(
            refused("${NONE}").contains("`NONE` is not set: set it, or write `${NONE:-default}`")
        );
        assert!(refused("${PORT").contains("no closing brace"));
        assert!(refused("${}").contains("does not name a variable"));
        assert!(refused("${1A}").contains("does not name a variable"));
        assert!(refused("${A B}").contains("does not name a variable"));
        assert!(refused("${A-b}").contains("does not name a variable"));
    }
}
