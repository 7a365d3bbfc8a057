//! The published npm package as the service behind the gateway: what old peers are, at their own speed.
//!
//! Owns where the package is looked for. Installs nothing. It sends a body in Data packets of 2,048 bytes, one frame each, whatever
//! its service writes at once.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{version, write};
use crate::process::{self, Running};

const NODE_INSTALL: &str = "Node.js 20 or newer is needed for the npm service: apt-get install nodejs, or leave it out with --subjects gateway,nginx,haproxy";
const SCRIPT: &str = include_str!("../../services/npm.js");
/// Where the project keeps it.
const IN_PROJECT: &str = "interop";
/// Where npm puts it.
const IN_FOLDER: &str = "node_modules/flatend";

/// The package, installed.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    dir: PathBuf,
    version: String,
}

impl Package {
    /// The package of the given folder, or of the folder `interop` of the project around the present directory, or around this program.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn find(given: Option<&Path>) -> Result<Package, String> {
        let candidates = match given {
            Some(dir) => vec![dir.join(IN_FOLDER), dir.to_owned()],
            None => {
                let places = [env::current_dir(), env::current_exe()];
                let above = |place: PathBuf| {
                    let folder = |dir: &Path| dir.join(IN_PROJECT).join(IN_FOLDER);
                    place.ancestors().map(folder).collect::<Vec<_>>()
                };
                places.into_iter().flatten().flat_map(above).collect()
            }
        };
        let found = candidates.iter().find_map(|dir| {
            let version = version_of(&fs::read_to_string(dir.join("package.json")).ok()?)?;
            // Absolute: the script that loads it is elsewhere.
            let dir = dir.canonicalize().ok()?;
            Some(Package { dir, version })
        });
        found.ok_or_else(|| {
            let looked = match given {
                Some(dir) => format!("not in {}", dir.display()),
                None => format!(
                    "not in {IN_PROJECT}/{IN_FOLDER} of a folder around the present one or this program"
                ),
            };
            format!("the npm package flatend is not there ({looked}): run npm ci in the project's folder {IN_PROJECT}, name a folder with --npm, or leave it out with --subjects gateway,nginx,haproxy")
        })
    }

    /// Its version and that of Node.js, as a report says them.
    ///
    /// # Errors
    /// Node.js is missing.
    pub(crate) fn versions(&self) -> Result<String, String> {
        let node = version("node", NODE_INSTALL)?;
        Ok(format!(
            "npm package flatend {}, Node.js {node}: 2,048 bytes of body a frame",
            self.version
        ))
    }

    /// Starts the service, which dials `mesh`.
    ///
    /// # Errors
    /// Node.js is missing, or the script cannot be written.
    pub(super) fn serve(&self, mesh: &str, cores: &[usize], dir: &Path) -> Result<Running, String> {
        let script = dir.join("npm.js");
        write(&script, SCRIPT)?;
        let mut command = Command::new("node");
        command.arg(&script).arg(&self.dir).arg(mesh);
        process::start("services", &mut command, cores, dir, NODE_INSTALL)
    }
}

/// The version that a `package.json` of the package says; nothing if it is that of another.
fn version_of(text: &str) -> Option<String> {
    let package: serde_json::Value = serde_json::from_str(text).ok()?;
    let text = |key| package.get(key)?.as_str();
    (text("name")? == "flatend").then_some(text("version")?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::READY_TIMEOUT_MS;
    use crate::pattern::Pattern;

    #[test]
    fn the_package_is_found_by_its_folder_or_the_one_around() {
        let root = env::temp_dir().join(format!("loadtest-npm-{}", std::process::id()));
        let inner = root.join(IN_FOLDER);
        let text = r#"{ "name": "flatend", "version": "0.0.8" }"#;
        write(&inner.join("package.json"), text).unwrap();
        for given in [&root, &inner] {
            let package = Package::find(Some(given)).unwrap();
            assert_eq!(package.version, "0.0.8");
            assert_eq!(package.dir, inner.canonicalize().unwrap());
        }
        write(
            &inner.join("package.json"),
            r#"{ "name": "other", "version": "1.0.0" }"#,
        )
        .unwrap();
        let error = Package::find(Some(&root)).unwrap_err();
        fs::remove_dir_all(root).unwrap();
        assert!(
            error.starts_with("the npm package flatend is not there (not in ")
                && error.contains("run npm ci")
                && error.contains("--subjects gateway,nginx,haproxy"),
            "{error}"
        );
    }

    /// A package that calls the service by itself and prints what it writes.
    const STUB: &str = r#"
exports.Node = {
  start: async ({ services }) => {
    const ctx = {
      headers: { "params.count": "300000" },
      header: () => {},
      write: (piece) => process.stdout.write(piece.toString("hex")) || true,
      end: () => process.exit(),
    };
    await services.bytes(ctx);
  },
};"#;

    #[test]
    fn the_script_sends_the_pattern_that_the_client_checks() {
        let root = env::temp_dir().join(format!("loadtest-npm-stub-{}", std::process::id()));
        write(
            &root.join("package.json"),
            r#"{ "name": "flatend", "version": "0" }"#,
        )
        .unwrap();
        write(&root.join("index.js"), STUB).unwrap();
        let package = Package::find(Some(&root)).unwrap();
        let core = flatend::rt::allowed_cpus()[0];
        let serving = package.serve("127.0.0.1:1", &[core], &root).unwrap();
        let printed = serving.output(Duration::from_millis(READY_TIMEOUT_MS));
        fs::remove_dir_all(root).unwrap();
        let digits = printed.unwrap();
        let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16);
        let bytes: Result<Vec<u8>, _> = digits.as_bytes().chunks(2).map(byte).collect();
        let bytes = bytes.unwrap();
        assert_eq!(bytes.len(), 300_000);
        assert!(Pattern::new().matches(0, &bytes));
    }
}
