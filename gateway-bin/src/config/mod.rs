//! The configuration file: read whole, checked whole, before anything runs.
//!
//! `load` (or `parse`, for text at hand) gives a `Config` whose values are typed and complete, or everything that
//! is wrong with the file, each with line and column. Owns the keys, their defaults and their limits; binds,
//! dials and starts nothing. The invariant that a change is likeliest to break: a mistake never hides another,
//! so no step may return early because an earlier one noted an error.

mod access;
pub mod addr;
mod clash;
pub mod diag;
pub mod duration;
mod emptied;
pub mod env;
mod http;
mod mesh;
pub mod model;
mod model_http;
mod pattern;
mod reader;
mod redirect;
mod rights;
mod route;
mod schema;
mod section;
mod service;
pub mod size;
pub mod suggest;
mod syntax;
mod target;
pub mod upstream;

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use toml::de::DeTable;

pub use clash::clashes;
pub use diag::{Diagnostic, Severity};
pub use model::*;
#[cfg(test)]
pub(crate) use redirect::parse as parse_location;
pub use redirect::{Location, Piece};

use crate::limits::{CONFIG_FILE_BYTES_MAX, DIAGNOSTICS_MAX};
use diag::Findings;
use reader::Check;
use section::Section;

/// What a file's meaning depends on besides its text.
pub struct Context<'c> {
    /// Environment variables, for `${NAME}`, `$STATE_DIRECTORY` and `$HOME`.
    pub env: &'c env::Lookup<'c>,
    /// Mesh address if the file names none: the command line's `-h` and `-p`.
    pub fallback_addr: SocketAddr,
    /// Directory that relative paths stand relative to; empty: the working directory (as in the seed).
    pub base_dir: PathBuf,
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum LoadError {
    /// There is no such file: the node may run as a plain mesh node (`Config::without_file`).
    Missing,
    /// The file is there and cannot be read.
    Unreadable(io::Error),
    /// The file is larger than `CONFIG_FILE_BYTES_MAX`.
    TooLarge,
    /// The file is wrong: every finding, errors and warnings, in the order of the file; at least one error.
    Invalid(Vec<Diagnostic>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Missing => f.write_str("there is no such file"),
            LoadError::Unreadable(error) => {
                write!(f, "it cannot be read: {}", crate::io_words(error))
            }
            LoadError::TooLarge => {
                write!(
                    f,
                    "it is larger than {}, which no configuration is: name the right file",
                    size::show(CONFIG_FILE_BYTES_MAX as u64)
                )
            }
            LoadError::Invalid(found) => write!(f, "it has {}", Tally::of(found)),
        }
    }
}

impl std::error::Error for LoadError {}

/// Every key that a file may have, with its section: `("[[http]]", "addr")`. For tests and documentation that must not miss
/// one.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    schema::all()
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// See `LoadError`.
pub fn load(path: &Path, context: &Context<'_>) -> Result<Config, LoadError> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LoadError::Missing),
        Err(error) => return Err(LoadError::Unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(CONFIG_FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(LoadError::Unreadable)?;
    if bytes.len() > CONFIG_FILE_BYTES_MAX {
        return Err(LoadError::TooLarge);
    }
    match std::str::from_utf8(&bytes) {
        // Editors of other systems put a byte order mark first.
        Ok(text) => parse(text.strip_prefix('\u{FEFF}').unwrap_or(text), context)
            .map_err(LoadError::Invalid),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let mut findings = Findings::new(&valid);
            findings.error(
                valid.len()..valid.len(),
                "this byte is not UTF-8: save the file as UTF-8",
            );
            Err(LoadError::Invalid(findings.into_sorted()))
        }
    }
}

/// Checks a file's text.
///
/// # Errors
/// Every finding, warnings included, in the order of the file, if at least one is an error.
pub fn parse(text: &str, context: &Context<'_>) -> Result<Config, Vec<Diagnostic>> {
    let mut findings = Findings::new(text);
    let (root, syntax_errors) = DeTable::parse_recoverable(text);
    if !syntax_errors.is_empty() {
        // What was recovered is a guess, and what would be said about it too.
        syntax::note(&syntax_errors, &mut findings);
        return Err(findings.into_sorted());
    }
    let mut check = Check {
        findings,
        env: context.env,
        base_dir: &context.base_dir,
    };
    let top = Section::open(root.get_ref(), root.span(), &schema::TOP, &mut check);
    let mesh = mesh::read(&top, context, &mut check);
    let (services, http) = (
        service::read_all(&top, &mut check),
        http::read_all(&top, &mut check),
    );
    clash::check_listeners(&mesh, &http, &mut check);
    if check.findings.failed() {
        return Err(check.findings.into_sorted());
    }
    let http = http.into_iter().map(|read| read.section).collect();
    let (unsupported, warnings) = check
        .findings
        .into_sorted()
        .into_iter()
        .partition(|found| found.severity == Severity::Later);
    Ok(Config {
        mesh,
        http,
        services,
        warnings,
        unsupported,
    })
}

impl Config {
    /// The configuration of a node that has no file: a plain mesh node at the command line's address.
    #[must_use]
    pub fn without_file(context: &Context<'_>) -> Config {
        Config {
            mesh: mesh::without_file(context),
            http: Vec::new(),
            services: Vec::new(),
            warnings: Vec::new(),
            unsupported: Vec::new(),
        }
    }

    /// The sentence with which running this configuration is refused, if it has keys of later versions.
    #[must_use]
    pub fn refusal(&self, file: &str) -> Option<String> {
        let first = self.unsupported.first()?;
        let more = match self.unsupported.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more; `flatend check` lists them)"),
        };
        Some(format!(
            "{}{more}.",
            first.line(file).replacen("warning: ", "", 1)
        ))
    }
}

/// How many errors and warnings there are, as `check` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Errors.
    pub errors: usize,
    /// Warnings, keys of later versions included.
    pub warnings: usize,
}

impl Tally {
    /// Counts `found`.
    #[must_use]
    pub fn of(found: &[Diagnostic]) -> Tally {
        let errors = found
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
        Tally {
            errors,
            warnings: found.len() - errors,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}",
            count(self.errors, "error"),
            count(self.warnings, "warning")
        )
    }
}

/// Each finding of one file on a line, as many as are shown at once.
#[must_use]
pub fn lines(file: &str, found: &[Diagnostic]) -> String {
    let mut text = String::new();
    for finding in found.iter().take(DIAGNOSTICS_MAX) {
        text.push_str(&finding.line(file));
        text.push('\n');
    }
    if found.len() > DIAGNOSTICS_MAX {
        text.push_str(&format!(
            "{file}: {} more are not shown\n",
            found.len() - DIAGNOSTICS_MAX
        ));
    }
    text
}

/// What `flatend check` prints of one file: each finding on a line, then `FILE: ok` or the counts.
#[must_use]
pub fn report(file: &str, found: &[Diagnostic]) -> String {
    let mut text = lines(file, found);
    let tally = Tally::of(found);
    let verdict = if tally.errors > 0 {
        tally.to_string()
    } else {
        let later = found
            .iter()
            .any(|finding| finding.severity == Severity::Later);
        match (count(tally.warnings, "warning"), later) {
            (_, false) if found.is_empty() => "ok".to_owned(),
            (warnings, false) => format!("ok, {warnings}"),
            (warnings, true) => format!("ok, {warnings}; this version does not run it"),
        }
    };
    text.push_str(&format!("{file}: {verdict}\n"));
    text
}

fn count(number: usize, word: &str) -> String {
    match number {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        more => format!("{more} {word}s"),
    }
}
