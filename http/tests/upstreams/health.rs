//! Health checks: whom they keep requests from, and what is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use flatend::CallError;
use flatend_http::client::HealthCheck;

use crate::fake::{ask, closed_port, hole, on_shard, read_head, until, upstream, Ended, Fake};

fn every(interval_ms: u64) -> Option<HealthCheck> {
    Some(HealthCheck {
        path: "/healthz".to_owned(),
        interval_ms,
    })
}

#[test]
fn two_failures_keep_requests_away_and_one_success_brings_them_back() {
    on_shard(|shard| async move {
        let status = Arc::new(AtomicUsize::new(200));
        let says = status.clone();
        let fake = Fake::start(move |_, stream| {
            use std::io::Write;
            let head = read_head(stream);
            let status = if head.starts_with("GET /healthz ") {
                says.load(Ordering::SeqCst)
            } else {
                200
            };
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            .ok();
        });
        let (upstream, events) = upstream(&fake.url(), every(20));
        assert_eq!(ask(&shard, &upstream).await, Ended::Whole(200, Vec::new()));
        until("the first check", || events.all().len() == 1).await;
        assert_eq!(
            events.all()[0],
            format!("{} is well: GET /healthz: 200.", fake.url())
        );
        for bad in [503, 404] {
            let told = events.all().len();
            status.store(bad, Ordering::SeqCst);
            until("the bad word", || events.all().len() == told + 1).await;
            let line = events.all().pop().unwrap();
            assert!(
                line.contains(&format!("GET /healthz: it answers {bad}")),
                "{line}"
            );
            assert_eq!(
                ask(&shard, &upstream).await,
                Ended::Failed(CallError::NoProvider)
            );
            // A redirect is well too.
            status.store(302, Ordering::SeqCst);
            until("the good word", || events.all().len() == told + 2).await;
            assert_eq!(ask(&shard, &upstream).await, Ended::Whole(200, Vec::new()));
        }
    });
}

#[test]
fn who_is_not_there_or_never_answers_is_not_well() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_head(stream);
            // Says nothing until the checker gives up.
            read_head(stream);
        });
        let (hole, _filling) = hole();
        for (url, why) in [
            (closed_port(), "connection refused"),
            (fake.url(), "no answer within 500 ms"),
            // The time is the check's own, not that of every connect.
            (hole.clone(), "no answer within 500 ms"),
        ] {
            let (upstream, events) = upstream(&url, every(500));
            upstream.outlet(&shard);
            until("the verdict", || !events.all().is_empty()).await;
            let line = format!(
                "{url} is not well, and gets no requests until it is: GET /healthz: {why}."
            );
            assert_eq!(events.all(), [line]);
            assert!(!upstream.is_well());
            assert_eq!(
                ask(&shard, &upstream).await,
                Ended::Failed(CallError::NoProvider)
            );
        }
    });
}
