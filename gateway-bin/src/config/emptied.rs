//! Keys whose whole value a variable left empty (`"${NAME:-}"`): they count as left out.
//!
//! Owns which keys of a table these are, and the message where something must stand. The invariant that a change is likeliest to break:
//! a route or a service never disappears because a variable is empty; who needs a value asks here why there is none.

use toml::de::{DeTable, DeValue};

use super::diag::Span;
use super::env::{self, Lookup};
use super::reader::Check;
use super::schema::shorten;

/// One of them.
struct Emptied {
    key: String,
    /// As the file has it.
    raw: String,
    span: Span,
}

/// Those of one table.
pub(super) struct EmptiedKeys(Vec<Emptied>);

impl EmptiedKeys {
    /// Finds them in `table`.
    pub(super) fn of(table: &DeTable<'_>, lookup: &Lookup<'_>) -> EmptiedKeys {
        let emptied = table.iter().filter_map(|(key, value)| {
            let DeValue::String(raw) = value.get_ref() else {
                return None;
            };
            let expanded = env::expand(raw, lookup).ok()?;
            expanded.is_emptied().then(|| Emptied {
                key: key.get_ref().to_string(),
                raw: raw.to_string(),
                span: value.span(),
            })
        });
        EmptiedKeys(emptied.collect())
    }

    /// Whether `key` is one of them.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|emptied| emptied.key == key)
    }

    /// Notes that `key` must not be one of them; false if it is none. `example` is a value that would do.
    pub(super) fn refuse(&self, key: &str, example: &str, check: &mut Check<'_, '_>) -> bool {
        let Some(emptied) = self.0.iter().find(|emptied| emptied.key == key) else {
            return false;
        };
        let what = format!("`{key}` is empty");
        let message = sentence(&what, &emptied.raw, &format!("{key} = {example}"));
        check.findings.error(emptied.span.clone(), message);
        true
    }
}

/// What stands empty, why, and what to write.
pub(super) fn sentence(what: &str, raw: &str, example: &str) -> String {
    format!(
        "{what}, because {} gives nothing: set the variable, or write one such as {example}",
        shorten(raw)
    )
}
