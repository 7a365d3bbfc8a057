//! One table of the file: its keys as typed values.
//!
//! Owns the getters, one a type of value, with the limits that their callers name. A getter notes what is wrong
//! and answers `None`, as if the key were absent.

use std::time::Duration;

use flatend::rt::Congestion;
use toml::de::{DeTable, DeValue};

use super::diag::Span;
use super::emptied::EmptiedKeys;
use super::reader::{Check, Entry, Text};
use super::schema::{self, shorten, Kind};
use super::{duration, size};
use crate::limits::DURATION_MIN;

/// One table of the file.
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    kind: &'static Kind,
    pub(super) span: Span,
    pub(super) emptied: EmptiedKeys,
    /// It has a key that it does not know: a key that seems to be missing may be that one.
    pub(super) misspelt: bool,
}

impl<'t> Section<'t> {
    /// A section of `kind`; keys that it does not know are noted.
    pub(super) fn open(
        table: &'t DeTable<'t>,
        span: Span,
        kind: &'static Kind,
        check: &mut Check<'_, '_>,
    ) -> Self {
        let mut misspelt = false;
        for key in table.keys() {
            if !kind.keys.contains(&key.get_ref().as_ref()) {
                check
                    .findings
                    .error(key.span(), schema::unknown_key(key.get_ref(), kind));
                misspelt = true;
            }
        }
        Section {
            table,
            kind,
            span,
            emptied: EmptiedKeys::of(table, check.env),
            misspelt,
        }
    }

    /// The entry of `key`, if the section has it: one that a variable left empty counts as left out.
    pub(super) fn entry(&self, key: &'static str) -> Option<Entry<'t>> {
        debug_assert!(
            self.kind.keys.contains(&key),
            "{key} is missing in the schema of {}",
            self.kind.title
        );
        let (written, value) = self.table.get_key_value(key)?;
        if self.emptied.has(key) {
            return None;
        }
        Some(Entry {
            key,
            key_span: written.span(),
            value,
        })
    }

    /// The string of `key`; `example` is a value that would do, as it stands in the file.
    pub(super) fn text(
        &self,
        key: &'static str,
        example: &str,
        check: &mut Check<'_, '_>,
    ) -> Option<Text> {
        self.entry(key)?.text(example, check)
    }

    /// The strings of `key`, which is an array; `example` as above.
    pub(super) fn texts(
        &self,
        key: &'static str,
        example: &str,
        check: &mut Check<'_, '_>,
    ) -> Vec<Text> {
        self.entry(key)
            .map(|entry| entry.texts(example, check))
            .unwrap_or_default()
    }

    /// The union of `one` (a string) and `many` (an array), in this order; repetitions stay.
    pub(super) fn union(
        &self,
        one: &'static str,
        many: &'static str,
        example: &str,
        check: &mut Check<'_, '_>,
    ) -> Vec<Text> {
        let mut all: Vec<Text> = self.text(one, example, check).into_iter().collect();
        all.extend(self.texts(many, &format!("[{example}]"), check));
        all
    }

    /// The congestion control of the section's sockets.
    pub(super) fn congestion(&self, check: &mut Check<'_, '_>) -> Option<Congestion> {
        let text = self.text("congestion", "\"cubic\"", check)?;
        match Congestion::named(&text.text) {
            Ok(congestion) => Some(congestion),
            Err(error) => {
                let message = format!("`congestion` is \"{}\", {error}", shorten(&text.text));
                check.findings.error(text.span, message);
                None
            }
        }
    }

    /// The boolean of `key`.
    pub(super) fn boolean(&self, key: &'static str, check: &mut Check<'_, '_>) -> Option<bool> {
        let entry = self.entry(key)?;
        match entry.value.get_ref() {
            DeValue::Boolean(value) => Some(*value),
            DeValue::String(_) => {
                let text = entry.variable("true", check)?;
                match text.text.as_str() {
                    "true" => Some(true),
                    "false" => Some(false),
                    other => {
                        let other = shorten(other);
                        check.findings.error(
                            text.span,
                            format!("`{key}` is \"{other}\": write true or false"),
                        );
                        None
                    }
                }
            }
            _ => entry.mismatch("true or false", "true", check),
        }
    }

    /// The whole number of `key`, which must be from `least` to `most`.
    pub(super) fn number(
        &self,
        key: &'static str,
        (least, most): (u64, u64),
        check: &mut Check<'_, '_>,
    ) -> Option<u64> {
        let entry = self.entry(key)?;
        let (shown, number) = match entry.value.get_ref() {
            DeValue::Integer(integer) => (
                integer.to_string(),
                u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            ),
            DeValue::String(_) => {
                let text = entry.variable(&least.to_string(), check)?;
                (
                    format!("\"{}\"", shorten(&text.text)),
                    text.text.parse().ok(),
                )
            }
            _ => return entry.mismatch("a whole number", &least.to_string(), check),
        };
        match number {
            Some(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let message =
                    format!("`{key}` is {shown}: write a whole number from {least} to {most}");
                check.findings.error(entry.value.span(), message);
                None
            }
        }
    }

    /// The size of `key` in bytes, which must be from `least` to `most`.
    pub(super) fn size(
        &self,
        key: &'static str,
        (least, most): (u64, u64),
        check: &mut Check<'_, '_>,
    ) -> Option<u64> {
        let entry = self.entry(key)?;
        let parsed = match entry.value.get_ref() {
            DeValue::Integer(integer) => u64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| {
                format!("is {integer}: write the bytes as a number from {least} up, or a string such as \"64KiB\"")
            }),
            DeValue::String(_) => size::parse(&entry.text("\"64KiB\"", check)?.text),
            _ => return entry.mismatch("a size", "\"64KiB\"", check),
        };
        let parsed = parsed.and_then(|bytes| {
            if bytes < least {
                Err(format!(
                    "is {}, which is too small: write at least {}",
                    size::show(bytes),
                    size::show(least)
                ))
            } else if bytes > most {
                Err(format!(
                    "is {}, which is too large: write at most {}",
                    size::show(bytes),
                    size::show(most)
                ))
            } else {
                Ok(bytes)
            }
        });
        entry.noted(parsed, check)
    }

    /// The duration of `key`, at most `most`; zero only if `zero` says so (what zero means instead is its text).
    pub(super) fn duration(
        &self,
        key: &'static str,
        most: Duration,
        zero: Result<(), &str>,
        check: &mut Check<'_, '_>,
    ) -> Option<Duration> {
        let entry = self.entry(key)?;
        let parsed = match entry.value.get_ref() {
            DeValue::String(_) => duration::parse(&entry.text("\"10s\"", check)?.text),
            DeValue::Integer(integer) => {
                Err(format!("is {integer}, which has no unit: write it in quotes and with one, such as \"{integer}s\" or \"{integer}ms\""))
            }
            _ => return entry.mismatch("a duration in quotes", "\"10s\"", check),
        };
        let parsed = parsed.and_then(|value| match zero {
            Err(instead) if value.is_zero() => Err(format!("is zero: {instead}")),
            _ if !value.is_zero() && value < DURATION_MIN => Err(format!(
                "is \"{}\", which is too short: write at least \"{}\"",
                duration::show(value),
                duration::show(DURATION_MIN)
            )),
            _ if value > most => Err(format!(
                "is \"{}\", which is too long: write at most \"{}\"",
                duration::show(value),
                duration::show(most)
            )),
            _ => Ok(value),
        });
        entry.noted(parsed, check)
    }

    /// The sub-table of `key`.
    pub(super) fn table(
        &self,
        key: &'static str,
        kind: &'static Kind,
        check: &mut Check<'_, '_>,
    ) -> Option<Section<'t>> {
        let entry = self.entry(key)?;
        match entry.value.get_ref() {
            DeValue::Table(table) => {
                Some(Section::open(table, entry.key_span.clone(), kind, check))
            }
            _ => entry.wrong(
                &format!("is a section: write {} and its keys below", kind.title),
                check,
            ),
        }
    }

    /// The sub-table of `key`, whose keys are free.
    pub(super) fn free_table(
        &self,
        key: &'static str,
        example: &str,
        check: &mut Check<'_, '_>,
    ) -> Option<&'t DeTable<'t>> {
        let entry = self.entry(key)?;
        match entry.value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => entry.mismatch("a table", example, check),
        }
    }

    /// The sections of `key`, an array of tables, at most `most`.
    pub(super) fn tables(
        &self,
        key: &'static str,
        kind: &'static Kind,
        most: usize,
        check: &mut Check<'_, '_>,
    ) -> Vec<Section<'t>> {
        let Some(entry) = self.entry(key) else {
            return Vec::new();
        };
        let instead = format!(
            "is a list of sections: write {} with two brackets and its keys below",
            kind.title
        );
        let DeValue::Array(array) = entry.value.get_ref() else {
            let _: Option<()> = entry.wrong(&instead, check);
            return Vec::new();
        };
        if array.len() > most {
            check.findings.error(
                entry.key_span.clone(),
                format!(
                    "{} stands {} times: write at most {most} of them",
                    kind.title,
                    array.len()
                ),
            );
            return Vec::new();
        }
        let mut sections = Vec::with_capacity(array.len());
        for element in array.iter() {
            match element.get_ref() {
                DeValue::Table(table) => {
                    sections.push(Section::open(table, element.span(), kind, check))
                }
                _ => check
                    .findings
                    .error(element.span(), format!("`{key}` {instead}")),
            }
        }
        sections
    }
}
