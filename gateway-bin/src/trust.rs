//! Whom the gateway's node takes: the keys of the file as the engine wants them, those that were invited, and the file of keys that
//! were seen on flatend/2.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use flatend::{Legacy, Node, NodeBuilder, Trust};

use crate::config::{self, Config, Context, LegacyPolicy, LoadError, Mesh, StateDir};
use crate::{invited, io_words, keys, log};

/// Name of that file in the state directory.
pub const KNOWN_KEYS_FILE: &str = "known_keys";

/// A node that takes whom `mesh` says.
///
/// # Errors
/// One sentence: the network key or the list of invited keys cannot be read, or the state directory cannot be made.
pub fn applied(mut builder: NodeBuilder, mesh: &Mesh) -> Result<NodeBuilder, String> {
    if let Some(path) = &mesh.network_key {
        let key = keys::load_network(path)
            .map_err(|error| format!("the network key '{}', {error}", path.display()))?;
        builder = builder.network_key(key);
    }
    if let (LegacyPolicy::Known, Some(directory)) = (mesh.legacy, mesh.state_dir.path()) {
        let mut make = fs::DirBuilder::new();
        make.recursive(true).mode(0o700);
        match (make.create(directory), &mesh.state_dir) {
            (Ok(()), _) => builder = builder.known_keys_file(directory.join(KNOWN_KEYS_FILE)),
            (Err(error), StateDir::Default(_)) => log!(
                "Keys that were seen on flatend/2 are remembered for this run only: '{}' cannot be made: {}.",
                directory.display(),
                io_words(&error)
            ),
            (Err(error), _) => {
                let error = io_words(&error);
                let directory = directory.display();
                return Err(format!("the state directory '{directory}' cannot be made: {error}"));
            }
        }
    }
    Ok(builder.trust(lists(mesh)?))
}

/// The lists of `mesh`, and those whom its join tokens let in.
///
/// # Errors
/// One sentence: the list of invited keys cannot be read.
fn lists(mesh: &Mesh) -> Result<Trust, String> {
    let legacy = match mesh.legacy {
        LegacyPolicy::Allow => Legacy::Allow,
        LegacyPolicy::Known => Legacy::Known,
        LegacyPolicy::Refuse => Legacy::Refuse,
    };
    let names = mesh.legacy_services.iter().map(String::as_str);
    let trust = Trust::default().legacy(legacy).legacy_services(names);
    let trust = mesh.peers.iter().fold(trust, |trust, key| trust.peer(*key));
    let offers = mesh.offers.iter();
    let trust = offers.fold(trust, |trust, (key, names)| {
        trust.offer(*key, names.iter().map(String::as_str))
    });
    Ok(invited::trusted(trust, &invited::load(mesh)?))
}

/// Reads the lists of the file again, the invited keys, and the keys that were seen on flatend/2. A file with errors changes nothing.
pub fn reload(node: &Node, file: &Path, context: &Context<'_>) {
    let shown = file.display().to_string();
    let config = match config::load(file, context) {
        Ok(config) => config,
        Err(LoadError::Missing) => Config::without_file(context),
        Err(LoadError::Invalid(found)) => {
            for line in config::lines(&shown, &found).lines() {
                log!("{line}");
            }
            return log!(
                "Who may connect, call and offer what stays as it was: '{shown}' has errors."
            );
        }
        Err(error) => {
            return log!("Who may connect, call and offer what stays as it was: {shown}: {error}");
        }
    };
    let lists = match lists(&config.mesh) {
        Ok(lists) => lists,
        Err(sentence) => {
            return log!("Who may connect, call and offer what stays as it was: {sentence}.");
        }
    };
    match node.set_trust(lists) {
        Ok(()) => log!("Read again who may connect, call and offer what, from '{shown}'."),
        Err(error) => log!(
            "Read again who may connect, call and offer what; the keys that were seen on flatend/2 stay as they were: {}.",
            io_words(&error)
        ),
    }
}
