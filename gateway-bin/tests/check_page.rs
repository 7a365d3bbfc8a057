//! docs/check.md shows configurations and what `flatend check` says of each. Here each is checked by the binary, so that the
//! page cannot rot: every `toml` block is `config.toml` in an empty directory, and the `text` block behind it is the output.
//!
//! After a change that is meant, run with `GOLDENS=write` and read the difference before it is committed.

mod support;

use std::fs;
use std::path::Path;

use support::Scratch;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/check.md");

/// The page cut at its fences: prose, then by turns a block with its language line and prose again.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```").collect()
}

#[test]
fn the_page_shows_what_check_says() {
    let page = fs::read_to_string(PAGE).unwrap();
    let mut parts: Vec<String> = blocks(&page).into_iter().map(str::to_owned).collect();
    assert!(parts.len() % 2 == 1, "a fence is not closed");
    let (mut shown, mut differ) = (0, Vec::new());
    for at in 0..parts.len() {
        let Some(config) = parts[at].strip_prefix("toml\n").map(str::to_owned) else {
            continue;
        };
        let scratch = Scratch::new();
        scratch.write("config.toml", &config);
        let ran = scratch.flatend(&["check"]);
        assert_eq!(ran.err, "", "{config}");
        let is_wrong = !ran.out.contains("config.toml: ok");
        assert_eq!(ran.status, Some(i32::from(is_wrong)), "{config}");
        let said = format!("text\n$ flatend check\n{}", ran.out);
        let Some(beside) = parts.get_mut(at + 2) else {
            panic!("no output stands behind\n{config}");
        };
        assert!(
            beside.starts_with("text\n"),
            "no output stands behind\n{config}"
        );
        if *beside != said {
            differ.push(format!("--- the page:\n{beside}--- but it says:\n{said}"));
            *beside = said;
        }
        shown += 1;
    }
    assert!(shown >= 12, "only {shown} configurations were found");
    if !differ.is_empty() && std::env::var("GOLDENS").is_ok_and(|value| value == "write") {
        fs::write(PAGE, parts.join("```")).unwrap();
    }
    assert!(
        differ.is_empty(),
        "{} outputs differ (GOLDENS=write writes the page)\n{}",
        differ.len(),
        differ.join("\n")
    );
}

#[test]
fn the_page_is_linked() {
    let docs = Path::new(PAGE).with_file_name("configuration.md");
    assert!(fs::read_to_string(docs).unwrap().contains("](check.md"));
}
