//! The client against providers in the same process, and the report against a golden text.

use flatend::Node;

use super::client::{self, AskOptions};
use super::table;
use super::work::Work;
use super::{Dialect, Report, Sample, Setting};
use crate::machine::Machine;
use crate::measure::Run;
use crate::placement::Cores;
use crate::services;
use crate::usage::Watched;

fn provider(legacy: bool) -> Node {
    let node = services::offers(legacy).bind("127.0.0.1:0");
    node.on_event(|_| {}).start().unwrap()
}

fn options(work: Work, legacy: bool, providers: &[&Node]) -> AskOptions {
    AskOptions {
        work,
        provider: providers.iter().map(|node| node.addrs()[0]).collect(),
        legacy,
        tasks: 3,
        shards: 1,
        bytes: if work.is_stream() { 300_000 } else { 64 },
        rate: None,
        reach_ms: 10_000,
        warm_up_ms: 50,
        duration_ms: 300,
        watch: vec![Watched {
            name: client::SERVICE.to_owned(),
            pid: std::process::id(),
        }],
    }
}

#[test]
fn calls_and_streams_are_done_whole_in_both_dialects() {
    for legacy in [false, true] {
        let node = provider(legacy);
        for work in [Work::Call, Work::Up, Work::Down, Work::Both] {
            let run = client::run(&options(work, legacy, &[&node])).unwrap();
            let told = format!("{work:?}, legacy {legacy}: {:?}", run.groups);
            assert_eq!(run.expect_clean(), Ok(()), "{told}");
            let group = &run.groups[0];
            assert!(
                group.requests_per_s > 0.0 && group.latency.p50_us > 0.0,
                "{told}"
            );
            let (sent, received) = (group.sent_bytes > 0, group.received_bytes > 0);
            assert_eq!(sent, work != Work::Down, "{told}");
            assert_eq!(received, work != Work::Up, "{told}");
            assert!(run.cpu_s(client::CLIENT) > 0.0 && run.cpu_s(client::SERVICE) > 0.0);
        }
        node.shutdown().unwrap();
    }
}

#[test]
fn an_open_loop_begins_as_many_as_are_meant_on_all_shards_and_providers() {
    let nodes = [provider(false), provider(false)];
    let asked = AskOptions {
        rate: Some(500.0),
        shards: 2,
        ..options(Work::Call, false, &[&nodes[0], &nodes[1]])
    };
    let run = client::run(&asked).unwrap();
    assert_eq!(run.expect_clean(), Ok(()), "{:?}", run.groups);
    // 150 are meant within the window, and none is left out however busy the machine is.
    assert_eq!(run.groups[0].answered, 150, "{:?}", run.groups);
    for node in nodes {
        node.shutdown().unwrap();
    }
}

#[test]
fn a_wrong_answer_leaves_no_figures_and_is_told() {
    let node = Node::builder()
        .bind("127.0.0.1:0")
        .shards(1)
        .on_event(|_| {})
        .service(
            "echo",
            |context| async move { context.send("another").await },
        )
        .start()
        .unwrap();
    let run = client::run(&options(Work::Call, false, &[&node])).unwrap();
    let error = run.expect_clean().unwrap_err();
    assert!(
        error.starts_with("call: requests failed: ")
            && error.contains("× an answer of 7 bytes is not the body of 64 bytes that was sent"),
        "{error}"
    );
    let unknown = AskOptions {
        reach_ms: 100,
        ..options(Work::Up, false, &[&node])
    };
    let error = client::run(&unknown).unwrap_err();
    assert!(
        error.starts_with("0 of 1 providers of 'count' were reached within 100 ms"),
        "{error}"
    );
    node.shutdown().unwrap();
}

fn report() -> Report {
    let node = provider(false);
    let run: Run = client::run(&options(Work::Call, false, &[&node])).unwrap();
    node.shutdown().unwrap();
    let sample = |work, dialect| Sample {
        work,
        dialect,
        round: 0,
        quiet_before: false,
        run: run.clone(),
    };
    Report {
        command: "loadtest mesh".to_owned(),
        machine: Machine::read(),
        cores: Cores {
            proxy: 0,
            others: 1,
        },
        setting: Setting {
            tasks: 64,
            call_bytes: 64,
            streams: 4,
            stream_bytes: 16_000_000,
            providers: 2,
            client_shards: 1,
            per_s: Some(500.0),
        },
        rounds: 1,
        samples: vec![
            sample(Work::Call, Dialect::Flatend2),
            sample(Work::Call, Dialect::Legacy),
            sample(Work::Both, Dialect::Legacy),
        ],
    }
}

#[test]
fn the_report_has_a_table_for_each_work() {
    let report = report();
    let text = table::markdown(&report);
    for part in [
        "### calls of 64 B each way, open loop, 500 a second, at most 64 at once, 2 providers\n",
        "| | calls/s | p50 µs | p99 µs | p99.9 µs | max µs | client CPU µs a call | services CPU µs a call | MB/s | client peak MiB | service peak MiB | late p99 µs |\n",
        "\n| flatend/2 | ",
        "\n| legacy | ",
        "### streams of 16.0 MB both ways, open loop, 500 a second, at most 4 at once, 2 providers\n",
        "providers on core 0, client on core 1",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["samples"][2]["dialect"], "legacy");
    assert!(json["samples"][0]["run"]["groups"][0]["completed"].as_u64() > Some(0));
}
