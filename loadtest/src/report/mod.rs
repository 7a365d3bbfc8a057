//! Figures as people and programs read them: the parts that all reports share.

mod of_run;

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::machine::Machine;
use crate::measure::Run;
use crate::stats::{median, range};

pub(crate) use of_run::{markdown, Report};

/// How this program was called, without the directories of files.
pub(crate) fn command_line() -> String {
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
pub(crate) fn machine(machine: &Machine) -> String {
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
pub(crate) fn cell(digits: usize, values: impl IntoIterator<Item = f64>) -> String {
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

/// What disturbed the runs, as one line of a list.
pub(crate) fn disturbance<'r>(runs: impl Iterator<Item = &'r Run> + Clone) -> String {
    let percent = |value: fn(&Run) -> f64| {
        let values = || runs.clone().map(value);
        let middle = median(values()).unwrap_or_default() * 100.0;
        let (_, high) = range(values()).unwrap_or_default();
        format!("{middle:.1} % (at most {:.1} %)", high * 100.0)
    };
    format!(
        "- of all cores the hypervisor took {}, other processes used {}\n",
        percent(|run| run.usage.machine.steal),
        percent(|run| run.others_share)
    )
}

/// Writes `value` as JSON.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_json(file: &Path, value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    write_text(file, &(text + "\n"))
}

/// Writes `text`.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write_text(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let error = write_json(Path::new("/nowhere/x.json"), &1).unwrap_err();
        assert!(
            error.starts_with("cannot write /nowhere/x.json: "),
            "{error}"
        );
    }
}
