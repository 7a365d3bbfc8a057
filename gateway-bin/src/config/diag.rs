//! Diagnostics: what is wrong at which place, and what to write instead.
//!
//! Owns the collection of everything that one pass over a file found; errors never stop the pass. Refuses to
//! make a diagnostic without a place. The invariant that a change is likeliest to break: columns count
//! characters, not bytes, and both line and column begin at 1.

use std::fmt;
use std::ops::Range;

use super::model::Position;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// Legal, but probably not meant.
    Warning,
    /// Legal, but of a later version: `check` warns, running is refused.
    Later,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where in the file.
    pub at: Position,
    /// What is wrong, and what to write instead; one line.
    pub message: String,
}

impl Diagnostic {
    /// The line that is printed for it: `file:line:column: message`, with `warning: ` before the message
    /// unless it is an error.
    #[must_use]
    pub fn line(&self, file: &str) -> String {
        let word = match self.severity {
            Severity::Error => "",
            Severity::Warning | Severity::Later => "warning: ",
        };
        format!(
            "{file}:{}:{}: {word}{}",
            self.at.line, self.at.column, self.message
        )
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.at.line, self.at.column, self.message)
    }
}

/// Byte range in the file's text.
pub(super) type Span = Range<usize>;

/// Everything found so far, with the text that turns spans into lines and columns.
pub(super) struct Findings<'t> {
    text: &'t str,
    line_starts: Vec<usize>,
    found: Vec<Diagnostic>,
}

impl<'t> Findings<'t> {
    /// Nothing found yet in `text`.
    pub(super) fn new(text: &'t str) -> Self {
        let mut line_starts = vec![0];
        line_starts.extend(
            text.bytes()
                .enumerate()
                .filter(|&(_, byte)| byte == b'\n')
                .map(|(at, _)| at + 1),
        );
        Findings {
            text,
            line_starts,
            found: Vec::new(),
        }
    }

    /// Place of a byte offset; an offset beyond the end gives the end, one inside a character its begin.
    pub(super) fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self
            .line_starts
            .partition_point(|&start| start <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0);
        let characters = self
            .text
            .get(start..offset)
            .unwrap_or_default()
            .chars()
            .count();
        Position {
            line,
            column: characters + 1,
        }
    }

    /// Notes an error.
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.note(Severity::Error, span, message.into());
    }

    /// Notes a warning.
    pub(super) fn warning(&mut self, span: Span, message: impl Into<String>) {
        self.note(Severity::Warning, span, message.into());
    }

    /// Notes that `what` is of a later version.
    pub(super) fn later(&mut self, span: Span, what: impl fmt::Display) {
        self.note(
            Severity::Later,
            span,
            format!("{what} is not in this version yet: running with it is refused"),
        );
    }

    fn note(&mut self, severity: Severity, span: Span, message: String) {
        let at = self.position(span.start);
        let finding = Diagnostic {
            severity,
            at,
            message,
        };
        // Two keys of one union may fail for the same reason at the same place: say it once.
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    /// Whether an error was noted.
    pub(super) fn failed(&self) -> bool {
        self.found
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    /// All findings in the order of the file.
    pub(super) fn into_sorted(self) -> Vec<Diagnostic> {
        let mut found = self.found;
        found.sort_by_key(|finding| finding.at); // stable: findings at one place keep their order
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_both_begin_at_one() {
        let findings = Findings::new("a\nüx = 1\n");
        assert_eq!(findings.position(0), Position { line: 1, column: 1 });
        assert_eq!(findings.position(1), Position { line: 1, column: 2 });
        assert_eq!(findings.position(2), Position { line: 2, column: 1 });
        assert_eq!(
            findings.position(4),
            Position { line: 2, column: 2 },
            "two bytes, one character"
        );
        assert_eq!(findings.position(10), Position { line: 3, column: 1 });
        assert_eq!(findings.position(1000), Position { line: 3, column: 1 });
    }

    #[test]
    fn a_place_inside_a_character_is_its_begin() {
        assert_eq!(
            Findings::new("aü").position(2),
            Findings::new("aü").position(1)
        );
    }

    #[test]
    fn an_empty_text_has_a_first_place() {
        assert_eq!(
            Findings::new("").position(0),
            Position { line: 1, column: 1 }
        );
    }

    #[test]
    fn findings_come_in_file_order_and_once() {
        let mut findings = Findings::new("a\nb\n");
        findings.warning(2..3, "second");
        findings.error(0..1, "first");
        findings.warning(2..3, "second");
        assert!(findings.failed());
        let lines: Vec<String> = findings
            .into_sorted()
            .iter()
            .map(|found| found.line("f"))
            .collect();
        assert_eq!(lines, ["f:1:1: first", "f:2:1: warning: second"]);
    }
}
