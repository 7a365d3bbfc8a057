//! Reads typed values out of a parsed TOML table and notes every mistake with its place.
//!
//! Owns type errors and the replacement of variables (`section` has the getters). Refuses to stop at the first mistake: a
//! getter notes the error and answers `None`, as if the key were absent, so that the rest is still checked.

use std::path::{Path, PathBuf};

use toml::de::DeValue;
use toml::Spanned;

use super::diag::{Findings, Span};
use super::emptied;
use super::env::{self, Lookup};
use super::schema::shorten;

/// What one pass over a file carries along.
pub(super) struct Check<'t, 'c> {
    /// Everything found so far.
    pub(super) findings: Findings<'t>,
    /// Environment.
    pub(super) env: &'c Lookup<'c>,
    /// Relative paths of the file stand relative to this directory (empty: the working directory).
    pub(super) base_dir: &'c Path,
}

impl Check<'_, '_> {
    /// A path of the file, resolved.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.base_dir.join(text)
    }
}

/// A string value after replacement of variables.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// The key that it stands at.
    pub(super) key: &'static str,
    pub(super) text: String,
    pub(super) span: Span,
    /// As the file has it.
    raw: String,
    substituted: bool,
}

impl Text {
    /// A string that stands for itself, variables included.
    pub(super) fn plain(key: &'static str, text: &str, span: Span) -> Text {
        Text {
            key,
            text: text.to_owned(),
            span,
            raw: text.to_owned(),
            substituted: false,
        }
    }

    /// Whether variables left nothing of it.
    fn is_emptied(&self) -> bool {
        self.substituted && self.text.is_empty()
    }
}

/// One key of a table with its value.
pub(super) struct Entry<'t> {
    pub(super) key: &'static str,
    pub(super) key_span: Span,
    pub(super) value: &'t Spanned<DeValue<'t>>,
}

impl<'t> Entry<'t> {
    /// Where the value stands.
    pub(super) fn span(&self) -> Span {
        self.value.span()
    }

    /// The string.
    pub(super) fn text(&self, example: &str, check: &mut Check<'_, '_>) -> Option<Text> {
        match self.value.get_ref() {
            DeValue::String(raw) => self.expand(raw, self.value.span(), check),
            _ => self.mismatch("a string in quotes", example, check),
        }
    }

    /// Whether the value is `[]`.
    pub(super) fn is_empty_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(array) if array.is_empty())
    }

    /// The strings of an array; those that a variable left empty are left out.
    pub(super) fn texts(&self, example: &str, check: &mut Check<'_, '_>) -> Vec<Text> {
        let mut texts = self.all_texts(example, check);
        texts.retain(|text| !text.is_emptied());
        texts
    }

    /// The strings of an array, of which none may be left empty by a variable (noted).
    pub(super) fn full_texts(&self, example: &str, check: &mut Check<'_, '_>) -> Vec<Text> {
        let mut texts = self.all_texts(example, check);
        texts.retain(|text| {
            if text.is_emptied() {
                let what = format!("`{}` has an empty element", self.key);
                let message =
                    emptied::sentence(&what, &text.raw, &format!("{} = {example}", self.key));
                check.findings.error(text.span.clone(), message);
            }
            !text.is_emptied()
        });
        texts
    }

    fn all_texts(&self, example: &str, check: &mut Check<'_, '_>) -> Vec<Text> {
        let DeValue::Array(array) = self.value.get_ref() else {
            let _: Option<()> = self.mismatch("an array of strings", example, check);
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(array.len());
        for element in array.iter() {
            match element.get_ref() {
                DeValue::String(raw) => texts.extend(self.expand(raw, element.span(), check)),
                other => {
                    let message = format!(
                        "`{}` holds {}: write strings in quotes, such as {} = {example}",
                        self.key,
                        article(other),
                        self.key
                    );
                    check.findings.error(element.span(), message);
                }
            }
        }
        texts
    }

    /// A string that stands for a value of another type: only one that a variable stood in is taken.
    pub(super) fn variable(&self, example: &str, check: &mut Check<'_, '_>) -> Option<Text> {
        let text = self.text(example, check)?;
        if text.substituted {
            return Some(text);
        }
        let shown = shorten(&text.text);
        // A number or a truth value in quotes is meant as it stands.
        let is_plain = text.text.parse::<u64>().is_ok() || text.text.parse::<bool>().is_ok();
        let example = if is_plain { &text.text } else { example };
        self.wrong(
            &format!(
                "is the string \"{shown}\": write the value without quotes, such as {} = {example}",
                self.key
            ),
            check,
        )
    }

    fn expand(&self, raw: &str, span: Span, check: &mut Check<'_, '_>) -> Option<Text> {
        match env::expand(raw, check.env) {
            Ok(expanded) => Some(Text {
                key: self.key,
                raw: raw.to_owned(),
                text: expanded.text,
                span,
                substituted: expanded.substituted,
            }),
            Err(message) => {
                check
                    .findings
                    .error(span, format!("`{}`: {message}", self.key));
                None
            }
        }
    }

    pub(super) fn noted<T>(
        &self,
        parsed: Result<T, String>,
        check: &mut Check<'_, '_>,
    ) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(message) => self.wrong(&message, check),
        }
    }

    pub(super) fn mismatch<T>(
        &self,
        wanted: &str,
        example: &str,
        check: &mut Check<'_, '_>,
    ) -> Option<T> {
        let found = article(self.value.get_ref());
        self.wrong(
            &format!(
                "is {found}, but takes {wanted}: write {} = {example}",
                self.key
            ),
            check,
        )
    }

    pub(super) fn wrong<T>(&self, message: &str, check: &mut Check<'_, '_>) -> Option<T> {
        check
            .findings
            .error(self.value.span(), format!("`{}` {message}", self.key));
        None
    }
}

/// What a value is, with its article.
fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
