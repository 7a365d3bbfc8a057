//! Plans that make sense, and those that do not.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::check::target;
use super::{job, load, parse};
use crate::client::{Job, Pace};
use crate::limits::PLAN_BYTES_MAX;

const URL: &str = "url = \"http://127.0.0.1:3000\"\n";

fn checked(text: &str) -> Result<Job, String> {
    job(&parse("p.toml", &format!("{URL}{text}")).unwrap(), None)
}

#[test]
fn a_plan_becomes_a_job() {
    let job = checked(
        "duration = \"2s\"\nsources = [\"127.0.0.2\"]\n[[group]]\nname = \"hello\"\nconnections = 8\nrate = 100.5\n\
         [[group.request]]\npath = \"/a/{08..11}\"\nfields = [\"accept: */*\"]\nexpect = { status = 204 }\n",
    )
    .unwrap();
    assert_eq!(job.addr, SocketAddr::from(([127, 0, 0, 1], 3000)));
    let group = &job.groups[0];
    assert_eq!((group.name.as_str(), group.connections), ("hello", 8));
    assert_eq!(group.pace, Pace::Open { per_s: 100.5 });
    let heads: Vec<&str> = group
        .templates
        .iter()
        .map(|one| std::str::from_utf8(&one.bytes).unwrap())
        .collect();
    assert_eq!(heads.len(), 4);
    assert_eq!(
        heads[1],
        "GET /a/09 HTTP/1.1\r\nHost: 127.0.0.1:3000\r\naccept: */*\r\n\r\n"
    );
    assert_eq!(group.templates[3].expect.status, 204);
}

#[test]
fn values_that_make_no_sense_are_refused_with_the_remedy() {
    let with =
        |keys: &str, request: &str| format!("[[group]]\n{keys}\n[[group.request]]\n{request}\n");
    let path = "path = \"/\"";
    for (text, sentence) in [
        (
            String::new(),
            "the plan does nothing: write at least one [[group]]",
        ),
        (
            format!("sources = [\"::1\"]\n{}", with("", path)),
            "::1 of `sources` cannot reach 127.0.0.1:3000",
        ),
        (
            with("connections = 0", path),
            "group 1: connections = 0 sends nothing",
        ),
        (
            with("name = \"x\"\npipeline = 0", path),
            "x: pipeline = 0 is not 1 to",
        ),
        (
            with("rate = 1.0\nrequests = 1", path),
            "group 1: `rate` and `requests` exclude each other",
        ),
        (
            with("rate = 0.0", path),
            "group 1: rate = 0.0 is not above 0",
        ),
        (
            with("rate = 1e300", path),
            "group 1: rate = 1e300 is not above 0 and at most 1000000.0 requests a second",
        ),
        (
            with(
                "",
                "path = \"/\"\nmethod = \"POST\"\nbody_bytes = 1099511627777",
            ),
            "group 1: body_bytes = 1099511627777 is over the limit of 1099511627776",
        ),
        (
            with("rate = nan", path),
            "group 1: rate = NaN is not above 0",
        ),
        (
            with("requests = 0", path),
            "group 1: requests = 0 sends nothing",
        ),
        (
            with("requests_a_connection = 0", path),
            "group 1: requests_a_connection = 0 sends nothing",
        ),
        (
            with("pipeline = 2", "path = \"/\"\nbody_bytes = 1"),
            "group 1: `body_bytes` cannot be piped",
        ),
        (
            with("connections = 30000", path),
            "30000 connections are over the limit",
        ),
        (
            "[idle]\nconnections = 0\n".to_owned(),
            "[idle] needs connections",
        ),
        (
            format!("{}{}", with("requests = 1", path), with("", path)),
            "some groups end after `requests` and some by time",
        ),
        (
            with("", "path = \"x\""),
            "group 1: \"x\" is no path: write one that begins with /",
        ),
        (
            with("", "path = \"/{2..1}\""),
            "group 1: \"/{2..1}\" has no range: write {1..200}",
        ),
        (
            with("", "path = \"/{1..}\""),
            "group 1: \"/{1..}\" has no range",
        ),
        (
            with("", "path = \"/{0..10000}\""),
            "group 1: \"/{0..10000}\" has no range",
        ),
        (
            with("", "path = \"/\"\nmethod = \"get\""),
            "group 1: \"get\" is no method: write \"GET\"",
        ),
        (
            with("", "path = \"/\"\nfields = [\"a\"]"),
            "group 1: \"a\" is no field: write \"name: value\"",
        ),
        (
            with("", "path = \"/\"\nfields = [\"Content-Length: 1\"]"),
            "group 1: `Content-Length` is written by the client itself",
        ),
        (
            with("", "path = \"/\"\nbody = \"\"\nbody_bytes = 1"),
            "group 1: `body` and `body_bytes` exclude each other",
        ),
        (
            with("", "path = \"/\"\nexpect = { body = \"\", pattern = true }"),
            "group 1: `body`, `repeats` and `pattern` exclude each other",
        ),
        (
            with("", "path = \"/\"\nexpect = { repeats = \"\" }"),
            "group 1: `repeats` is empty",
        ),
    ] {
        let error = checked(&text).unwrap_err();
        assert!(error.starts_with(sentence), "{text}\ngives {error}");
    }
    let nobody = job(&parse("p.toml", "[idle]\nconnections = 1\n").unwrap(), None).unwrap_err();
    assert!(nobody.contains("write url = "), "{nobody}");
}

#[test]
fn the_last_values_that_pass_do() {
    let text = "rounds = 1000\ntimeout = \"1ms\"\n[[group]]\n[[group.request]]\npath = \"/\"\n";
    for expect in [
        "status = 100",
        "status = 599",
        "length = 5, body = \"hello\"",
    ] {
        assert!(
            checked(&format!("{text}expect = {{ {expect} }}\n")).is_ok(),
            "{expect}"
        );
    }
}

#[test]
fn servers_are_addresses() {
    assert_eq!(target("http://[::1]:80/"), Ok("[::1]:80".parse().unwrap()));
    for bad in [
        "127.0.0.1:80",
        "https://127.0.0.1:80",
        "http://localhost:80",
        "http://127.0.0.1",
        "http://127.0.0.1:80/x",
    ] {
        assert!(
            target(bad)
                .unwrap_err()
                .contains("write \"http://127.0.0.1:3000\""),
            "{bad}"
        );
    }
}

#[test]
fn the_plans_beside_this_program_can_be_run() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans");
    let mut count = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let plan = load(&path).unwrap();
        job(&plan, Some("http://127.0.0.1:1"))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!plan.title.is_empty(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 6, "{count} plans");
}

#[test]
fn mistakes_are_told_with_their_place_and_the_remedy() {
    let request = "[[group.request]]\npath = \"/\"\n";
    for (text, sentence) in [
        ("duratoin = \"1s\"\n".to_owned(), "p.toml:1:1: unknown field `duratoin`, expected one of `title`, `url`, `warm_up`, `duration`"),
        ("duration = \"1441m\"\n".to_owned(), "p.toml:1:12: \"1441m\" is over the limit of 1440 minutes: write less"),
        ("duration = \"99999999999999999999s\"\n".to_owned(), "p.toml:1:12: \"99999999999999999999s\" is over the limit"),
        ("title = \"x\"\nduration = \"10\"\n".to_owned(), "p.toml:2:12: \"10\" is no time: write \"10s\", \"500ms\" or \"2m\""),
        ("duration = 10\n".to_owned(), "p.toml:1:12: invalid type: integer `10`, expected a string"),
        (format!("[[group]]\nconections = 2\n{request}"), "p.toml:2:1: unknown field `conections`, expected one of `name`, `connections`"),
        ("[[group]]\n[[group.request]]\nmethod = \"GET\"\n".to_owned(), "p.toml:2:1: missing field `path`"),
        ("[[group]]\n".to_owned(), "p.toml:1:1: missing field `request`"),
        ("title = x\n".to_owned(), "p.toml:1:9: "),
        ("duration = \"0s\"\n".to_owned(), "p.toml:1:12: a time of 0 leaves nothing: write one such as \"10s\""),
        ("title = \"\"\ntimeout = \"0ms\"\n".to_owned(), "p.toml:2:11: a time of 0 leaves nothing"),
        ("rounds = 0\n".to_owned(), "p.toml:1:10: rounds = 0 is not 1 to 1000"),
        ("rounds = 1001\n".to_owned(), "p.toml:1:10: rounds = 1001 is not 1 to 1000"),
        (format!("[[group]]\n{request}expect = {{ status = 99 }}\n"), "p.toml:4:21: status = 99 is not 100 to 599"),
        (format!("[[group]]\n{request}expect.status = 600\n"), "p.toml:4:17: status = 600 is not 100 to 599"),
        (format!("[[group]]\n{request}expect = {{ length = 4, body = \"hello\" }}\n"), "p.toml:4:10: `length` is 4, but `body` has 5 bytes: leave `length` out"),
        ("[[group]]\nconnections = -1\n".to_owned(), "p.toml:2:15: invalid value: integer `-1`, expected u32"),
    ] {
        let error = parse("p.toml", &text).unwrap_err();
        assert!(error.starts_with(sentence), "{text}\ngives {error}");
    }
    let missing = load(Path::new("/nowhere/p.toml")).unwrap_err();
    assert!(
        missing.starts_with("cannot read /nowhere/p.toml: "),
        "{missing}"
    );
}

#[test]
fn no_more_of_a_file_is_read_than_a_plan_may_have() {
    // Has no end, and says that it has no bytes.
    let endless = load(Path::new("/dev/zero")).unwrap_err();
    assert_eq!(
        endless,
        "/dev/zero is over 1048576 bytes, which is no plan: name a plan file"
    );
    let file = std::env::temp_dir().join(format!("loadtest-plan-{}.toml", std::process::id()));
    let plan = format!("{URL}[idle]\nconnections = 1\n");
    let of_bytes = |bytes: u64| {
        let rest = "#".repeat(bytes as usize - plan.len());
        fs::write(&file, format!("{plan}{rest}")).unwrap();
        load(&file)
    };
    let last = of_bytes(PLAN_BYTES_MAX);
    let first_too_large = of_bytes(PLAN_BYTES_MAX + 1);
    fs::remove_file(&file).unwrap();
    assert!(last.is_ok(), "{last:?}");
    assert!(first_too_large.unwrap_err().contains("is over 1048576"));
}
