//! Event streams against a server of a few lines; the verdict and the report of a soak that was made up.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::events::{Found, Streams};
use super::flat::{judge, Point};
use super::providers::Restarts;
use super::{job, plan_of, table, verdict, Report, SoakOptions};
use crate::cli::{Cli, Command};
use crate::machine::Machine;
use crate::measure;
use crate::placement::Cores;
use crate::stop;
use crate::usage::{ProcessUse, Usage};
use clap::Parser;

const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const EVENT: &str = "c\r\ndata: tick\n\n\r\n";

/// Answers each connection with `answer`, and ends it if `ends`.
fn server(answer: String, ends: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let head = BufReader::new(&socket).lines();
            head.map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .for_each(drop);
            // Who has left already misses nothing.
            socket.write_all(answer.as_bytes()).ok();
            if !ends {
                kept.push(socket);
            }
        }
    });
    addr
}

fn streams_of(answer: String, ends: bool, enough: impl Fn(&Found) -> bool) -> Found {
    let streams = Streams {
        addr: server(answer, ends),
        path: "/events",
        count: 3,
        lasts: Duration::from_millis(100),
    };
    // Runs as long again as it took to find too little.
    let mut length = Duration::from_millis(150);
    let mut found = Found::default();
    let result = stop::poll_until(Duration::from_secs(20), || {
        let over = Arc::new(AtomicBool::new(false));
        let running = streams.start(over.clone());
        thread::sleep(length);
        over.store(true, Ordering::Relaxed);
        found = running.join().unwrap();
        length *= 2;
        Ok(enough(&found).then_some(()))
    });
    assert_eq!(result, Ok(Some(())), "{found:?}");
    found
}

#[test]
fn event_streams_stay_their_time_and_come_again() {
    let answer = format!("{HEAD}{}", EVENT.repeat(2));
    let found = streams_of(answer, false, |found| found.left >= 3);
    assert!(found.failures.is_empty(), "{found:?}");
    assert!(found.opened > 3 && found.ended == 0, "{found:?}");
    assert!(found.bytes >= 24 * (found.opened - 3), "{found:?}");
}

#[test]
fn an_end_of_the_service_is_told_from_a_cut_and_from_other_bytes() {
    let whole = format!("{HEAD}{EVENT}0\r\n\r\n");
    let found = streams_of(whole, true, |found| found.ended >= 3);
    assert!(found.failures.is_empty(), "{found:?}");
    for (answer, reason) in [
        (format!("{HEAD}{EVENT}"), "an event stream was cut"),
        (String::new(), "an event stream ended before its head"),
        (
            format!("{HEAD}c\r\ndata: tack\n\n\r\n"),
            "an event stream: the body is another one within 12 bytes from byte 0 on",
        ),
    ] {
        let found = streams_of(answer, true, |found| !found.failures.is_empty());
        assert_eq!(found.ended, 0, "{found:?}");
        assert_eq!(found.failures[0].0, reason, "{found:?}");
    }
}

fn options(words: &[&str]) -> SoakOptions {
    let words = ["loadtest", "soak"].iter().chain(words);
    match Cli::try_parse_from(words).unwrap().command {
        Command::Soak(options) => options,
        _ => panic!("soak was asked for"),
    }
}

#[test]
fn the_plan_is_bounded_in_rate() {
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    let own = plan_of(&options(&["--duration", "7s"])).unwrap();
    assert_eq!(own.duration, Duration::from_secs(7));
    assert_eq!(job(&own, addr).unwrap().groups.len(), 5);
    let mut closed = own.clone();
    closed.groups[1].rate = None;
    let error = job(&closed, addr).unwrap_err();
    assert!(
        error.starts_with("browser: a soak is bounded in rate: "),
        "{error}"
    );
    let short = options(&["--restart-every", "5ms", "--gateway", "/nowhere"]);
    let error = super::run(&short).unwrap_err();
    assert!(
        error.starts_with("--restart-every 5ms is too short"),
        "{error}"
    );
    let few = options(&[
        "--duration",
        "10s",
        "--sample",
        "1s",
        "--gateway",
        "/nowhere",
    ]);
    let error = super::run(&few).unwrap_err();
    assert!(
        error.starts_with("--sample 1s gives 10 readings"),
        "{error}"
    );
}

fn report(resident_kib: impl Fn(u64) -> u64) -> Report {
    let point = |second: u64| Point {
        at_s: second as f64,
        resident_kib: resident_kib(second),
        descriptors: 90,
        threads: 7,
    };
    let points: Vec<Point> = (0..=600).map(point).collect();
    let group = measure::GroupFigures {
        name: "hello".to_owned(),
        completed: 1_000,
        answered: 1_000,
        connects: 16,
        ..measure::GroupFigures::default()
    };
    let proxy = ProcessUse {
        name: "proxy".to_owned(),
        cpu_s: 30.0,
        peak_kib: 1,
        resident_kib: vec![1],
    };
    Report {
        command: "loadtest soak".to_owned(),
        machine: Machine::read(),
        cores: Cores {
            proxy: 0,
            others: 1,
        },
        gateway: "gateway's binary built 1 minutes before".to_owned(),
        event_streams: 50,
        event_lasts_s: 20.0,
        restarts: Restarts {
            drained: 29,
            killed: 0,
        },
        events: Found {
            opened: 1_500,
            bytes: 360_000,
            left: 1_000,
            ended: 450,
            failures: Vec::new(),
        },
        run: measure::Run {
            seconds: 600.0,
            client_cpu_s: 20.0,
            groups: vec![group],
            usage: Usage {
                processes: vec![proxy],
                machine: crate::proc_stat::Shares {
                    busy: 0.1,
                    steal: 0.0,
                    total_s: 1_200.0,
                },
            },
            others_share: 0.01,
        },
        trends: judge(&points),
        points,
    }
}

#[test]
fn the_report_says_what_was_done_and_whether_it_stays_flat() {
    let text = table::markdown(&report(|_| 40_960));
    for part in [
        "`loadtest soak`: 600 s; gateway on core 0, client and services on core 1; the gateway used 5.0 % of its core\n",
        "- services ended and began anew: 29 said goodbye, 0 were killed\n",
        "- 50 event streams at a time, each for 20 s: 1500 opened, 1000 left, 450 ended with their service, 0 failed; 0.4 MB\n",
        "\n| hello | 1000 | 0 | 0 | 16 | ",
        "\n| resident memory, MiB | 40.0 | 40.0 | +0.000 | +0.00 | 2.0 | yes |\n",
        "\n| descriptors | 90.0 | 90.0 | +0.000 | +0.00 | 4.5 | yes |\n",
        "\n| at s | 0 | 60 | 120 |",
        "\n| threads | 7 | 7 |",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    let json = serde_json::to_value(report(|_| 40_960)).unwrap();
    assert_eq!(json["points"][600]["descriptors"], 90);
    assert_eq!(json["trends"][0]["is_flat"], true);
}

#[test]
fn growth_and_failures_are_errors_but_for_those_of_kills() {
    assert_eq!(verdict(&report(|_| 40_960), false), Ok(()));
    let leak = verdict(&report(|second| 40_960 + 20 * second), false).unwrap_err();
    assert!(
        leak.starts_with("the soak is not passed: resident memory grew by 7.8 MiB"),
        "{leak}"
    );
    let mut failed = report(|_| 40_960);
    failed.run.groups[0].failed = 2;
    failed.events.failures.push(("cut".to_owned(), 1));
    let error = verdict(&failed, false).unwrap_err();
    assert!(
        error.contains("2 requests and 1 event streams failed, though no service was killed"),
        "{error}"
    );
    assert_eq!(verdict(&failed, true), Ok(()));
    failed.run.groups[0].completed = 0;
    assert!(verdict(&failed, true).is_err());
}
