//! What the TOML parser says, as what to write instead.
//!
//! Owns the translation, and that one slip gives one message: after the first error of a line the parser guesses.

use toml::de::Error;

use super::diag::Findings;

/// How a parser's message begins, and ours. Compared in this order.
const ADVICE: [(&str, &str); 19] = [
    ("duplicate key", "this key or section stands twice: write it once, and sections that may repeat as [[name]]"),
    ("string values must be quoted", "this value is not TOML: write strings in quotes, such as key = \"value\""),
    ("invalid float", "this is no number: write strings in quotes, such as addr = \"127.0.0.1:9000\""),
    ("invalid integer", "this is no number: write strings in quotes, and numbers with digits alone"),
    ("unexpected leading zero", "a number does not begin with 0: write it without, or in quotes if it is a string"),
    ("invalid boolean", "this is no boolean: write true or false, in lower case"),
    ("invalid basic string", "the string is not closed, or holds a control character: write a quote at its end"),
    ("invalid literal string", "the string is not closed, or holds a control character: write a quote at its end"),
    ("invalid multi-line", "the string is not closed: write three quotes at its end"),
    ("missing escaped value", "this escape is not known: write \\\\ for a backslash"),
    ("key with no value", "the key has no value: write key = value"),
    ("unquoted keys cannot be empty", "a key is missing: write key = value"),
    ("invalid unquoted key", "this is not a key: write key = value, the key of letters, digits, - and _, comments after #"),
    ("invalid key-value pair", "this is not TOML: write key = value, or [section]"),
    ("unclosed table", "the section's bracket is not closed: write ]"),
    ("unclosed array table", "the section's brackets are not closed: write ]]"),
    ("unexpected key or value", "this does not belong on this line: write it on a line of its own"),
    ("missing comma between array elements", "write a comma between the values of an array, or ] after the last"),
    ("unclosed array", "the array is not closed: write ] after its last value"),
];

/// Notes the parser's errors, the first of each line.
pub(super) fn note(errors: &[Error], findings: &mut Findings<'_>) {
    let mut spans: Vec<_> = errors
        .iter()
        .map(|error| (error.span().unwrap_or(0..0), error.message()))
        .collect();
    spans.sort_by_key(|(span, _)| span.start);
    let mut last_line = 0;
    for (span, message) in spans {
        let line = findings.position(span.start).line;
        if line != last_line {
            findings.error(span, advice(message));
            last_line = line;
        }
    }
}

fn advice(message: &str) -> String {
    match ADVICE.iter().find(|(begin, _)| message.starts_with(begin)) {
        Some((_, ours)) => (*ours).to_owned(),
        None => {
            let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("this is not TOML ({message}): write key = value, or [section]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::DeTable;

    fn messages(text: &str) -> Vec<String> {
        let (_, errors) = DeTable::parse_recoverable(text);
        let mut findings = Findings::new(text);
        note(&errors, &mut findings);
        findings
            .into_sorted()
            .iter()
            .map(|found| found.line("f"))
            .collect()
    }

    /// The parser's own words never reach the user for the slips that people make; a new release of it that
    /// words them otherwise fails here.
    #[test]
    fn common_slips_have_advice() {
        for (text, at, want) in [
            ("addr = :3000\n", "f:1:8: ", "write strings in quotes"),
            (
                "addr = 127.0.0.1:9000\n",
                "f:1:13: ",
                "write strings in quotes",
            ),
            ("addr = \"x\n", "f:1:10: ", "write a quote at its end"),
            ("addr = 'x\n", "f:1:10: ", "write a quote at its end"),
            ("addr \"x\"\n", "f:1:6: ", "write key = value"),
            ("[http\n", "f:1:6: ", "write ]"),
            ("[[http]\n", "f:1:8: ", "write ]]"),
            ("= 3\n", "f:1:1: ", "a key is missing"),
            ("// x\n", "f:1:1: ", "comments after #"),
            ("a = \"x\"; b = 2\n", "f:1:8: ", "on a line of its own"),
            ("a = [\"x\" \"y\"]\n", "f:1:10: ", "write a comma"),
            ("a = \"\\q\"\n", "f:1:7: ", "for a backslash"),
            ("a = 1\na = 2\n", "f:2:1: ", "stands twice"),
            ("a = True\n", "f:1:5: ", "in lower case"),
            ("a = 01\n", "f:1:5: ", "without"),
        ] {
            let found = messages(text);
            let [line] = found.as_slice() else {
                panic!("{text}: {found:?}")
            };
            assert!(
                line.starts_with(at) && line.contains(want),
                "{text}: {line}"
            );
            assert!(!line.contains("expected"), "the parser's own words: {line}");
        }
    }

    #[test]
    fn slips_on_two_lines_are_both_told() {
        assert_eq!(messages("a = :1\nb = :2\n").len(), 2);
    }
}
