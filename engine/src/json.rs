//! JSON strings, for answers that are too small for a serializer.

/// `text` as a JSON string, quotes included (RFC 8259 section 7).
pub fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted() {
        assert_eq!(
            json_string("a \"b\" \\ \n é"),
            "\"a \\\"b\\\" \\\\ \\u000a é\""
        );
    }
}
