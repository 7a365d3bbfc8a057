//! Calls to providers that are no peers: everything that a call does for peers holds for outlets too.

use std::rc::Rc;

use flatend::limits::{OUTLET_UNREAD_BYTES_MAX, REPLAY_BYTES_MAX};
use flatend::rt;
use flatend::{CallError, CallRequest, Fault, Node, Shard};

use crate::support::body;
use crate::support::calls::{exchange, rest, Failure};
use crate::support::node::TestNode;
use crate::support::outlets::{again, request_to, Behaviour};

fn caller() -> TestNode {
    TestNode::start(Node::builder())
}

const LOST: fn(bool) -> Result<u16, Failure> =
    |left| Err(Failure::Call(CallError::Broken(Fault::LinkLost { left })));

/// The status of an exchange with `body`.
async fn status(shard: &Rc<Shard>, request: CallRequest, body: &[u8]) -> Result<u16, Failure> {
    let request = CallRequest {
        has_body: !body.is_empty(),
        ..request
    };
    let reply = exchange(shard, request, body).await?;
    Ok(reply
        .header(":status")
        .and_then(|text| text.parse().ok())
        .expect("a status"))
}

#[test]
fn an_exchange_with_a_body_both_ways() {
    caller().run(0, |shard| async move {
        let (request, [seen]) = request_to(&shard, [Behaviour::Echoing]);
        assert_eq!(request.services.names().collect::<Vec<_>>(), ["fake 0"]);
        let body = body::bytes(0, 300_000);
        let request = CallRequest {
            has_body: true,
            ..request
        };
        let reply = exchange(&shard, again(&request), &body).await;
        let reply = reply.expect("a response");
        assert_eq!(reply.header(":status"), Some("201"));
        assert!(reply.body == body);
        assert_eq!((seen.opened.get(), seen.cancelled.get()), (1, 0));
    });
}

#[test]
fn what_cannot_have_left_goes_to_the_next_whatever_the_method() {
    for first in [
        Behaviour::NotOpening,
        Behaviour::RefusingConnect,
        Behaviour::Refusing,
    ] {
        caller().run(0, move |shard| async move {
            let (request, [one, two]) = request_to(&shard, [first, Behaviour::Echoing]);
            // Not repeatable, and with a body that is sent again. Whichever is drawn first, the second answers.
            for _ in 0..20 {
                let request = CallRequest {
                    has_body: true,
                    ..again(&request)
                };
                let call = shard.call(request);
                let send = async {
                    call.send(vec![b'x'; 50_000].into()).await.expect("taken");
                    call.finish();
                };
                let (_, head) = futures_lite::future::zip(send, call.response()).await;
                head.expect("a head");
                assert_eq!(rest(&call).await.expect("a body").len(), 50_000);
                assert_eq!(call.provider().expect("one").to_string(), "fake 1");
            }
            assert!(one.opened.get() > 0, "{first:?} was never asked");
            assert_eq!(two.opened.get(), 20);
        });
    }
}

#[test]
fn when_no_outlet_is_left_the_last_error_is_the_answer() {
    caller().run(0, |shard| async move {
        let refusing = [Behaviour::RefusingConnect; 2];
        let (request, [one, two]) = request_to(&shard, refusing);
        assert_eq!(status(&shard, again(&request), b"body").await, LOST(false));
        assert_eq!((one.opened.get(), two.opened.get()), (1, 1));
        let (request, _) = request_to(&shard, [Behaviour::Refusing; 4]);
        let call = shard.call(request);
        assert_eq!(call.response().await, Err(CallError::Refused));
        assert_eq!(call.tries(), 3, "at most three tries");
        assert!(call.provider().is_some(), "who was tried last");
    });
}

#[test]
fn a_connection_that_breaks_before_the_head_is_repeated_only_if_it_may() {
    for first in [Behaviour::BreakingBeforeHead, Behaviour::Vanishing] {
        caller().run(0, move |shard| async move {
            let (request, [seen]) = request_to(&shard, [first]);
            assert_eq!(status(&shard, again(&request), &[]).await, LOST(true));
            assert_eq!(seen.opened.get(), 1);
            let (request, [one, two]) = request_to(&shard, [first, Behaviour::Echoing]);
            for _ in 0..20 {
                let request = CallRequest {
                    repeatable: true,
                    ..again(&request)
                };
                assert_eq!(status(&shard, request, b"kept").await, Ok(201));
            }
            assert!(one.opened.get() > 0, "{first:?} was never asked");
            // More than is kept cannot be sent again.
            let (request, _) = request_to(&shard, [first; 2]);
            let request = CallRequest {
                repeatable: true,
                ..request
            };
            let body = vec![b'x'; REPLAY_BYTES_MAX + 1];
            assert_eq!(status(&shard, request, &body).await, LOST(true));
            drop(two);
        });
    }
}

#[test]
fn a_connection_that_breaks_after_the_head_is_a_cut() {
    caller().run(0, |shard| async move {
        let (request, [_seen]) = request_to(&shard, [Behaviour::BreakingAfterHead]);
        let reply = exchange(&shard, request, &[]).await;
        assert_eq!(reply, Err(Failure::Cut(Fault::LinkLost { left: true })));
    });
}

#[test]
fn a_silent_outlet_runs_into_the_timeout_and_its_request_is_given_up() {
    caller().run(0, |shard| async move {
        let (request, [seen]) = request_to(&shard, [Behaviour::Silent]);
        let request = CallRequest {
            timeout_ms: Some(40),
            ..request
        };
        let reply = status(&shard, request, b"body").await;
        assert_eq!(reply, Err(Failure::Call(CallError::TimedOut)));
        assert_eq!((seen.opened.get(), seen.cancelled.get()), (1, 1));
    });
}

#[test]
fn dropping_a_call_gives_the_request_up_and_frees_its_place() {
    caller().run(0, |shard| async move {
        let (request, [seen]) = request_to(&shard, [Behaviour::Silent]);
        let request = CallRequest {
            max_in_flight: Some(1),
            ..request
        };
        {
            let call = shard.call(again(&request));
            let first = futures_lite::future::poll_once(call.response()).await;
            assert!(first.is_none(), "it is under way");
            let second = status(&shard, again(&request), &[]).await;
            assert_eq!(second, Err(Failure::Call(CallError::Saturated)));
            assert_eq!(seen.cancelled.get(), 0);
        }
        assert_eq!((seen.opened.get(), seen.cancelled.get()), (1, 1));
        seen.behaviour.set(Some(Behaviour::Echoing));
        assert_eq!(status(&shard, request, &[]).await, Ok(201));
    });
}

#[test]
fn an_early_answer_ends_the_sending_and_is_read_whole() {
    caller().run(0, |shard| async move {
        let (request, [seen]) = request_to(&shard, [Behaviour::AnsweringEarly]);
        let request = CallRequest {
            has_body: true,
            ..request
        };
        let call = shard.call(request);
        call.response().await.expect("a head");
        let mut taken = 0;
        while call.send(vec![0; 1_000].into()).await.is_ok() {
            taken += 1;
            assert!(taken < 1_000, "nobody refuses the body");
        }
        assert_eq!(rest(&call).await.as_deref(), Ok(&b"early"[..]));
        assert!(call.is_complete());
        drop(call);
        assert_eq!(seen.cancelled.get(), 0);
    });
}

#[test]
fn a_slow_reader_bounds_what_is_kept_and_a_gone_one_stops_it() {
    caller().run(0, |shard| async move {
        let (request, [seen]) = request_to(&shard, [Behaviour::Flooding]);
        let call = shard.call(request);
        call.response().await.expect("a head");
        let mut read = 0;
        for _ in 0..100 {
            read += call.data().await.expect("no fault").expect("no end").len();
            // The outlet's task runs as far as it can.
            for _ in 0..3 {
                rt::yield_now().await;
            }
            let kept = seen.sent.get() - read;
            assert!(kept <= OUTLET_UNREAD_BYTES_MAX + 16 * 1024, "{kept} bytes");
        }
        assert!(read >= 100 * 16 * 1024);
        drop(call);
        assert_eq!(seen.cancelled.get(), 1);
        let sent = seen.sent.get();
        for _ in 0..10 {
            rt::yield_now().await;
        }
        assert_eq!(seen.sent.get(), sent, "nothing is made for nobody");
        assert_eq!(Rc::strong_count(&seen), 1, "its task has ended");
    });
}

#[test]
fn an_unwell_outlet_is_passed_over_and_awaited_within_the_hold() {
    caller().run(0, |shard| async move {
        let (request, [one, two]) = request_to(&shard, [Behaviour::Echoing; 2]);
        one.unwell.set(true);
        for _ in 0..20 {
            assert_eq!(status(&shard, again(&request), &[]).await, Ok(201));
        }
        assert_eq!((one.opened.get(), two.opened.get()), (0, 20));
        two.unwell.set(true);
        let none = Err(Failure::Call(CallError::NoProvider));
        let unheld = CallRequest {
            hold_ms: None,
            ..again(&request)
        };
        assert_eq!(
            status(&shard, unheld, &[]).await,
            none,
            "not held by default"
        );
        let held = CallRequest {
            hold_ms: Some(20_000),
            ..again(&request)
        };
        let heal = async {
            rt::yield_now().await;
            one.unwell.set(false);
        };
        let held = status(&shard, held, &[]);
        let (reply, ()) = futures_lite::future::zip(held, heal).await;
        assert_eq!(reply, Ok(201));
        assert_eq!((one.opened.get(), two.opened.get()), (1, 20));
    });
}

#[test]
fn outlets_that_cannot_be_reached_are_tried_again_while_the_request_is_held() {
    caller().run(0, |shard| async move {
        let (request, [one, two]) = request_to(&shard, [Behaviour::RefusingConnect; 2]);
        let held = |ms| CallRequest {
            hold_ms: Some(ms),
            ..again(&request)
        };
        assert_eq!(status(&shard, held(300), b"body").await, LOST(false));
        let tries = one.opened.get() + two.opened.get();
        assert!(tries > 2, "{tries} tries in 300 ms");
        let heal = async {
            while one.opened.get() + two.opened.get() < tries + 4 {
                rt::yield_now().await;
            }
            two.behaviour.set(Some(Behaviour::Echoing));
        };
        let reply = status(&shard, held(20_000), b"body");
        let (reply, ()) = futures_lite::future::zip(reply, heal).await;
        assert_eq!(reply, Ok(201), "a POST too: nothing had left");
    });
}

#[test]
fn a_timeout_runs_while_the_provider_owes_and_not_while_its_caller_does() {
    caller().run(0, |shard| async move {
        let (request, [seen]) = request_to(&shard, [Behaviour::Echoing]);
        for _ in 0..10 {
            let call = shard.call(CallRequest {
                has_body: true,
                timeout_ms: Some(40),
                ..again(&request)
            });
            let send = async {
                for _ in 0..4 {
                    rt::sleep(25).await;
                    call.send(b"slow".as_slice().into()).await.expect("taken");
                }
                call.finish();
            };
            let (_, head) = futures_lite::future::zip(send, call.response()).await;
            head.expect("a head, after 100 ms");
        }
        // Nobody was set aside, and a provider that is silent afterwards still has 40 ms alone.
        seen.behaviour.set(Some(Behaviour::Silent));
        let call = shard.call(CallRequest {
            has_body: true,
            timeout_ms: Some(40),
            ..again(&request)
        });
        let begun = rt::now();
        let send = async {
            rt::sleep(60).await;
            call.send(b"late".as_slice().into()).await.expect("taken");
            call.finish();
        };
        let (_, head) = futures_lite::future::zip(send, call.response()).await;
        assert_eq!(head, Err(CallError::TimedOut));
        assert!(rt::now().0 - begun.0 >= 100, "60 ms of ours, 40 of its own");
    });
}

#[test]
fn a_request_that_is_held_longer_than_its_timeout_says_that_nobody_is_there() {
    caller().run(0, |shard| async move {
        let request = CallRequest {
            hold_ms: Some(120),
            timeout_ms: Some(20),
            ..crate::support::calls::request(&shard, "nobody")
        };
        let reply = status(&shard, request, &[]).await;
        assert_eq!(reply, Err(Failure::Call(CallError::NoProvider)));
    });
}

#[test]
fn a_trial_without_a_result_keeps_a_provider_aside_no_longer_than_its_pause() {
    caller().run(0, |shard| async move {
        let (request, [one, _two]) =
            request_to(&shard, [Behaviour::Status(503), Behaviour::Echoing]);
        let get = |repeatable| CallRequest {
            repeatable,
            timeout_ms: None,
            ..again(&request)
        };
        while one.opened.get() < 5 {
            status(&shard, get(false), &[]).await.expect("an answer");
        }
        // From now on it takes requests and is silent: the trial has no result.
        one.behaviour.set(Some(Behaviour::Silent));
        let trial = std::cell::RefCell::new(None);
        while trial.borrow().is_none() {
            let call = Box::pin(shard.call(get(true)));
            if futures_lite::future::poll_once(call.response())
                .await
                .is_none()
                && one.opened.get() == 6
            {
                *trial.borrow_mut() = Some(call);
            } else {
                rt::sleep(5).await;
            }
        }
        one.behaviour.set(Some(Behaviour::Echoing));
        let begun = rt::now();
        while one.opened.get() == 6 {
            status(&shard, get(true), &[]).await.expect("an answer");
            rt::sleep(5).await;
            assert!(rt::now().0 - begun.0 < 10_000, "it is kept aside for ever");
        }
        drop(trial);
    });
}
