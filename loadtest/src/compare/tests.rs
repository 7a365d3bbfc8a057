//! The report of a comparison, against a golden text.

use super::pace::Pace;
use super::rounds::Sample;
use super::{table, Comparison, Workload};
use crate::idle::Slope;
use crate::latency::Latency;
use crate::machine::Machine;
use crate::measure::{GroupFigures, Run};
use crate::placement::Cores;
use crate::proc_stat::Shares;
use crate::subjects::{PROXY, SERVER};
use crate::usage::{ProcessUse, Usage};

fn run(requests: u64, received_bytes: u64, proxy_s: f64, p99_us: f64) -> Run {
    let group = GroupFigures {
        name: "group".to_owned(),
        completed: requests,
        answered: requests,
        requests_per_s: requests as f64 / 2.0,
        latency: Latency {
            min_us: 1.0,
            mean_us: 2.0,
            p50_us: p99_us / 2.0,
            p90_us: 3.0,
            p99_us,
            p999_us: 2.0 * p99_us,
            max_us: 9_999.0,
        },
        late_p99_us: 0.0,
        late_max_us: 0.0,
        received_mb_per_s: 0.0,
        sent_mb_per_s: 0.0,
        received_bytes,
        sent_bytes: 0,
        connects: 64,
        failed: 0,
        unanswered: 0,
        unsent: 0,
        failures: Vec::new(),
    };
    let process = |name: &str, cpu_s| ProcessUse {
        name: name.to_owned(),
        cpu_s,
        peak_kib: 2048,
        resident_kib: vec![1024, 2048],
    };
    Run {
        seconds: 2.0,
        client_cpu_s: 0.5,
        groups: vec![group],
        usage: Usage {
            processes: vec![process(PROXY, proxy_s), process(SERVER, 0.2)],
            machine: Shares {
                busy: 0.5,
                steal: 0.01,
                total_s: 4.0,
            },
        },
        others_share: 0.02,
    }
}

fn sample(workload: Workload, subject: &'static str, round: u32, run: Run) -> Sample {
    Sample {
        workload,
        subject,
        connections: 64,
        pace: None,
        round,
        quiet_before: round > 0,
        run: Some(run),
        idle: None,
    }
}

fn comparison(samples: Vec<Sample>) -> Comparison {
    Comparison {
        command: "loadtest compare".to_owned(),
        machine: Machine {
            processor: "A chip".to_owned(),
            cores: 2,
            memory_mib: 1024,
            kernel: "6.1".to_owned(),
            congestion_control: "cubic".to_owned(),
            commit: "abc1234".to_owned(),
        },
        versions: vec!["nginx version: nginx/1.22.1".to_owned()],
        cores: Cores {
            proxy: 0,
            others: 1,
        },
        rounds: 3,
        discarded: 2,
        samples,
    }
}

#[test]
fn the_report_of_small_requests_is_the_golden_one() {
    let figures = [(1.0, 2.0), (1.2, 4.0), (3.0, 5.0)];
    let samples = (0u32..).zip(figures).flat_map(|(round, (ours, theirs))| {
        [
            sample(
                Workload::Hello,
                "gateway",
                round,
                run(100_000, 0, ours, 1_000.0),
            ),
            sample(
                Workload::Hello,
                "nginx",
                round,
                run(50_000, 0, theirs, 2_000.0),
            ),
        ]
    });
    let text = table::markdown(&comparison(samples.collect()));
    // 0.25, 0.15 and 0.3 of CPU a request: not the ratio of the medians, which is 0.15.
    let golden = "\
- A chip, 2 cores, 1024 MiB, Linux 6.1, TCP congestion control cubic
- commit abc1234
- nginx version: nginx/1.22.1
- `loadtest compare`: 3 rounds, medians (ranges); proxy alone on core 0, client and servers behind on core 1
- of all cores the hypervisor took 1.0 % (at most 1.0 %), other processes used 2.0 % (at most 2.0 %)
- quiet before 4 of 6 runs; 2 disturbed rounds repeated

### hello, 64 connections

| subject | proxy CPU µs a request | with the server behind | whole machine | client | requests/s | p50 ms | p99 ms | p99.9 ms | peak MiB |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| gateway | 12.00 (10.00–30.00) | 14.00 (12.00–32.00) | 20.00 (20.00–20.00) | 5.00 (5.00–5.00) | 50000 (50000–50000) | 0.50 (0.50–0.50) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | 2.0 (2.0–2.0) |
| nginx | 80.00 (40.00–100.00) | 84.00 (44.00–104.00) | 40.00 (40.00–40.00) | 10.00 (10.00–10.00) | 25000 (25000–25000) | 1.00 (1.00–1.00) | 2.00 (2.00–2.00) | 4.00 (4.00–4.00) | 2.0 (2.0–2.0) |

| gateway to | proxy CPU µs a request | with the server behind | whole machine | requests/s | p50 ms | p99 ms | p99.9 ms | peak MiB |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| nginx | 0.25 (0.15–0.30) | 0.27 (0.17–0.31) | 0.50 (0.50–0.50) | 2.00 (2.00–2.00) | 0.50 (0.50–0.50) | 0.50 (0.50–0.50) | 0.50 (0.50–0.50) | 1.00 (1.00–1.00) |
";
    assert_eq!(text, golden, "\n{text}");
}

#[test]
fn bytes_and_connections_have_their_own_figures() {
    let slope = Slope {
        name: PROXY.to_owned(),
        from_connections: 1_000,
        to_connections: 10_000,
        from_kib: 10_240,
        to_kib: 19_240,
    };
    let rest = Sample {
        run: None,
        idle: Some(slope),
        connections: 10_000,
        ..sample(Workload::Idle, "gateway", 0, run(1, 1, 1.0, 1.0))
    };
    let text = table::markdown(&comparison(vec![
        sample(
            Workload::Download,
            "gateway",
            0,
            run(1, 1_000_000_000, 0.75, 1.0),
        ),
        rest,
    ]));
    for part in [
        "### download, 64 connections\n\n| subject | MB/s | proxy CPU s/GB | with the server behind | whole machine | peak MiB |",
        "| gateway | 500 | 0.75 | 0.95 | 2.00 | 2.0 |",
        "### idle, 10000 connections\n\n| subject | KiB a connection |",
        "| gateway | 1.00 | 10.0 | 18.8 |",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
    assert!(!text.contains("gateway to"), "nobody to compare with");
}

#[test]
fn each_pace_has_a_table_of_its_own() {
    let at = |share_percent| Sample {
        pace: Some(Pace {
            share_percent,
            requests_per_s: 400.0 * f64::from(share_percent),
        }),
        ..sample(Workload::Paced, "gateway", 0, run(7, 1, 1.0, 1.0))
    };
    let text = table::markdown(&comparison(vec![at(25), at(50)]));
    for part in [
        "### paced, 64 connections, 10000 requests/s (25 % of nginx's top rate)\n",
        "### paced, 64 connections, 20000 requests/s (50 % of nginx's top rate)\n",
    ] {
        assert!(text.contains(part), "{part}\nin\n{text}");
    }
}

#[test]
fn json_holds_every_run() {
    let all = comparison(vec![sample(
        Workload::Static100m,
        "nginx",
        0,
        run(7, 1, 1.0, 1.0),
    )]);
    let json = serde_json::to_value(all).unwrap();
    assert_eq!(json["samples"][0]["run"]["groups"][0]["completed"], 7);
    assert_eq!(json["samples"][0]["workload"], "static-100m");
    assert_eq!(
        json["samples"][0]["run"]["usage"]["processes"][0]["name"],
        "proxy"
    );
}
