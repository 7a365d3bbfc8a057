//! The client of the comparison: wrk, one thread, keep-alive.
//!
//! Owns the reading of wrk's report. Refuses a run in which anything failed: a figure over errors is none.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::limits::CLIENT_GRACE_MS;
use crate::process;

/// How to get wrk.
pub(crate) const INSTALL: &str = "apt-get install wrk";

/// What one run of wrk found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// Runs wrk on `core` for `seconds`.
///
/// # Errors
/// wrk is missing or fails, a request failed, or a signal came.
pub(crate) fn run(
    addr: SocketAddr,
    path: &str,
    connections: u32,
    seconds: u64,
    core: usize,
    dir: &Path,
) -> Result<Outcome, String> {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--latency"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .arg(format!("http://{addr}{path}"));
    let timeout = Duration::from_secs(seconds) + Duration::from_millis(CLIENT_GRACE_MS);
    let text = process::start("wrk", &mut command, core, dir, INSTALL)?.output(timeout)?;
    parse(&text)
}

/// Parses wrk's report.
///
/// # Errors
/// A part is missing, or requests failed.
pub(crate) fn parse(text: &str) -> Result<Outcome, String> {
    let line = |prefix: &str| {
        let mut lines = text.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(prefix))
    };
    for failed in ["Socket errors:", "Non-2xx or 3xx responses:"] {
        if let Some(what) = line(failed) {
            return Err(format!("requests failed: {failed}{what}"));
        }
    }
    let missing = |what: &str| format!("cannot find {what} in what wrk printed");
    let requests = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .and_then(|(count, _)| count.parse().ok())
        .filter(|count| *count > 0)
        .ok_or_else(|| missing("the number of requests"))?;
    let requests_per_s = line("Requests/sec:")
        .and_then(|rate| rate.trim().parse().ok())
        .ok_or_else(|| missing("the rate"))?;
    let percentile = |name: &str| {
        line(name)
            .and_then(|time| microseconds(time.trim()))
            .ok_or_else(|| missing(name))
    };
    Ok(Outcome {
        requests,
        requests_per_s,
        p50_us: percentile("50%")?,
        p99_us: percentile("99%")?,
    })
}

/// A time as wrk writes it: `640.00us`, `1.23ms`, `1.20s`, `1.00m`.
fn microseconds(text: &str) -> Option<f64> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "m" => 60e6,
        _ => return None,
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "Running 1s test @ http://127.0.0.1:3000/hello
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.11ms  340.10us   9.81ms   94.61%
    Req/Sec    57.83k     3.21k   62.00k    80.00%
  Latency Distribution
     50%    1.07ms
     75%    1.17ms
     90%    1.30ms
     99%    2.47ms
  57553 requests in 1.00s, 9.28MB read
Requests/sec:  57411.95
Transfer/sec:      9.25MB
";

    #[test]
    fn a_report_is_parsed() {
        let expected = Outcome {
            requests: 57_553,
            requests_per_s: 57_411.95,
            p50_us: 1_070.0,
            p99_us: 2_470.0,
        };
        assert_eq!(parse(REPORT), Ok(expected));
    }

    #[test]
    fn failures_are_no_figures() {
        for failed in [
            "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
            "  Non-2xx or 3xx responses: 1\n",
        ] {
            let text = REPORT.replace("Requests/sec", &format!("{failed}Requests/sec"));
            let error = parse(&text).unwrap_err();
            assert!(error.contains(failed.trim()), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (part, name) in [
            ("57553 requests in", "the number of requests"),
            ("Requests/sec:", "the rate"),
            ("50%", "50%"),
            ("99%", "99%"),
        ] {
            let error = parse(&REPORT.replace(part, "-")).unwrap_err();
            assert_eq!(error, format!("cannot find {name} in what wrk printed"));
        }
        assert!(
            parse(&REPORT.replace("57553", "0")).is_err(),
            "no request at all"
        );
    }

    #[test]
    fn times_have_units() {
        assert_eq!(microseconds("640.00us"), Some(640.0));
        assert_eq!(microseconds("1.50s"), Some(1.5e6));
        assert_eq!(microseconds("2.00m"), Some(120e6));
        for bad in ["", "7", "us", "1.0h", "x1us"] {
            assert_eq!(microseconds(bad), None, "{bad}");
        }
    }
}
