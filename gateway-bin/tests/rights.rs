//! What `check` says of files that the process may not use; `run` says it too. As root the binary is run as another user, since root may
//! do nearly everything.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use support::Ran;

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// A directory that everybody may enter, with the binary in it; removed when dropped.
struct Open(PathBuf);

impl Open {
    fn new() -> Open {
        let path = std::env::temp_dir().join(format!("flatend-rights-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let open = Open(path);
        open.mode("", 0o755);
        fs::copy(env!("CARGO_BIN_EXE_flatend"), open.0.join("flatend")).unwrap();
        open.mode("flatend", 0o755);
        open
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.0.join(name), Permissions::from_mode(mode)).unwrap();
    }

    fn check(&self) -> Ran {
        let mut command = Command::new(self.0.join("flatend"));
        command.arg("check").current_dir(&self.0);
        if fs::metadata(&self.0).unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ran::from(command.output().unwrap())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        for name in ["site", "shut"] {
            let _ = fs::set_permissions(self.0.join(name), Permissions::from_mode(0o755));
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_may_not_be_used_is_an_error_of_the_check() {
    let open = Open::new();
    for directory in ["shut", "site", "shelf"] {
        fs::create_dir(open.0.join(directory)).unwrap();
    }
    for file in ["old.log", "page.html"] {
        fs::write(open.0.join(file), "").unwrap();
    }
    let config = "state_dir = \"shut/state/flatend\"\n\
        [[http]]\naddr = \":3000\"\naccess_log = \"shut/access.log\"\n\
        [[http.routes]]\npath = \"GET /a\"\nstatic = \"site\"\n\
        [[http.routes]]\npath = \"GET /b\"\nstatic = \"shelf\"\nlisting = true\n\
        [[http.routes]]\npath = \"GET /c\"\nstatic = \"page.html\"\n\
        [[http]]\naddr = \":3001\"\naccess_log = \"old.log\"\n\
        [[http.routes]]\npath = \"GET /a\"\nstatus = 404\n";
    fs::write(open.0.join("config.toml"), config).unwrap();
    for (name, mode) in [
        ("shut", 0o555),
        ("site", 0o600),
        ("shelf", 0o311),
        ("old.log", 0o444),
        ("page.html", 0o200),
    ] {
        open.mode(name, mode);
    }
    let ran = open.check();
    let want = "\
config.toml:1:13: `state_dir` is \"shut/state/flatend\", but nothing can be made in \"shut\" (permission denied): let the user that runs the gateway write there, or write another path
config.toml:4:14: `access_log` is \"shut/access.log\", but nothing can be made in \"shut\" (permission denied): let the user that runs the gateway write there, or write another path
config.toml:7:10: `static` names \"site\", but what lies in it cannot be read (permission denied): let the user that runs the gateway read it (`chmod o+rx`)
config.toml:10:10: `static` names \"shelf\", but what lies in it cannot be read (permission denied): let the user that runs the gateway read it (`chmod o+rx`)
config.toml:14:10: `static` names \"page.html\", but it cannot be read (permission denied): let the user that runs the gateway read it
config.toml:17:14: `access_log` is \"old.log\", but it cannot be written (permission denied): let the user that runs the gateway write it, or write another path
config.toml: 6 errors, no warnings
";
    assert_eq!(
        (ran.out.as_str(), ran.status),
        (want, Some(1)),
        "{}",
        ran.err
    );
    // The twin: everything may be used.
    for (name, mode) in [
        ("shut", 0o777),
        ("site", 0o711),
        ("shelf", 0o755),
        ("old.log", 0o666),
        ("page.html", 0o444),
    ] {
        open.mode(name, mode);
    }
    let ran = open.check();
    assert_eq!(
        (ran.out.as_str(), ran.status),
        ("config.toml: ok\n", Some(0)),
        "{}",
        ran.err
    );
    assert!(
        fs::read_dir(open.0.join("shut")).unwrap().next().is_none(),
        "check made something"
    );
}
