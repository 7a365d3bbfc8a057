//! Which connection a request goes over, and what of an upstream is never believed.

use std::future::Future;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use flatend::{rt, Bytes, CallError, CallRequest, Fault, NodeEvent, Outlet, Shard};
use flatend_http::limits::{BODILESS_REST_MS, UPSTREAM_CONNECTIONS_MAX};

use crate::fake::{
    answer, ask, closed_port, ended, hole, on_shard, on_telling_shard, post, post_on, read_request,
    request, serve_all, until, upstream, Ended, Fake,
};

#[test]
fn a_connection_is_used_again() {
    on_shard(|shard| async move {
        let fake = Fake::start(serve_all);
        let (upstream, events) = upstream(&fake.url(), None);
        for n in 0..5 {
            assert_eq!(ask(&shard, &upstream).await.text(), format!("0.{n}"));
        }
        assert_eq!(fake.connections(), 1);
        assert_eq!(events.all(), [""; 0]);
    });
}

#[test]
fn requests_at_once_have_a_connection_each_and_these_are_kept() {
    on_shard(|shard| async move {
        let fake = Fake::start(serve_all);
        let (upstream, _) = upstream(&fake.url(), None);
        for _ in 0..3 {
            let ((a, b), c) = futures_lite::future::zip(
                futures_lite::future::zip(ask(&shard, &upstream), ask(&shard, &upstream)),
                ask(&shard, &upstream),
            )
            .await;
            assert!([a, b, c]
                .iter()
                .all(|end| matches!(end, Ended::Whole(200, _))));
        }
        assert_eq!(fake.connections(), 3);
    });
}

#[test]
fn a_connection_that_the_upstream_closed_costs_no_request_whatever_its_method() {
    on_shard(|shard| async move {
        // It says nothing of it: the FIN comes behind the response.
        let fake = Fake::start(|number, stream| {
            read_request(stream);
            answer(stream, &number.to_string());
        });
        let (upstream, events) = upstream(&fake.url(), None);
        for n in 0..20 {
            until("the connection before is closed", || fake.ended() == n).await;
            let ended = post(&shard, &upstream, Bytes::from_static(b"body")).await;
            assert_eq!(ended.text(), n.to_string());
        }
        assert_eq!(events.all(), [""; 0]);
    });
}

#[test]
fn a_kept_connection_that_dies_of_the_request_costs_none_that_may_be_repeated() {
    for repeatable in [true, false] {
        on_shard(move |shard| async move {
            let fake = Fake::start(|number, stream| {
                read_request(stream);
                answer(stream, &number.to_string());
                read_request(stream);
            });
            let (upstream, _) = upstream(&fake.url(), None);
            assert_eq!(ask(&shard, &upstream).await.text(), "0");
            let again = CallRequest {
                repeatable,
                ..request(&shard, &upstream, &[(":path", "/x")])
            };
            let ended = ended(&shard.call(again)).await;
            if repeatable {
                assert_eq!(ended.text(), "1");
            } else {
                let lost = CallError::Broken(Fault::LinkLost { left: true });
                assert_eq!(ended, Ended::Failed(lost));
                assert_eq!(fake.connections(), 1);
            }
        });
    }
}

#[test]
fn a_fresh_connection_that_dies_of_the_request_is_not_tried_again() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| drop(read_request(stream)));
        let (upstream, _) = upstream(&fake.url(), None);
        let call = shard.call(CallRequest {
            repeatable: true,
            ..request(&shard, &upstream, &[])
        });
        assert!(matches!(ended(&call).await, Ended::Failed(_)));
        assert_eq!(fake.connections(), 1);
    });
}

#[test]
fn our_own_limit_of_connections_is_no_failure_of_the_upstream() {
    rt::raise_file_limit();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let test = |shard: Rc<Shard>| async move {
        let (url, _filling) = hole();
        let (upstream, events) = upstream(&url, None);
        let start = |_| shard.call(request(&shard, &upstream, &[(":path", "/x")]));
        let calls: Vec<_> = (0..UPSTREAM_CONNECTIONS_MAX).map(start).collect();
        let mut waiting: Vec<_> = calls.iter().map(|call| Box::pin(call.response())).collect();
        std::future::poll_fn(|cx| {
            for call in &mut waiting {
                assert!(call.as_mut().poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        rt::yield_now().await;
        // Twice as many as would set it aside.
        for _ in 0..10 {
            let connections_max = UPSTREAM_CONNECTIONS_MAX;
            let refused = CallError::ConnectionsInUse { connections_max };
            assert_eq!(ask(&shard, &upstream).await, Ended::Failed(refused));
        }
        assert!(events.all()[0].contains("(UPSTREAM_CONNECTIONS_MAX)"));
    };
    on_telling_shard(move |event| tell.lock().unwrap().push(event), test);
    let told = told.lock().unwrap();
    let is_set_aside = |event: &NodeEvent| matches!(event, NodeEvent::SetAside { .. });
    assert!(!told.iter().any(is_set_aside), "{told:?}");
}

#[test]
fn bytes_behind_a_response_poison_the_connection() {
    const EVIL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    // With the response, or later, while the connection is idle.
    for together in [true, false] {
        on_shard(move |shard| async move {
            let fake = Fake::start(move |number, stream| {
                read_request(stream);
                let text = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
                if together {
                    stream.write_all((text + EVIL).as_bytes()).unwrap();
                } else {
                    stream.write_all(text.as_bytes()).unwrap();
                    stream.write_all(EVIL.as_bytes()).unwrap();
                }
                // Until it is closed on the other side.
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).ok();
                assert!(rest.is_empty(), "a second request came over it");
            });
            let (upstream, events) = upstream(&fake.url(), None);
            for n in 0..5 {
                assert_eq!(ask(&shard, &upstream).await.text(), n.to_string());
                until("the connection is closed", || fake.ended() == n + 1).await;
            }
            assert!(events
                .all()
                .iter()
                .all(|line| line.contains("sent bytes after")));
            assert_eq!(events.all().len(), 5);
        });
    }
}

#[test]
fn a_connection_rests_after_a_response_without_a_body() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            while !read_request(stream).0.is_empty() {
                stream
                    .write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n")
                    .unwrap();
            }
        });
        let (upstream, events) = upstream(&fake.url(), None);
        // At once, in the turn of the response: a body that comes all the same would not be here yet.
        for _ in 0..2 {
            assert!(matches!(ask(&shard, &upstream).await, Ended::Whole(304, _)));
        }
        assert_eq!(fake.connections(), 2);
        rt::sleep(2 * BODILESS_REST_MS).await;
        ask(&shard, &upstream).await;
        assert_eq!(fake.connections(), 2, "rested, it is used again");
        assert_eq!(events.all(), [""; 0]);
    });
}

#[test]
fn what_is_no_response_is_refused_and_bounded() {
    let endless = "X: y\r\n".repeat(20_000);
    for (bytes, says) in [
        ("garbage\r\n\r\n".to_owned(), "does not begin"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na".to_owned(),
            "more than one Content-Length",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{endless}"),
            "more header fields",
        ),
        (
            format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(100_000)),
            "upstream_head_bytes_max",
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n".to_owned(),
            "switched protocols",
        ),
    ] {
        on_shard(move |shard| {
            let bytes = bytes.clone();
            async move {
                let fake = Fake::start(move |_, stream| {
                    read_request(stream);
                    stream.write_all(bytes.as_bytes()).ok();
                    stream.read_to_end(&mut Vec::new()).ok();
                });
                let (upstream, events) = upstream(&fake.url(), None);
                match ask(&shard, &upstream).await {
                    Ended::Failed(CallError::BadResponse(what)) => {
                        assert!(what.contains(says), "{what}")
                    }
                    other => panic!("{says}: {other:?}"),
                }
                until("the connection is closed", || fake.ended() == 1).await;
                assert!(events.all()[0].contains(says), "{:?}", events.all());
            }
        });
    }
}

#[test]
fn a_large_body_of_which_nothing_left_goes_to_the_next_upstream() {
    on_shard(|shard| async move {
        let fake = Fake::start(serve_all);
        let all = [closed_port(), fake.url()].map(|url| upstream(&url, None).0);
        let outlets = all.iter().map(|one| {
            let outlet: Rc<dyn Outlet> = one.outlet(&shard);
            (one.label().to_owned(), outlet)
        });
        let services = shard.outlet_set(outlets.collect());
        let mut tries = 0;
        for _ in 0..20 {
            let call = shard.call(CallRequest {
                services: services.clone(),
                has_body: true,
                ..request(&shard, &all[1], &[(":path", "/x")])
            });
            // More than is kept once a request has begun to leave, in one piece.
            let ended = post_on(&call, Bytes::from(vec![7; 300_000])).await;
            assert!(matches!(ended, Ended::Whole(200, _)), "{ended:?}");
            tries += call.tries();
        }
        assert!(tries > 20, "the one that is not there was never asked");
    });
}

#[test]
fn an_upstream_that_cannot_be_reached_is_told_once() {
    on_shard(|shard| async move {
        let url = closed_port();
        let (gone, events) = upstream(&url, None);
        let lost = CallError::Broken(Fault::LinkLost { left: false });
        for _ in 0..3 {
            assert_eq!(ask(&shard, &gone).await, Ended::Failed(lost.clone()));
        }
        assert_eq!(
            events.all(),
            [format!("Cannot connect to {url}: connection refused.")]
        );
    });
    on_shard(|shard| async move {
        let (nameless, events) = upstream("http://no-such-host.invalid:80", None);
        assert!(matches!(
            ask(&shard, &nameless).await,
            Ended::Failed(CallError::Broken(_))
        ));
        assert!(events.all()[0].starts_with("Cannot connect to http://no-such-host.invalid:80: "));
    });
}

#[test]
fn a_name_is_looked_up() {
    on_shard(|shard| async move {
        let fake = Fake::start(serve_all);
        let port = fake.url().rsplit(':').next().unwrap().to_owned();
        let (upstream, _) = upstream(&format!("http://localhost:{port}"), None);
        for n in 0..3 {
            assert_eq!(ask(&shard, &upstream).await.text(), format!("0.{n}"));
        }
    });
}

#[test]
fn a_server_of_http_1_0_gets_no_chunks_once_it_is_known() {
    on_shard(|shard| async move {
        let fake = Fake::start(|_, stream| {
            read_request(stream);
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nold").unwrap();
        });
        let (upstream, _) = upstream(&fake.url(), None);
        assert_eq!(ask(&shard, &upstream).await.text(), "old");
        match post(&shard, &upstream, Bytes::from_static(b"body")).await {
            Ended::Failed(CallError::Unsendable { status: 411, why }) => {
                assert!(why.contains("HTTP/1.0"), "{why}")
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(fake.connections(), 1);
    });
}
