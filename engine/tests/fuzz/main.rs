//! What fuzzing kept, played again: `fuzz/` has the target, `fuzz/corpus/join_token` its inputs.
#![allow(unreachable_pub)]

mod join;

#[test]
fn the_corpus_passes() {
    assert!(join::sound());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/join_token");
    let mut inputs = 0;
    for entry in std::fs::read_dir(&folder).expect("fuzz/corpus has a folder a target") {
        let path = entry.expect("a file").path();
        println!("{}", path.display());
        join::join_token(&std::fs::read(&path).expect("a file that can be read"));
        inputs += 1;
    }
    assert!(inputs > 0, "nothing was kept");
}
