//! The client against servers that misbehave, on real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{run, Job, Outcome, Pace};
use crate::latency::Latency;
use crate::limits::FAILURES_SHOWN_MAX;
use crate::pattern::Pattern;
use crate::plan::{self, Expect, Group, Plan, Request};
use crate::sink;

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A server that answers each request by `answer`, given its path; nothing ends the connection. A thread a connection.
fn server(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream.unwrap(), &*answer));
        }
    });
    addr
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&str) -> Option<Vec<u8>>) {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    // The client may go at any time.
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        got.extend_from_slice(&buffer[..count]);
        while let Some(end) = memchr::memmem::find(&got, b"\r\n\r\n") {
            let head: Vec<u8> = got.drain(..end + 4).collect();
            let head = String::from_utf8(head).unwrap();
            let Some(bytes) = answer(head.split(' ').nth(1).unwrap()) else {
                return;
            };
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}

fn hello() -> Request {
    Request {
        expect: Expect {
            body: Some("hello".to_owned()),
            ..Expect::default()
        },
        ..Request::get("/hello")
    }
}

/// One group of one connection that says hello.
fn group() -> Group {
    Group {
        name: String::new(),
        connections: 1,
        pipeline: 1,
        requests_a_connection: None,
        requests: None,
        rate: None,
        requests_sent: vec![hello()],
    }
}

fn job(addr: SocketAddr, groups: Vec<Group>) -> Job {
    let plan = Plan {
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(300),
        groups,
        ..Plan::of(group())
    };
    plan::job(&plan, Some(&format!("http://{addr}"))).unwrap()
}

fn outcome(job: &Job) -> Outcome {
    run(job, Instant::now()).unwrap()
}

#[test]
fn every_request_of_a_number_is_answered_once() {
    let addr = server(|_| Some(HELLO.to_vec()));
    let group = Group {
        connections: 3,
        pipeline: 4,
        requests_a_connection: Some(7),
        requests: Some(100),
        ..group()
    };
    let outcome = outcome(&job(addr, vec![group]));
    let tally = &outcome.tallies[0];
    assert_eq!(
        (tally.answered, tally.completed, tally.failed),
        (100, 100, 0),
        "{:?}",
        tally.failures
    );
    assert_eq!(
        (tally.unanswered, tally.unsent, tally.latency.count()),
        (0, 0, 100)
    );
    assert_eq!(tally.received_bytes, 500);
    assert!(
        tally.connects >= 100 / 7,
        "{} connections of 7 requests each",
        tally.connects
    );
}

#[test]
fn warm_up_is_left_out() {
    let addr = server(|_| Some(HELLO.to_vec()));
    let begin = Instant::now();
    let group = Group {
        rate: Some(1_000.0),
        connections: 4,
        ..group()
    };
    let outcome = outcome(&Job {
        warm_up: Duration::from_millis(200),
        ..job(addr, vec![group])
    });
    let tally = &outcome.tallies[0];
    assert_eq!(outcome.seconds, 0.3);
    assert_eq!(
        tally.answered + tally.unanswered + tally.unsent + tally.failed,
        300,
        "{tally:?}"
    );
    assert!(begin.elapsed() >= Duration::from_millis(500));
}

/// What this client is for: a server that stands still for a moment. The closed loop asks it less meanwhile, and few of its latencies
/// show that anything was; the open loop measures what clients that come by themselves would have waited.
#[test]
fn an_open_loop_sees_a_stall_that_a_closed_one_hides() {
    const STALL: Duration = Duration::from_millis(500);
    let measure = |pace: Pace, connections: u32| {
        let begin = Instant::now() + Duration::from_millis(300);
        let addr = server(move |_| {
            if (begin..begin + STALL).contains(&Instant::now()) {
                // The injected stall.
                thread::sleep((begin + STALL).saturating_duration_since(Instant::now()));
            }
            Some(HELLO.to_vec())
        });
        let mut job = job(
            addr,
            vec![Group {
                connections,
                ..group()
            }],
        );
        job.groups[0].pace = pace;
        job.duration = Duration::from_millis(1_300);
        let outcome = outcome(&job);
        assert_eq!(outcome.tallies[0].failed, 0);
        (Latency::of(&outcome.tallies[0].latency), outcome)
    };
    let half_us = STALL.as_micros() as f64 / 2.0;
    let (closed, outcome) = measure(Pace::Closed, 1);
    let latency = &outcome.tallies[0].latency;
    assert!(latency.count() > 200, "{closed:?}");
    assert!(
        closed.max_us > half_us,
        "one request was caught: {closed:?}"
    );
    let all_but_one = latency.quantile(1.0 - 1.5 / latency.count() as f64) as f64 / 1e3;
    assert!(
        closed.p99_us < half_us && all_but_one < half_us,
        "and only that one: {closed:?}"
    );
    let (open, outcome) = measure(Pace::Open { per_s: 1_000.0 }, 16);
    assert_eq!(
        outcome.tallies[0].answered, 1_300,
        "late ones were sent all the same"
    );
    assert!(open.p99_us > half_us && open.p999_us > half_us, "{open:?}");
    assert!(open.p50_us < half_us, "{open:?}");
}

#[test]
fn who_has_nothing_to_send_yet_does_not_spin() {
    let group = Group {
        connections: 4,
        requests_a_connection: Some(1),
        rate: Some(10.0),
        ..group()
    };
    let job = Job {
        duration: Duration::from_secs(1),
        ..job(server(|_| Some(HELLO.to_vec())), vec![group])
    };
    let outcome = outcome(&job);
    assert_eq!(outcome.tallies[0].answered, 10);
    // Of the thread alone, however busy the machine is: it took all of the second before.
    assert!(outcome.client_cpu_s < 0.2, "{}", outcome.client_cpu_s);
}

#[test]
fn what_is_never_answered_is_told_and_counted_with_its_age() {
    let addr = server(|_| {
        thread::park();
        None
    });
    let group = Group {
        rate: Some(100.0),
        connections: 2,
        ..group()
    };
    let outcome = outcome(&Job {
        grace: Duration::from_millis(100),
        ..job(addr, vec![group])
    });
    let tally = &outcome.tallies[0];
    assert_eq!(
        (tally.unanswered, tally.unsent, tally.answered, tally.failed),
        (2, 28, 0, 0)
    );
    assert_eq!(tally.latency.count(), 30);
    assert!(
        tally.latency.max() >= 390_000_000,
        "the first waited for the whole run: {}",
        tally.latency.max()
    );
}

#[test]
fn a_request_without_progress_fails_and_the_connection_is_replaced() {
    let addr = server(|_| {
        thread::park();
        None
    });
    let outcome = outcome(&Job {
        timeout: Duration::from_millis(100),
        ..job(
            addr,
            vec![Group {
                requests: Some(2),
                ..group()
            }],
        )
    });
    let tally = &outcome.tallies[0];
    assert_eq!(tally.failures, [("no progress for 100 ms".to_owned(), 2)]);
    assert_eq!((tally.connects, tally.latency.count()), (2, 2));
}

#[test]
fn failures_are_counted_with_their_reason() {
    let script = |script: &'static str| {
        server(move |_| Some(script.as_bytes().to_vec()).filter(|script| !script.is_empty()))
    };
    for (addr, reason) in [
        (
            script("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHELLO"),
            "the body is another one within 5 bytes from byte 0 on",
        ),
        (
            script("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloX"),
            "bytes came that nobody asked for",
        ),
        (script(""), "the connection was closed before an answer"),
    ] {
        let outcome = outcome(&job(
            addr,
            vec![Group {
                requests: Some(3),
                ..group()
            }],
        ));
        let tally = &outcome.tallies[0];
        assert!(
            tally.failures.iter().any(|(known, _)| known == reason),
            "{reason}: {:?}",
            tally.failures
        );
        assert!(tally.failures.len() <= FAILURES_SHOWN_MAX && tally.failed > 0);
    }
}

#[test]
fn the_time_of_counted_requests_goes_on_until_the_last_has_ended() {
    const PAUSE: Duration = Duration::from_millis(50);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.read_exact(&mut [0; 16]).unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello")
            .unwrap();
        // The body takes its time and is cut.
        thread::sleep(PAUSE);
    });
    let group = Group {
        requests: Some(1),
        requests_sent: vec![Request::get("/")],
        ..group()
    };
    let outcome = outcome(&job(addr, vec![group]));
    let tally = &outcome.tallies[0];
    assert_eq!((tally.failed, tally.received_bytes), (1, 5));
    assert!(outcome.seconds >= PAUSE.as_secs_f64(), "{outcome:?}");
}

#[test]
fn a_wrong_status_fails_its_request_and_not_the_connection() {
    let addr = server(|_| Some(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno".to_vec()));
    let group = Group {
        requests: Some(5),
        ..group()
    };
    let outcome = outcome(&job(addr, vec![group]));
    let tally = &outcome.tallies[0];
    assert_eq!(
        tally.failures,
        [("status 503 instead of 200".to_owned(), 5)]
    );
    assert_eq!((tally.connects, tally.answered), (1, 0));
}

#[test]
fn an_answer_before_the_end_of_an_upload_is_one_failure() {
    // Reads the head only, answers and goes: what is still sent meets a reset.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.read_exact(&mut [0; 32]).unwrap();
            stream
                .write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
        }
    });
    let upload = Request {
        method: "POST".to_owned(),
        body_bytes: Some(100_000_000),
        ..Request::get("/count")
    };
    let group = Group {
        requests: Some(2),
        requests_sent: vec![upload],
        ..group()
    };
    let outcome = outcome(&job(addr, vec![group]));
    let tally = &outcome.tallies[0];
    assert_eq!((tally.failed, tally.answered), (2, 0));
    // A reset may destroy the answer on its way.
    let told = |(reason, _): &(String, u64)| {
        reason == "status 413 instead of 200" || reason.contains("reset")
    };
    assert!(tally.failures.iter().all(told), "{:?}", tally.failures);
}

#[test]
fn a_server_may_end_the_connection_after_an_answer() {
    let addr = server(|_| {
        Some(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello".to_vec())
    });
    let outcome = outcome(&job(
        addr,
        vec![Group {
            requests: Some(5),
            ..group()
        }],
    ));
    let tally = &outcome.tallies[0];
    assert_eq!(
        (tally.answered, tally.failed, tally.connects),
        (5, 0, 5),
        "{:?}",
        tally.failures
    );
}

#[test]
fn nobody_at_the_address_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let error = run(&job(addr, vec![group()]), Instant::now()).unwrap_err();
    assert!(
        error.starts_with("cannot connect: ") && error.contains(&addr.to_string()),
        "{error}"
    );
}

#[test]
fn bodies_are_checked_each_way() {
    const BYTES: u64 = 20_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    sink::accept(listener, None);
    let upload = Request {
        method: "POST".to_owned(),
        body_bytes: Some(BYTES),
        expect: Expect {
            body: Some(BYTES.to_string()),
            ..Expect::default()
        },
        ..Request::get("/count")
    };
    let groups = vec![
        Group {
            requests: Some(2),
            requests_sent: vec![upload.clone()],
            ..group()
        },
        Group {
            requests: Some(1),
            requests_sent: vec![upload],
            ..group()
        },
    ];
    let both = outcome(&job(addr, groups));
    let sent: Vec<u64> = both.tallies.iter().map(|tally| tally.sent_bytes).collect();
    assert_eq!(sent, [2 * BYTES, BYTES]);
    assert!(
        both.tallies.iter().all(|tally| tally.failed == 0),
        "{:?}",
        both.tallies[0].failures
    );

    let addr = server(|path| {
        let bytes: u64 = path.trim_start_matches('/').parse().unwrap();
        let pattern = Pattern::new();
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n").into_bytes();
        let mut sent = 0;
        while sent < bytes {
            let piece = pattern.piece(sent, bytes - sent);
            answer.extend_from_slice(piece);
            sent += piece.len() as u64;
        }
        Some(answer)
    });
    let download = Request {
        expect: Expect {
            length: Some(BYTES),
            pattern: true,
            ..Expect::default()
        },
        ..Request::get(&format!("/{BYTES}"))
    };
    let down = outcome(&job(
        addr,
        vec![Group {
            requests: Some(2),
            requests_sent: vec![download],
            ..group()
        }],
    ));
    assert_eq!(
        (down.tallies[0].received_bytes, down.tallies[0].failed),
        (2 * BYTES, 0),
        "{:?}",
        down.tallies[0].failures
    );
}
