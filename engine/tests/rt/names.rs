//! The runtime can be exchanged in one place: nothing else names what it is made of.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn glommio_is_named_in_rt_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let naming: Vec<&PathBuf> = files
        .iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).expect("a source");
            text.to_lowercase().contains("glommio")
        })
        .collect();
    assert!(!naming.is_empty(), "this test looks at the wrong place");
    for path in naming {
        assert!(path.starts_with(root.join("rt")), "{}", path.display());
    }
}
