//! Signals and the log in a process of their own: the test runs itself again as the child.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use flatend_gateway::{log, logs, signals};

const ROLE: &str = "FLATEND_TEST_ROLE";

fn child(role: &str, zone: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env("TZ", zone)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The child's side; without a role it is an ordinary test of nothing else than that the log starts twice.
#[test]
fn the_child() {
    logs::start().unwrap();
    logs::start().unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("signals") => {
            signals::on_stop(|stop| log!("Draining: {stop:?}.")).unwrap();
            log!("Ready.");
            // Until the second signal ends us; the parent holds our standard input open.
            let _ = std::io::stdin().read(&mut [0]);
        }
        Ok("flood") => {
            static FLOOD: logs::Kind = logs::Kind::new("floods");
            for number in 0..1000 {
                FLOOD.line(format_args!("Line {number}."));
            }
            log!("Escaped: \u{1b}[31m\n.");
            logs::flush();
        }
        _ => {}
    }
}

/// A log line without its stamp, which must have the seed's shape.
fn message(line: &str) -> &str {
    let (stamp, message) = line.split_at("2020/06/18 04:07:07 ".len());
    for (shape, c) in "0000/00/00 00:00:00 ".chars().zip(stamp.chars()) {
        assert!(
            if shape == '0' {
                c.is_ascii_digit()
            } else {
                c == shape
            },
            "{line}"
        );
    }
    message
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn the_first_signal_drains_and_the_second_ends_the_process() {
    for (first, second, word, status) in [
        ("-INT", "-TERM", "Interrupt", 143),
        ("-TERM", "-INT", "Terminate", 130),
    ] {
        let mut child = child("signals", "UTC0");
        // `wait` would close it, and the child would end by itself.
        let _stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut next = || lines.next().expect("the child wrote another line").unwrap();
        assert_eq!(message(&next()), "Ready.");
        signal(&child, first);
        assert_eq!(message(&next()), format!("Draining: {word}."));
        assert!(
            child.try_wait().unwrap().is_none(),
            "the first signal must not end the process"
        );
        signal(&child, second);
        assert_eq!(message(&next()), "Stopping at once.");
        assert_eq!(child.wait().unwrap().code(), Some(status));
    }
}

fn flood(zone: &str) -> Vec<String> {
    let mut child = child("flood", zone);
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(child.wait().unwrap().success());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_flood_is_cut_and_counted() {
    let lines = flood("UTC0");
    let messages: Vec<&str> = lines.iter().map(|line| message(line)).collect();
    let written = messages
        .iter()
        .filter(|line| line.starts_with("Line "))
        .count();
    let told: usize = messages
        .iter()
        .filter_map(|line| line.strip_suffix(" more lines about floods were left out."))
        .map(|count| count.parse::<usize>().unwrap())
        .sum();
    assert_eq!(written + told, 1000, "{messages:?}");
    assert!(
        written <= 40,
        "a flood may touch two seconds, not more: {written}"
    );
    assert!(
        messages.contains(&"Escaped: \\u{1b}[31m\\n."),
        "{messages:?}"
    );
}

#[test]
fn stamps_are_in_local_time() {
    let minutes = |zone: &str| {
        let lines = flood(zone);
        let digits = |range: std::ops::Range<usize>| lines[0][range].parse::<i64>().unwrap();
        digits(11..13) * 60 + digits(14..16)
    };
    // Nine hours ahead; a minute may pass between the two runs.
    let ahead = (minutes("XXX-9") - minutes("UTC0")).rem_euclid(24 * 60);
    assert!((539..=541).contains(&ahead), "{ahead} minutes");
}
