//! Plays a target's corpus again, without a fuzzer. Part of the tests of each crate that has targets.

use std::path::Path;

/// Runs a target on each input that was kept for it.
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).expect("fuzz/corpus has a folder a target") {
        let path = entry.expect("a file").path();
        println!("{}", path.display());
        run(&std::fs::read(&path).expect("a file that can be read"));
        inputs += 1;
    }
    assert!(inputs > 0, "{target}: nothing was kept");
}
