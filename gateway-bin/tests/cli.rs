//! The binary as a user meets it: help, check, wrong command lines.

mod support;

use support::{Ran, Scratch};

fn flatend(args: &[&str]) -> Ran {
    Scratch::new().flatend(args)
}

/// Status 2, one sentence on standard error, nothing on standard output.
fn refused(args: &[&str]) -> String {
    let ran = flatend(args);
    assert_eq!(
        (ran.status, ran.out.as_str()),
        (Some(2), ""),
        "{args:?}: {ran:?}"
    );
    assert_eq!(ran.err.lines().count(), 1, "{args:?}: {ran:?}");
    assert!(
        ran.err.starts_with("flatend: ") && ran.err.ends_with(".\n"),
        "{args:?}: {ran:?}"
    );
    ran.err
}

#[test]
fn help_is_long_only_and_lists_what_there_is() {
    let ran = flatend(&["--help"]);
    assert_eq!((ran.status, ran.err.as_str()), (Some(0), ""));
    for word in [
        "flatend [-c FILE] [-h HOST] [-p PORT]",
        "demo",
        "call",
        "invite",
        "check",
        "keygen",
        "agent",
        "127.0.0.1",
        "9000",
        "config.toml",
    ] {
        assert!(ran.out.contains(word), "{word} is missing in\n{}", ran.out);
    }
    for later in ["repl", "ctl"] {
        assert!(
            !ran.out.contains(later),
            "{later} is listed in\n{}",
            ran.out
        );
    }
    assert_eq!(flatend(&["help"]).out, ran.out);
    assert!(flatend(&["check", "--help"])
        .out
        .contains("flatend check [-c FILE]"));
    assert!(flatend(&["keygen", "--help"]).out.contains("--network"));
}

#[test]
fn the_version_is_told() {
    assert_eq!(
        flatend(&["--version"]).out,
        format!("flatend {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn h_is_the_host() {
    assert!(refused(&["-h"]).contains("-h takes the host"));
    assert!(refused(&["-h", "nowhere.example"]).contains("write an IP address"));
    assert!(refused(&["-p", "65536"]).contains("65536 is not in 0..=65535"));
    assert!(refused(&["check", "-h"]).contains("`-h` is not an option here"));
}

#[test]
fn commands_of_later_versions_are_known_and_refused() {
    for name in ["repl", "ctl"] {
        let sentence = format!("flatend: `flatend {name}` comes with a later version.\n");
        assert_eq!(refused(&[name]), sentence);
        assert_eq!(
            refused(&[name, "hello_world", "-H", "a:b", "--node", "127.0.0.1:9000"]),
            sentence
        );
    }
}

#[test]
fn the_agent_says_what_it_needs() {
    let help = flatend(&["agent", "--help"]);
    assert_eq!((help.status, help.err.as_str()), (Some(0), ""));
    for word in [
        "NAME=http://HOST:PORT",
        "--node",
        "[[services]]",
        "health_interval",
        "timeout",
        "NAT",
    ] {
        assert!(
            help.out.contains(word),
            "{word} is missing in\n{}",
            help.out
        );
    }
    assert!(
        help.out.lines().all(|line| line.chars().count() < 120),
        "{}",
        help.out
    );
    let api = "api=http://127.0.0.1:1";
    let (node, at) = ("--node", "127.0.0.1:9000");
    for (args, says) in [
        (
            &["agent", "api=ftp://x", node, at][..],
            "does not begin with \"http://\": write",
        ),
        (
            &["agent", "api=https://x", node, at],
            "only plain HTTP upstreams",
        ),
        (
            &["agent", "api=http://x/y", node, at],
            "scheme, host and port alone",
        ),
        (&["agent", "http://x", node, at], "is not NAME=URL"),
        (&["agent", "=http://x", node, at], "has no name"),
        (&["agent", api, api, node, at], "offered twice"),
        (&["agent", api], "add --node HOST:PORT"),
        (&["agent", api, node, "x"], "has no port"),
        (&["agent", api, node, at, "-c", "f"], "do not go together"),
        (&["-c", "f", "agent", api, node, at], "do not go together"),
        (
            &["-p", "1", "agent", api, node, at],
            "-p is an option of `flatend` alone",
        ),
        (&["agent", api, "--nod", at], "is not an option here"),
    ] {
        let sentence = refused(args);
        assert!(sentence.contains(says), "{args:?}: {sentence}");
    }
    let pinned = format!("{at}#{}", "00".repeat(31));
    assert!(refused(&["agent", api, node, &pinned]).contains("64 hex digits"));
}

#[test]
fn the_agents_file_must_offer_something_somewhere() {
    let scratch = Scratch::new();
    let service = "[[services]]\nname = \"a\"\nupstream = \"http://127.0.0.1:1\"\n";
    for (text, says) in [
        ("", "has no `[[services]]`"),
        (service, "names no node to dial"),
        ("[[services]]\nname = \"a\"\n", "has no `upstream`"),
    ] {
        scratch.write("agent.toml", text);
        let ran = scratch.flatend(&["agent", "-c", "agent.toml"]);
        assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains(says), "{ran:?}");
    }
    let ran = scratch.flatend(&["agent"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.err.contains("there is no such file"), "{ran:?}");
}

#[test]
fn what_is_no_command_gets_the_nearest() {
    assert!(refused(&["chekc"]).contains("write `flatend check`"));
    assert!(refused(&["key-gen"]).contains("write `flatend keygen`"));
    assert!(refused(&["serve"]).contains("`flatend --help` lists them"));
    assert!(refused(&["--prot", "3"]).contains("`--prot` is not an option here"));
    assert!(refused(&["a\nb"]).contains("`a\\nb` is not a command"));
}

#[test]
fn options_of_running_do_not_go_with_commands() {
    assert!(refused(&["-p", "9000", "keygen"]).contains("-p is an option of `flatend` alone"));
    assert!(refused(&["-c", "x.toml", "demo"]).contains("-c is an option of `flatend` alone"));
}

const GOOD: &str =
    "[[http]]\naddr = \":3000\"\n[[http.routes]]\npath = \"GET /\"\nservice = \"hello_world\"\n";

#[test]
fn a_good_file_is_ok_however_it_is_named() {
    let scratch = Scratch::new();
    scratch.write("config.toml", GOOD);
    scratch.write("other.toml", GOOD);
    for (args, name) in [
        (&["check"][..], "config.toml"),
        (&["check", "-c", "other.toml"], "other.toml"),
        (&["check", "--config=other.toml"], "other.toml"),
        (&["check", "other.toml"], "other.toml"),
        (&["-c", "other.toml", "check"], "other.toml"),
    ] {
        let ran = scratch.flatend(args);
        assert_eq!(
            (ran.status, ran.out, ran.err.as_str()),
            (Some(0), format!("{name}: ok\n"), ""),
            "{args:?}"
        );
    }
}

#[test]
fn every_mistake_is_printed_and_the_status_is_one() {
    let scratch = Scratch::new();
    scratch.write("config.toml", "adr = 1\n\n[[http]]\naddr = \"3000\"\n");
    let ran = scratch.flatend(&["check"]);
    assert_eq!(ran.status, Some(1));
    assert_eq!(
        ran.out,
        "config.toml:1:1: `adr` is not a key of the top of the file: write `addr`\n\
         config.toml:3:1: warning: `[[http]]` has no routes, so every request is answered with 404: write `[[http.routes]]` below it\n\
         config.toml:4:8: `addr` is \"3000\", which has no colon: write \":3000\" for that port on every address\n\
         config.toml: 2 errors, 1 warning\n"
    );
    assert_eq!(ran.err, "");
}

#[test]
fn warnings_alone_are_no_failure() {
    let scratch = Scratch::new();
    scratch.write("config.toml", &format!("{GOOD}websocket = true\n"));
    let ran = scratch.flatend(&["check"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran
        .out
        .contains("warning: `websocket` is not in this version yet"));
    assert!(
        ran.out
            .ends_with("config.toml: ok, 1 warning; this version does not run it\n"),
        "{}",
        ran.out
    );
}

#[test]
fn files_that_cannot_be_checked_say_why() {
    let scratch = Scratch::new();
    let ran = scratch.flatend(&["check"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""));
    assert_eq!(
        ran.err,
        "flatend: 'config.toml' does not exist: name the file with `flatend check -c FILE`.\n"
    );

    let ran = scratch.flatend(&["check", "-c", "."]);
    assert_eq!(
        (ran.status, ran.err.as_str()),
        (
            Some(1),
            "flatend: '.': it cannot be read: is a directory.\n"
        )
    );

    std::fs::write(scratch.path().join("latin1.toml"), b"# caf\xe9\n").unwrap();
    let ran = scratch.flatend(&["check", "-c", "latin1.toml"]);
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.out
            .starts_with("latin1.toml:1:6: this byte is not UTF-8"),
        "{ran:?}"
    );

    std::fs::write(scratch.path().join("mark.toml"), "\u{FEFF}adr = 1\r\n").unwrap();
    let ran = scratch.flatend(&["check", "-c", "mark.toml"]);
    assert!(ran.out.starts_with("mark.toml:1:1: `adr`"), "{ran:?}");
}

#[test]
fn the_largest_file_is_read_and_one_more_byte_is_refused() {
    let most = flatend_gateway::limits::CONFIG_FILE_BYTES_MAX;
    let scratch = Scratch::new();
    scratch.write("most.toml", &format!("#{}", "x".repeat(most - 1)));
    assert_eq!(
        scratch.flatend(&["check", "-c", "most.toml"]).out,
        "most.toml: ok\n"
    );
    scratch.write("more.toml", &format!("#{}", "x".repeat(most)));
    let ran = scratch.flatend(&["check", "-c", "more.toml"]);
    assert_eq!(
        (ran.status, ran.err.as_str()),
        (
            Some(1),
            "flatend: 'more.toml': it is larger than 4 MiB, which no configuration is: name the right file.\n"
        )
    );
}

#[test]
fn a_file_of_mistakes_is_cut_short() {
    let scratch = Scratch::new();
    let lines: String = (0..150)
        .map(|number| format!("nonsense{number} = 1\n"))
        .collect();
    scratch.write("config.toml", &lines);
    let ran = scratch.flatend(&["check"]);
    assert_eq!(ran.out.lines().count(), 102);
    assert!(ran
        .out
        .ends_with("config.toml: 50 more are not shown\nconfig.toml: 150 errors, no warnings\n"));
}

#[test]
fn variables_come_from_the_environment() {
    let scratch = Scratch::new();
    scratch.write("config.toml", "addr = \"${CARGO_PKG_VERSION_NOT_SET:-127.0.0.1:9000}\"\nshards = \"${FLATEND_TEST_SHARDS}\"\n");
    let ran = scratch.flatend(&["check"]);
    assert!(
        ran.out
            .contains("2:10: `shards`: the environment variable `FLATEND_TEST_SHARDS` is not set"),
        "{ran:?}"
    );
}

/// Nothing is bound: the file is refused before anything starts.
#[test]
fn a_wrong_file_is_told_whole_and_not_run() {
    let scratch = Scratch::new();
    scratch.write("config.toml", "adr = 1\nshards = 0\n");
    let ran = scratch.flatend(&[]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(
        ran.err.contains("config.toml:1:1: `adr` is not a key"),
        "{ran:?}"
    );
    assert!(
        ran.err.contains("config.toml:2:10: `shards` is 0"),
        "{ran:?}"
    );
    assert!(
        ran.err.ends_with("from 1 to 1024\n") && ran.err.lines().count() == 2,
        "{ran:?}"
    );
}

#[test]
fn a_file_of_a_later_version_is_refused_in_one_sentence_that_names_key_and_line() {
    let scratch = Scratch::new();
    scratch.write("later.toml", &format!("{GOOD}websocket = true\n"));
    let ran = scratch.flatend(&["-c", "later.toml"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    assert!(
        ran.err
            .contains("later.toml:6:1: `websocket` is not in this version yet"),
        "{ran:?}"
    );
}

#[test]
fn http_on_the_address_of_the_mesh_is_told_as_such() {
    for (mesh, http) in [
        ("[::]:22001", "0.0.0.0:22001"),
        ("[::]:22001", "127.0.0.1:22001"),
        ("[::]:22001", "[::1]:22001"),
        ("0.0.0.0:22001", "127.0.0.1:22001"),
        ("127.0.0.1:22001", "[::]:22001"),
    ] {
        let scratch = Scratch::new();
        let route = "[[http.routes]]\npath = \"GET /\"\nstatus = 404\n";
        let config =
            format!("addr = \"{mesh}\"\nstate_dir = \".\"\n[[http]]\naddr = \"{http}\"\n{route}");
        scratch.write("config.toml", &config);
        // Known before anything is bound, so that nothing here depends on who uses the port.
        let ran = scratch.flatend(&[]);
        let sentence = format!(
            "flatend: cannot listen for HTTP requests on '{http}': the mesh listens on '{mesh}'"
        );
        assert!(
            ran.err.contains(&sentence) && ran.status == Some(1),
            "{}",
            ran.err
        );
    }
}
