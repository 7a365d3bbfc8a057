//! Key files: what `flatend keygen` makes is what the configuration takes.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use flatend_gateway::config::{Config, Context, StateDir};
use flatend_gateway::keys::{self, KeyError, Kind, Origin};
use support::Scratch;

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_secret_key_is_private_and_its_public_key_is_printed_alone() {
    let scratch = Scratch::new();
    let ran = scratch.flatend(&["keygen"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let file = scratch.path().join("secret.key");
    assert_eq!(mode(&file), 0o600);
    let digits = fs::read_to_string(&file).unwrap();
    assert_eq!(digits.len(), 129);
    assert_eq!(ran.out, digits[64..], "the second half is the public key");
    assert!(ran.err.contains("secret_key = \"secret.key\""));
    assert!(
        !ran.err.contains(&digits[..64]) && !ran.out.contains(&digits[..64]),
        "a secret was printed"
    );
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        1,
        "nothing else stays behind"
    );
}

#[test]
fn a_network_key_prints_nothing_on_standard_output() {
    let scratch = Scratch::new();
    let ran = scratch.flatend(&["keygen", "--network"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(0), ""));
    let file = scratch.path().join("network.key");
    assert_eq!(
        (mode(&file), fs::read_to_string(&file).unwrap().len()),
        (0o600, 65)
    );
    assert!(keys::load_network(&file).is_ok());
}

#[test]
fn a_file_that_exists_is_not_written_over() {
    let scratch = Scratch::new();
    scratch.write("mine.key", "precious");
    std::os::unix::fs::symlink("nowhere", scratch.path().join("link.key")).unwrap();
    for args in [
        &["keygen", "mine.key"][..],
        &["keygen", "--network", "mine.key"],
        &["keygen", "link.key"],
    ] {
        let ran = scratch.flatend(args);
        assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{args:?}");
        assert!(
            ran.err.contains("exists and is not written over"),
            "{ran:?}"
        );
    }
    assert_eq!(
        fs::read_to_string(scratch.path().join("mine.key")).unwrap(),
        "precious"
    );
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        2,
        "no draft stays behind"
    );
}

#[test]
fn a_directory_that_does_not_exist_is_named() {
    let ran = Scratch::new().flatend(&["keygen", "no/such/secret.key"]);
    assert_eq!(ran.status, Some(1));
    assert_eq!(ran.err, "flatend: cannot make the key file 'no/such/secret.key', which cannot be used: no such file or directory.\n");
}

#[test]
fn the_configuration_takes_what_keygen_makes() {
    let scratch = Scratch::new();
    scratch.flatend(&["keygen", "a.key"]);
    scratch.write("config.toml", "secret_key = \"a.key\"\n");
    assert_eq!(scratch.flatend(&["check"]).out, "config.toml: ok\n");

    fs::set_permissions(
        scratch.path().join("a.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let ran = scratch.flatend(&["check"]);
    assert_eq!(ran.status, Some(1));
    assert!(ran.out.contains("config.toml:1:14: `secret_key` names \"a.key\", which others may read or write (mode 0644): run `chmod 600` on it"), "{ran:?}");
}

#[test]
fn seeds_and_pairs_are_read_and_halves_must_fit() {
    let scratch = Scratch::new();
    let made = keys::make_secret(&scratch.path().join("pair.key")).unwrap();
    let pair = fs::read_to_string(scratch.path().join("pair.key")).unwrap();
    let private = |name: &str, text: &str| {
        let path = scratch.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let seed = private("seed.key", &format!(" {}\r\n\n", pair[..64].to_uppercase()));
    assert_eq!(
        keys::load_secret(&seed).unwrap(),
        made,
        "64 digits, any case, white space around"
    );
    assert_eq!(
        keys::load_secret(&scratch.path().join("pair.key"))
            .unwrap()
            .public(),
        made.public()
    );

    let other = private("other.key", &format!("{}{}", &pair[..64], "00".repeat(32)));
    assert!(matches!(keys::load_secret(&other), Err(KeyError::Halves)));
    for (name, text) in [
        ("short.key", &pair[..63]),
        ("long.key", &pair[..65]),
        ("127.key", &pair[..127]),
        ("empty.key", ""),
    ] {
        assert!(
            matches!(
                keys::load_secret(&private(name, text)),
                Err(KeyError::Digits(Kind::Secret))
            ),
            "{name}"
        );
    }
    assert!(matches!(
        keys::load_network(&scratch.path().join("pair.key")),
        Err(KeyError::Digits(Kind::Network))
    ));
    assert!(
        matches!(keys::load_secret(scratch.path()), Err(KeyError::Io(_))),
        "a directory"
    );
    assert!(
        !format!("{made:?}").contains(&pair[..64]),
        "Debug shows a secret"
    );
}

#[test]
fn modes_at_their_limit() {
    let scratch = Scratch::new();
    let file = scratch.path().join("a.key");
    keys::make_secret(&file).unwrap();
    for (mode, accepted) in [
        (0o400, true),
        (0o640, true),
        (0o660, false),
        (0o604, false),
        (0o601, false),
        (0o700, true),
    ] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let found = keys::check_file(&file, Kind::Secret);
        match found {
            Ok(()) => assert!(accepted, "{mode:o} was accepted"),
            Err(KeyError::Mode(told)) => assert!(!accepted && told == mode, "{mode:o}: {told:o}"),
            Err(other) => panic!("{mode:o}: {other}"),
        }
    }
}

fn node(state_dir: StateDir) -> Config {
    let context = Context {
        env: &|_| None,
        fallback_addr: "127.0.0.1:9000".parse().unwrap(),
        base_dir: std::path::PathBuf::new(),
    };
    let mut config = Config::without_file(&context);
    assert_eq!(
        config.mesh.state_dir,
        StateDir::Unknown,
        "neither $STATE_DIRECTORY nor $HOME is set"
    );
    config.mesh.state_dir = state_dir;
    config
}

#[test]
fn the_nodes_own_key_is_made_once_and_kept() {
    let scratch = Scratch::new();
    let directory = scratch.path().join("state/flatend");
    let config = node(StateDir::Named(directory.clone()));
    let (first, origin) = keys::identity(&config.mesh).unwrap();
    assert!(matches!(origin, Origin::Made(path) if path == directory.join("secret.key")));
    assert_eq!(
        (mode(&directory), mode(&directory.join("secret.key"))),
        (0o700, 0o600)
    );
    let (second, origin) = keys::identity(&config.mesh).unwrap();
    assert!(matches!(origin, Origin::File(_)));
    assert_eq!(first, second);
}

#[test]
fn a_state_directory_that_cannot_be_used_is_an_error_only_if_it_was_named() {
    let scratch = Scratch::new();
    scratch.write("file", "");
    let inside = scratch.path().join("file/flatend");
    let (path, _) = keys::identity(&node(StateDir::Named(inside.clone())).mesh).unwrap_err();
    assert_eq!(path, inside.join("secret.key"));
    let (_, origin) = keys::identity(&node(StateDir::Default(inside)).mesh).unwrap();
    assert!(
        matches!(origin, Origin::ThisRun(reason) if reason.contains("file/flatend/secret.key"))
    );
    let (_, origin) = keys::identity(&node(StateDir::Unknown).mesh).unwrap();
    assert!(matches!(origin, Origin::ThisRun(_)));
}

#[test]
fn a_damaged_key_is_never_replaced_in_silence() {
    let scratch = Scratch::new();
    let path = scratch.write("secret.key", "damaged");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for state_dir in [
        StateDir::Named(scratch.path().to_owned()),
        StateDir::Default(scratch.path().to_owned()),
    ] {
        assert!(matches!(
            keys::identity(&node(state_dir).mesh),
            Err((_, KeyError::Digits(Kind::Secret)))
        ));
    }
    assert_eq!(fs::read_to_string(path).unwrap(), "damaged");
}

/// A gateway that runs, and its log.
struct Gateway(Child, Receiver<String>);

impl Gateway {
    fn start(scratch: &Scratch, config: &str) -> Gateway {
        let mut child = Command::new(env!("CARGO_BIN_EXE_flatend"))
            .args(["--config", config])
            .current_dir(scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody listens any more once the test has what it wants.
                tell.send(line).ok();
            }
        });
        Gateway(child, told)
    }

    /// The first line that has `part` in it.
    fn says(&self, part: &str) -> String {
        loop {
            let line = self.1.recv_timeout(Duration::from_secs(20)).expect(part);
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn two_gateways_with_one_key_are_told_whose_it_is_and_how_to_make_another() {
    let scratch = Scratch::new();
    scratch.flatend(&["keygen", "one.key"]);
    // Ports that were free a moment ago.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (a, b) = (free(), free());
    let (addr_a, addr_b) = (a.local_addr().unwrap(), b.local_addr().unwrap());
    drop((a, b));
    let common = "secret_key = \"one.key\"\nshards = 1\n";
    scratch.write("a.toml", &format!("addr = \"{addr_a}\"\n{common}"));
    let b = format!("addr = \"{addr_b}\"\nbootstrap = [\"{addr_a}\"]\n{common}");
    scratch.write("b.toml", &b);
    let first = Gateway::start(&scratch, "a.toml");
    first.says("Listening for Flatend nodes");
    let second = Gateway::start(&scratch, "b.toml");
    for gateway in [&first, &second] {
        let line = gateway.says("has the same secret key");
        assert!(
            line.contains("`flatend keygen FILE`") && line.ends_with("one.key'."),
            "{line}"
        );
    }
}
