//! Handlers that fail, panic or say nothing: each costs its own request alone.

use flatend::{HandlerError, Node, NodeBuilder, NodeEvent, OrStatus};

use crate::{status, Pair};

fn failing() -> NodeBuilder {
    Node::builder()
        .service("parse", |context| async move {
            let number: u8 = context.query("n").or_status(400, "n is missing")?.parse()?;
            context.send(number.to_string()).await
        })
        .service("io", |_context| async move {
            std::fs::read("/does/not/exist")?;
            Ok(())
        })
        .service("teapot", |mut context| async move {
            context.set_header("x-lost", "with the response that it was meant for")?;
            Err(HandlerError::with_status(418, "a \"teapot\"\n"))
        })
        .service("silent", |mut context| async move {
            context.set_header("x-said", "this alone")?;
            Ok(())
        })
        .service("panic", |_context| async move { panic!("on purpose") })
        .service("panic_at_once", |_context| -> std::future::Ready<_> {
            panic!("before there is a future")
        })
}

#[test]
fn any_error_becomes_a_json_response_with_a_status() {
    let pair = Pair::start("parse", failing());
    let answer = |service, pairs: &[(&str, &str)]| {
        let reply = pair.ask(service, pairs, b"");
        let (status, text) = status(&reply);
        let kind = reply.header("content-type").map(str::to_owned);
        (status.to_owned(), text.to_owned(), kind)
    };
    let json = Some("application/json".to_owned());
    let error = |status: &str, text: &str| {
        let body = format!("{{\"error\":\"{text}\"}}");
        (status.to_owned(), body, json.clone())
    };
    assert_eq!(answer("parse", &[]), error("400", "n is missing"));
    let invalid = error("500", "invalid digit found in string");
    assert_eq!(answer("parse", &[("query.n", "x")]), invalid);
    assert_eq!(answer("parse", &[("query.n", "7")]).1, "7");
    let missing = error("500", "No such file or directory (os error 2)");
    assert_eq!(answer("io", &[]), missing);
    assert_eq!(
        answer("teapot", &[]),
        error("418", "a \\\"teapot\\\"\\u000a")
    );
    let reply = pair.ask("teapot", &[], b"");
    assert_eq!(reply.header("x-lost"), None);
}

#[test]
fn a_handler_that_writes_nothing_gives_an_empty_response_with_its_headers() {
    let reply = Pair::start("silent", failing()).ask("silent", &[], b"");
    assert_eq!(status(&reply), ("200", ""));
    assert_eq!(reply.header("x-said"), Some("this alone"));
}

#[test]
fn a_panic_costs_its_request_and_is_told_with_the_name_of_the_service() {
    let pair = Pair::start("panic", failing());
    for (service, said) in [
        ("panic", "on purpose"),
        ("panic_at_once", "before there is a future"),
    ] {
        let reply = pair.ask(service, &[], b"a body that nobody reads");
        let panicked = r#"{"error":"the handler of this service panicked"}"#;
        assert_eq!(status(&reply), ("500", panicked));
        let told = NodeEvent::HandlerPanicked {
            shard: 0,
            service: service.to_owned(),
            what: said.to_owned(),
        };
        pair.provider
            .wait_event("the panic", |event| (*event == told).then_some(()));
        assert_eq!(pair.ask("parse", &[("query.n", "1")], b"").text(), "1");
    }
}
