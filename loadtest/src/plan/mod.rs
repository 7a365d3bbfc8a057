//! Plans: what a load test does, as a file or from the command line.
//!
//! Owns reading them whole and making a [`Job`](crate::client::Job) of them. Starts nothing. Invariant: what is wrong is told with its
//! place and with what to write, before anything is sent.

mod check;
mod model;
mod request;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(crate) use check::job;
pub(crate) use model::{parse_duration, parse_some_duration, Expect, Group, Idle, Plan, Request};
pub(crate) use request::template_of;

use crate::limits::PLAN_BYTES_MAX;

/// Reads a plan file.
///
/// # Errors
/// A sentence with file, line and column.
pub(crate) fn load(file: &Path) -> Result<Plan, String> {
    let name = file.display();
    let cannot = |error: std::io::Error| format!("cannot read {name}: {error}");
    // Never trusts the size that the system tells: devices and pipes have none, and a file may grow.
    let mut text = String::new();
    File::open(file)
        .map_err(cannot)?
        .take(PLAN_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(cannot)?;
    if text.len() as u64 > PLAN_BYTES_MAX {
        return Err(format!(
            "{name} is over {PLAN_BYTES_MAX} bytes, which is no plan: name a plan file"
        ));
    }
    parse(&name.to_string(), &text)
}

/// Parses a plan; `name` stands before errors.
///
/// # Errors
/// A sentence with line and column.
pub(crate) fn parse(name: &str, text: &str) -> Result<Plan, String> {
    toml::from_str(text).map_err(|error| {
        let before = error
            .span()
            .and_then(|span| text.get(..span.start))
            .unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        format!("{name}:{line}:{column}: {}", error.message())
    })
}
