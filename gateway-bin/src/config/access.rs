//! `access_log` and `access_log_format`: where one line a request goes.
//!
//! Owns the checks of the path. Refuses to make the file: `check` leaves nothing behind.

use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use super::http::ReadHttp;
use super::model::{AccessFormat, AccessLog, AccessTo};
use super::reader::{Check, Text};
use super::schema::shorten;
use super::section::Section;
use super::{rights, suggest};
use crate::io_words;

/// Reads both keys of one section.
pub(super) fn read(section: &Section<'_>, check: &mut Check<'_, '_>) -> Option<AccessLog> {
    let format = section
        .text("access_log_format", "\"json\"", check)
        .and_then(|text| format(&text, check))
        .unwrap_or_default();
    let Some(_) = section.entry("access_log") else {
        if let Some(entry) = section.entry("access_log_format") {
            check.findings.error(
                entry.key_span,
                "`access_log_format` stands without `access_log`: write where the lines go, such as access_log = \"access.log\", or remove it",
            );
        }
        return None;
    };
    let text = section.text("access_log", "\"access.log\"", check)?;
    let to = if text.text == "-" {
        AccessTo::Stdout
    } else {
        // `./x.log` and `x.log` are one file, which sections may share.
        let path: PathBuf = check
            .path(&text.text)
            .components()
            .filter(|part| *part != Component::CurDir)
            .collect();
        if let Err(message) = can_be_log(&path, &text.text) {
            check.findings.error(text.span, message);
        }
        AccessTo::File(path)
    };
    Some(AccessLog { to, format })
}

fn format(text: &Text, check: &mut Check<'_, '_>) -> Option<AccessFormat> {
    match text.text.as_str() {
        "text" => Some(AccessFormat::Text),
        "json" => Some(AccessFormat::Json),
        other => {
            let instead = match suggest::nearest(other, ["text", "json"]) {
                Some(near) => format!("write \"{near}\""),
                None => "write \"text\" or \"json\"".to_owned(),
            };
            check.findings.error(
                text.span.clone(),
                format!("`access_log_format` is \"{}\": {instead}", shorten(other)),
            );
            None
        }
    }
}

/// Whether lines can go to `path`, as far as that can be told without opening it.
fn can_be_log(path: &Path, written: &str) -> Result<(), String> {
    let shown = shorten(written);
    if written.is_empty() {
        return Err("`access_log` is empty: write a file, such as \"access.log\", or \"-\" for standard output".to_owned());
    }
    if let Ok(metadata) = path.metadata() {
        let kind = metadata.file_type();
        if kind.is_dir() {
            return Err(format!("`access_log` names \"{shown}\", which is a directory: write a file in it, such as \"{}/access.log\"", shown.trim_end_matches('/')));
        }
        if kind.is_fifo() || kind.is_socket() {
            return Err(format!("`access_log` names \"{shown}\", which is a pipe or a socket: write a file, or \"-\" for standard output"));
        }
        return rights::may_write(path)
            .map_err(|what| format!("`access_log` is \"{shown}\", but {what}"));
    }
    // `log` alone stands in the working directory.
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    match parent.map(Path::metadata) {
        Some(Err(error)) => Err(format!("`access_log` is \"{shown}\", whose directory cannot be used ({}): make it, or write another path", io_words(&error))),
        Some(Ok(metadata)) if !metadata.is_dir() => Err(format!("`access_log` is \"{shown}\", which lies below a file: write another path")),
        _ => rights::may_make_in(parent.unwrap_or(Path::new(".")))
            .map_err(|what| format!("`access_log` is \"{shown}\", but {what}")),
    }
}

/// Sections may share a file, in one form.
pub(super) fn check_formats(
    sections: &[Section<'_>],
    read: &[ReadHttp],
    check: &mut Check<'_, '_>,
) {
    for (number, (section, own)) in sections.iter().zip(read).enumerate() {
        let Some(log) = &own.section.access_log else {
            continue;
        };
        let differs = read.iter().take(number).any(|other| {
            let other = other.section.access_log.as_ref();
            other.is_some_and(|other| other.to == log.to && other.format != log.format)
        });
        if let (true, Some(entry)) = (differs, section.entry("access_log")) {
            check.findings.error(entry.span(), "`access_log` is that of another section with another `access_log_format`: write the same format, or another file");
        }
    }
}
