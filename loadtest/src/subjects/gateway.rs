//! The gateway under test, with one shard, and a provider of services in a process of its own that dials it.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::template::render;
use super::{check, route, write, Link, Place, Setup, Subject, Task, ROUTES};
use crate::placement::free_addrs;
use crate::process::{self, Running};

const BUILD: &str = "cargo build --release -p flatend-gateway";

/// The gateway's binary: the given one, or `flatend` beside this program.
///
/// # Errors
/// It is not there.
pub(crate) fn binary(given: Option<&Path>) -> Result<PathBuf, String> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => env::current_exe()
            .map_err(|error| format!("cannot find this program: {error}"))?
            .with_file_name("flatend"),
    };
    // Absolute, because a bare name would be searched for in PATH.
    path.canonicalize().map_err(|error| {
        format!(
            "no gateway at {} ({error}): {BUILD}, or name one with --gateway",
            path.display()
        )
    })
}

/// How old the binary is: one that was built before the last change is the easiest mistake of a comparison.
///
/// # Errors
/// The system cannot say.
pub(crate) fn age(binary: &Path) -> Result<String, String> {
    let built = std::fs::metadata(binary).and_then(|about| about.modified());
    let built = built.map_err(|error| format!("cannot look at {}: {error}", binary.display()))?;
    // A clock that was set back gives no age.
    let minutes = built.elapsed().map_or(0, |age| age.as_secs() / 60);
    Ok(format!("gateway's binary built {minutes} minutes before"))
}

/// The configuration.
fn config(
    task: Task,
    shards: usize,
    http: SocketAddr,
    mesh: SocketAddr,
    files: &Path,
) -> Result<String, String> {
    let service = |path: &str, name: &str| {
        format!("\n[[http.routes]]\npath = \"{path}\"\nservice = \"{name}\"\n")
    };
    let mut routes = match task {
        Task::Static => format!(
            "\n[[http.routes]]\npath = \"GET /files\"\nstatic = \"{}\"\n",
            files.display()
        ),
        _ => service("GET /hello", "hello"),
    };
    let has = |own: Task| task == own || task == Task::Soak;
    if has(Task::Browser) {
        let pages =
            (1..=ROUTES).map(|number| service(&format!("GET {}:id", route(number)), "page"));
        routes.extend(pages);
    }
    if has(Task::Download) || task == Task::Duplex {
        routes.push_str(&service("GET /bytes/:count", "bytes"));
    }
    if has(Task::Upload) || task == Task::Duplex {
        routes.push_str(&service("POST /count", "count"));
    }
    if task == Task::Soak {
        routes.push_str(&service("GET /events", "events"));
    }
    render(
        include_str!("../../configs/gateway.toml"),
        &[
            ("HTTP", &http.to_string()),
            ("MESH", &mesh.to_string()),
            ("SHARDS", &shards.to_string()),
            (
                "ACCESS_LOG",
                if has(Task::Browser) {
                    "access_log = \"access.log\"\n"
                } else {
                    ""
                },
            ),
            ("ROUTES", &routes),
        ],
    )
}

/// A gateway with nobody behind it yet.
pub(crate) struct Alone {
    pub(crate) addr: SocketAddr,
    /// Where services dial it.
    pub(crate) mesh: SocketAddr,
    pub(crate) proxy: Running,
}

/// Starts the gateway alone; services can dial it when this returns.
///
/// # Errors
/// It refuses the configuration, or does not listen.
pub(crate) fn start_alone(task: Task, shards: usize, place: &Place) -> Result<Alone, String> {
    let [addr, mesh] = free_addrs()?;
    let home = place.dir.join("gateway");
    let file = home.join("config.toml");
    write(&file, &config(task, shards, addr, mesh, &place.files)?)?;
    std::fs::create_dir_all(home.join("state"))
        .map_err(|error| format!("cannot make {}: {error}", home.display()))?;
    let command = |words: &[&str]| {
        let mut command = Command::new(&place.gateway);
        command.args(words).arg("-c").arg(&file).current_dir(&home);
        command
    };
    check("gateway", &mut command(&["check"]), place, BUILD)?;
    let cores = [place.cores.proxy, place.cores.others];
    let mut proxy = process::start(
        "gateway",
        &mut command(&[]),
        &cores[..shards],
        &place.dir,
        BUILD,
    )?;
    // Who dials then does so without a pause before a second try.
    proxy.listens(mesh)?;
    Ok(Alone { addr, mesh, proxy })
}

/// Starts the gateway and, unless it serves files, the services behind it.
///
/// # Errors
/// The gateway refuses the configuration or does not answer.
pub(crate) fn start(task: Task, setup: Setup, place: &Place) -> Result<Subject, String> {
    let Alone { addr, mesh, proxy } = start_alone(task, setup.shards, place)?;
    if task == Task::Static {
        return Subject::once_it_answers(addr, proxy, Vec::new(), "/files/small.bin");
    }
    let mesh = mesh.to_string();
    let cores = [place.cores.others];
    let node = |words: &[&str]| {
        let words = [&["serve-node", "--node", &mesh], words].concat();
        process::start_this(&words, "services", &cores, &place.dir)
    };
    let server = match (setup.link, &place.npm) {
        (Link::Flatend2, _) => node(&[])?,
        (Link::Legacy, _) => node(&["--legacy"])?,
        (Link::Npm, Some(package)) => package.serve(&mesh, &cores, &place.dir)?,
        (Link::Npm, None) => return Err("nobody looked for the npm package".to_owned()),
    };
    Subject::once_it_answers(addr, proxy, vec![server], "/hello")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_gateway_is_told_with_the_remedy() {
        let error = binary(Some(Path::new("/nowhere/flatend"))).unwrap_err();
        let this = env::current_exe().unwrap();
        assert!(age(&this).unwrap().starts_with("gateway's binary built "));
        assert!(age(Path::new("/nowhere")).is_err());
        assert!(
            error.starts_with("no gateway at /nowhere/flatend") && error.contains("cargo build"),
            "{error}"
        );
    }

    #[test]
    fn each_task_has_its_configuration() {
        let addr = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let made = |task| {
            let text = config(task, 1, addr(3000), addr(9000), Path::new("/f")).unwrap();
            assert!(text.contains("shards = 1") && text.contains("addr = \"127.0.0.1:3000\""));
            text.parse::<toml::Table>()
                .unwrap_or_else(|error| panic!("{error} in\n{text}"))
        };
        let routes = |table: &toml::Table| table["http"][0]["routes"].as_array().unwrap().len();
        let hello = made(Task::Hello);
        assert!(routes(&hello) == 1 && hello["http"][0].get("access_log").is_none());
        let browser = made(Task::Browser);
        assert_eq!(routes(&browser), ROUTES + 1);
        assert_eq!(
            browser["http"][0]["access_log"].as_str(),
            Some("access.log")
        );
        assert_eq!(
            browser["http"][0]["routes"][200]["path"].as_str(),
            Some("GET /api/v1/resource-200/:id")
        );
        assert_eq!(routes(&made(Task::Upload)), 2);
        assert_eq!(routes(&made(Task::Duplex)), 3);
        let soak = made(Task::Soak);
        assert_eq!(routes(&soak), ROUTES + 4);
        assert!(soak["http"][0].get("access_log").is_some());
        assert_eq!(
            made(Task::Static)["http"][0]["routes"][0]["static"].as_str(),
            Some("/f")
        );
    }
}
