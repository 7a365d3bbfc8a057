//! Health checks: a GET on a connection of its own, again and again. 200 to 399 is well. Two failures in a row make it unwell,
//! the first one if it was never seen well; one success makes it well.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use bytes::{Buf, BytesMut};
use flatend::rt::{self, io_words, make_room};

use super::connect;
use super::upstream::Inner;
use super::UpstreamEvent;
use crate::h1::{ClientConnection, FieldScratch, ParsedResponse};
use crate::limits::{HEALTH_FAILURES, HEALTH_TIMEOUT_MS, HEALTH_TIMEOUT_MS_MIN};

/// What to ask, and how often.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HealthCheck {
    /// The path, with a query if wanted.
    pub path: String,
    /// From one check to the next, in milliseconds; each is up to a tenth longer or shorter, so that many checkers do not
    /// ask at once.
    pub interval_ms: u64,
}

/// What the checks so far say. Pure: the results come in.
#[derive(Debug, Default)]
struct Verdict {
    well: Option<bool>,
    failures: u32,
}

impl Verdict {
    /// Takes a result; the new verdict, if it is one.
    fn take(&mut self, passed: bool) -> Option<bool> {
        self.failures = if passed { 0 } else { self.failures + 1 };
        let now = match (self.well, passed) {
            (_, true) => true,
            (None, false) => false,
            (Some(well), false) => well && self.failures < HEALTH_FAILURES,
        };
        (self.well.replace(now) != Some(now)).then_some(now)
    }
}

/// Checks for ever.
pub(super) async fn watch(upstream: &Rc<Inner>, check: &HealthCheck) {
    let mut verdict = Verdict::default();
    let asked = format!("GET {}", check.path);
    loop {
        let timeout_ms = check
            .interval_ms
            .clamp(HEALTH_TIMEOUT_MS_MIN, HEALTH_TIMEOUT_MS);
        let answer = rt::timeout(timeout_ms, ask(upstream, check, timeout_ms)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {timeout_ms} ms")));
        let passed = matches!(answer, Ok(200..=399));
        if let Some(well) = verdict.take(passed) {
            upstream.shared.well.store(well, Ordering::Relaxed);
            let (upstream_label, check) = (upstream.label(), asked.clone());
            upstream.report(match answer {
                Ok(status) if well => UpstreamEvent::Well {
                    upstream: upstream_label,
                    check,
                    status,
                },
                answer => UpstreamEvent::Unwell {
                    upstream: upstream_label,
                    check,
                    why: answer.map_or_else(|why| why, |status| format!("it answers {status}")),
                },
            });
        }
        rt::sleep(jittered(check.interval_ms)).await;
    }
}

/// 0.9 to 1.1 of `ms`.
fn jittered(ms: u64) -> u64 {
    let mut bytes = [0; 8];
    // Without the system's randomness the checks keep their plain interval.
    if getrandom::fill(&mut bytes).is_err() {
        return ms;
    }
    let fifth = (ms / 5).max(1);
    ms - ms / 10 + u64::from_ne_bytes(bytes) % (fifth + 1)
}

/// The status of the answer.
async fn ask(upstream: &Rc<Inner>, check: &HealthCheck, timeout_ms: u64) -> Result<u16, String> {
    let socket = connect::dial_quietly(upstream, timeout_ms).await?;
    let mut http = ClientConnection::new();
    let mut head = Vec::new();
    let fields = [
        (&b":path"[..], check.path.as_bytes()),
        (b"user-agent", b"flatend-health"),
    ];
    http.send_request(
        &mut head,
        fields.into_iter(),
        false,
        upstream.origin().authority(),
    )
    .map_err(|why| why.to_string())?;
    let sent = socket.send_all(&head).await;
    sent.map_err(|error| io_words(&error))?;
    let mut input = BytesMut::new();
    loop {
        let consumed = {
            let mut scratch = FieldScratch::new();
            match http.recv_head(&input, &mut scratch) {
                Err(error) => return Err(error.to_string()),
                Ok(ParsedResponse::Head(head, _)) => return Ok(head.status),
                Ok(ParsedResponse::Interim(consumed)) => consumed,
                Ok(ParsedResponse::Partial) => 0,
            }
        };
        if consumed > 0 {
            input.advance(consumed);
            continue;
        }
        make_room(&mut input, 1_024, 4_096);
        match std::future::poll_fn(|cx| socket.poll_recv(cx, &mut input)).await {
            Ok(0) => return Err("it closed the connection without an answer".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(io_words(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_make_it_unwell_and_one_success_well() {
        let mut verdict = Verdict::default();
        let mut take = |results: &[bool]| -> Vec<Option<bool>> {
            results.iter().map(|&passed| verdict.take(passed)).collect()
        };
        assert_eq!(
            take(&[true, false, true, false]),
            [Some(true), None, None, None]
        );
        assert_eq!(take(&[false, false]), [Some(false), None]);
        assert_eq!(take(&[true]), [Some(true)]);
    }

    #[test]
    fn what_was_never_well_is_unwell_at_once() {
        let mut verdict = Verdict::default();
        assert_eq!(verdict.take(false), Some(false));
        assert_eq!(verdict.take(false), None);
        assert_eq!(verdict.take(true), Some(true));
    }

    #[test]
    fn intervals_differ_by_a_tenth_at_most() {
        for ms in [1, 9, 10, 5_000] {
            for _ in 0..100 {
                let jittered = jittered(ms);
                assert!(
                    (ms - ms / 10..=ms + ms / 10 + 1).contains(&jittered),
                    "{ms}: {jittered}"
                );
            }
        }
    }
}
