//! Figures as people and programs read them: the parts that all reports share.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::machine::Machine;
use crate::stats::{median, range};

/// How this program was called, without the directories of files.
pub fn command_line() -> String {
    let bare = |(at, word): (usize, String)| {
        let path = Path::new(&word);
        let shown = match path.file_name() {
            Some(name) if at == 0 || path.exists() => name.to_string_lossy().into_owned(),
            _ => word,
        };
        if shown.contains(char::is_whitespace) {
            format!("{shown:?}")
        } else {
            shown
        }
    };
    std::env::args()
        .enumerate()
        .map(bare)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The machine, as a list.
pub fn machine(machine: &Machine) -> String {
    format!(
        "- {}, {} cores, {} MiB, Linux {}, TCP congestion control {}\n- commit {}\n",
        machine.processor,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.congestion_control,
        machine.commit
    )
}

/// Median and range of `values` with `digits` after the point; the range only if there are several.
pub fn cell(digits: usize, values: impl IntoIterator<Item = f64>) -> String {
    // Of nothing: a cost a request where no request was answered.
    let values: Vec<f64> = values
        .into_iter()
        .filter(|value| value.is_finite())
        .collect();
    match (
        median(values.iter().copied()),
        range(values.iter().copied()),
    ) {
        (Some(middle), Some((low, high))) if values.len() > 1 => {
            format!("{middle:.digits$} ({low:.digits$}–{high:.digits$})")
        }
        (Some(middle), _) => format!("{middle:.digits$}"),
        (None, _) => "–".to_owned(),
    }
}

/// What disturbed a run, as shares of all cores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disturbance {
    /// What the hypervisor took.
    pub steal: f64,
    /// What processes used that are no part of the measurement.
    pub others: f64,
}

/// What disturbed the runs, as one line of a list.
pub fn disturbance(runs: impl Iterator<Item = Disturbance> + Clone) -> String {
    let percent = |value: fn(Disturbance) -> f64| {
        let values = || runs.clone().map(value);
        let middle = median(values()).unwrap_or_default() * 100.0;
        let (_, high) = range(values()).unwrap_or_default();
        format!("{middle:.1} % (at most {:.1} %)", high * 100.0)
    };
    format!(
        "- of all cores the hypervisor took {}, other processes used {}\n",
        percent(|run| run.steal),
        percent(|run| run.others)
    )
}

/// Writes `value` as JSON.
///
/// # Errors
/// The file cannot be written.
pub fn write_json(file: &Path, value: &impl Serialize) -> Result<(), String> {
    write_text(file, &json(file, value)?)
}

fn json(file: &Path, value: &impl Serialize) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n")
        .map_err(|error| cannot_write(file, error))
}

/// Writes `text`.
///
/// # Errors
/// The file cannot be written.
pub fn write_text(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| cannot_write(file, error))
}

fn cannot_write(file: &Path, error: impl Display) -> String {
    format!("cannot write {}: {error}", file.display())
}

/// A file that a report will go to, opened before the run: one that cannot be written is known before the time is spent.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    /// Opens `path`, if one is given. What it holds stays until something is written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: Option<&PathBuf>) -> Result<Option<Output>, String> {
        let Some(path) = path.cloned() else {
            return Ok(None);
        };
        let mut options = OpenOptions::new();
        match options.write(true).create(true).truncate(false).open(&path) {
            Ok(file) => Ok(Some(Output { path, file })),
            Err(error) => Err(cannot_write(&path, error)),
        }
    }

    /// Replaces what the file held by `text`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(mut self, text: &str) -> Result<(), String> {
        // What is no file (a pipe, a terminal) has no length to set.
        let is_file = self
            .file
            .metadata()
            .is_ok_and(|metadata| metadata.is_file());
        let emptied = if is_file {
            self.file.set_len(0)
        } else {
            Ok(())
        };
        emptied
            .and_then(|()| self.file.write_all(text.as_bytes()))
            .map_err(|error| cannot_write(&self.path, error))
    }

    /// Replaces what the file held by `value` as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_json(self, value: &impl Serialize) -> Result<(), String> {
        let text = json(&self.path, value)?;
        self.write(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_keeps_what_it_held_until_it_is_written() {
        let path = std::env::temp_dir().join(format!("loadtest-out-{}.json", std::process::id()));
        fs::write(&path, "an older report, longer than the new one").unwrap();
        let output = Output::open(Some(&path)).unwrap().unwrap();
        let before = fs::read_to_string(&path).unwrap();
        output.write_json(&[1]).unwrap();
        let after = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(before.starts_with("an older report"), "{before}");
        assert_eq!(after, "[\n  1\n]\n");
        assert!(Output::open(None).unwrap().is_none());
        let error = Output::open(Some(&PathBuf::from("/nowhere/x.md"))).unwrap_err();
        assert!(error.starts_with("cannot write /nowhere/x.md: "), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write_json(Path::new("/nowhere/x.json"), &1).unwrap_err();
        assert!(
            error.starts_with("cannot write /nowhere/x.json: "),
            "{error}"
        );
    }
}
