//! Texts that clients choose, made harmless: whatever they hold, a line stays one line of printable ASCII and a value stays
//! in its quotes.

use flatend_http::server::Text;

/// What ends a value that was too long. In the text form a backslash of the client's own is doubled, so this is ours.
const CUT: &[u8] = b"\\...";

/// Appends `"value"` for the text form: quotes and backslashes with a backslash, all that is not printable ASCII as `\xHH`.
pub(super) fn quoted(out: &mut Vec<u8>, value: Option<Text<'_>>) {
    out.push(b'"');
    pushed(out, value);
    out.push(b'"');
}

/// As [`quoted`], without the quotes: for values that share them.
pub(super) fn pushed(out: &mut Vec<u8>, value: Option<Text<'_>>) {
    let Some(value) = value else {
        return out.push(b'-');
    };
    let mut rest = value.bytes;
    while let Some(at) = rest.iter().position(|&byte| !is_plain(byte)) {
        let (plain, odd) = rest.split_at(at);
        out.extend_from_slice(plain);
        match odd {
            [byte @ (b'"' | b'\\'), ..] => out.extend([b'\\', *byte]),
            [byte, ..] => out.extend([b'\\', b'x', hex(byte >> 4), hex(byte & 0xf)]),
            [] => {}
        }
        rest = odd.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    if value.is_cut {
        out.extend_from_slice(CUT);
    }
}

/// Appends a JSON string in ASCII, or `null`: other characters as `\uHHHH`, bytes that are no UTF-8 as `\ufffd`.
pub(super) fn json(out: &mut Vec<u8>, value: Option<Text<'_>>) {
    let Some(value) = value else {
        return out.extend_from_slice(b"null");
    };
    out.push(b'"');
    for chunk in value.bytes.utf8_chunks() {
        json_text(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    if value.is_cut {
        out.extend_from_slice(b"...");
    }
    out.push(b'"');
}

fn json_text(out: &mut Vec<u8>, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !is_plain(byte)) {
        let (plain, odd) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = odd.chars();
        match characters.next() {
            Some(character @ ('"' | '\\')) => out.extend([b'\\', character as u8]),
            Some(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(b"\\u");
                    for shift in [12, 8, 4, 0] {
                        out.push(hex((*unit >> shift) as u8 & 0xf));
                    }
                }
            }
            None => {}
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn hex(digit: u8) -> u8 {
    match digit {
        0..=9 => b'0' + digit,
        _ => b'a' + (digit & 0xf) - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &[u8] = b"a \"b\" \\ \n\r\x1b[2J\x7f \xc3\xbc \xff \xf0\x9d\x84\x9e";

    fn of(escape: fn(&mut Vec<u8>, Option<Text<'_>>), bytes: &[u8], is_cut: bool) -> String {
        let mut out = Vec::new();
        escape(&mut out, Some(Text { bytes, is_cut }));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_leaves_its_quotes_or_its_line() {
        assert_eq!(
            of(quoted, ODD, false),
            r#""a \"b\" \\ \x0a\x0d\x1b[2J\x7f \xc3\xbc \xff \xf0\x9d\x84\x9e""#
        );
        assert_eq!(
            of(json, ODD, false),
            r#""a \"b\" \\ \u000a\u000d\u001b[2J\u007f \u00fc \ufffd \ud834\udd1e""#
        );
    }

    #[test]
    fn what_was_cut_says_so_and_what_is_unknown_too() {
        assert_eq!(of(quoted, b"/long\\", true), r#""/long\\\...""#);
        assert_eq!(of(json, b"/long", true), r#""/long...""#);
        let mut out = Vec::new();
        quoted(&mut out, None);
        json(&mut out, None);
        assert_eq!(out, b"\"-\"null");
    }

    #[test]
    fn every_byte_gives_printable_ascii() {
        for byte in 0..=255 {
            for escape in [quoted, json] {
                let text = of(escape, &[b'a', byte, b'z'], false);
                assert!(text.bytes().all(|b| matches!(b, b' '..=b'~')), "{byte}");
                assert!(text.starts_with("\"a") && text.ends_with("z\""), "{text}");
            }
        }
    }
}
