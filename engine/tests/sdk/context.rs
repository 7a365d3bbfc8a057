//! What a handler reads of a request's head, and what it says in the head of its response.

use flatend::{CallRequest, Node, WriteError};
use serde::{Deserialize, Serialize};

use crate::support::calls::{exchange, request, Reply};
use crate::{status, Pair};

fn all<'a>(reply: &'a Reply, name: &str) -> Vec<&'a str> {
    let found = reply.headers.iter().filter(|(have, _)| have == name);
    found.map(|(_, value)| &**value).collect()
}

#[test]
fn headers_parameters_and_queries_are_found_in_any_case() {
    let node = Node::builder().service("look", |context| async move {
        let seen = format!(
            "{:?} {:?} {:?} {:?} {:?}",
            context.header("Content-Type"),
            context.param("ID"),
            context.query("q"),
            context.query("absent"),
            context.header_all("x-many").collect::<Vec<_>>(),
        );
        context.send(seen).await
    });
    let pair = Pair::start("look", node);
    let sent = [
        ("content-type", "a/b"),
        ("params.id", "7"),
        ("query.Q", "hi"),
        ("X-Many", "1"),
        ("x-many-more", "no"),
        ("x-many", "2"),
    ];
    assert_eq!(
        pair.ask("look", &sent, b"").text(),
        r#"Some("a/b") Some("7") Some("hi") None ["1", "2"]"#
    );
}

#[test]
fn a_handler_knows_by_which_name_it_was_asked_and_by_whom() {
    let node = Node::builder().service("named", |context| async move {
        let id = context.id().map(|id| id.public_key);
        let known = format!("{} {:?}", context.service(), id);
        context.send(known).await
    });
    let pair = Pair::start("named", node);
    let reply = pair.caller.run(0, |shard| async move {
        let request = CallRequest {
            services: shard.service_set(["nobody_has_this", "named", "nor_this"]),
            ..request(&shard, "named")
        };
        exchange(&shard, request, &[]).await.expect("a response")
    });
    let caller = pair.caller.node().public_key();
    assert_eq!(reply.text(), format!("named {caller:?}"));
}

#[test]
fn a_header_that_is_set_replaces_and_one_that_is_added_stands_beside() {
    let node = Node::builder().service("say", |mut context| async move {
        context.set_status(500)?;
        context.set_header("X-Kind", "first")?;
        context.add_header("set-cookie", "a=1")?;
        context.add_header("Set-Cookie", "b=2")?;
        context.set_header("x-kind", "second")?;
        context.set_status(201)?;
        context.send("done").await
    });
    let reply = Pair::start("say", node).ask("say", &[], b"");
    assert_eq!(status(&reply), ("201", "done"));
    assert_eq!(all(&reply, "x-kind"), ["second"]);
    assert_eq!(all(&reply, "set-cookie"), ["a=1", "b=2"]);
    assert_eq!(all(&reply, ":status"), ["201"]);
    assert_eq!(all(&reply, "content-length"), ["4"]);
}

#[test]
fn a_header_after_the_first_write_is_an_error_that_says_so() {
    let node = Node::builder().service("late", |mut context| async move {
        // Nothing has left yet: an empty piece takes no head along.
        context.write("").await?;
        context.set_header("x-in-time", "yes")?;
        context.write("body ").await?;
        let errors = [
            context.set_header("x-late", "no"),
            context.add_header("x-late", "no"),
            context.set_status(404),
        ];
        assert_eq!(errors, [const { Err(WriteError::HeadSent) }; 3]);
        context.send(WriteError::HeadSent.to_string()).await
    });
    let reply = Pair::start("late", node).ask("late", &[], b"");
    assert_eq!(
        status(&reply),
        (
            "200",
            "body a header was set after the first write: set headers and status before the body"
        )
    );
    assert_eq!(all(&reply, "x-in-time"), ["yes"]);
    assert!(all(&reply, "x-late").is_empty());
}

#[test]
fn headers_and_statuses_that_cannot_be_sent_are_refused_and_change_nothing() {
    let node = Node::builder().service("limits", |mut context| async move {
        let (name, value) = ("n".repeat(255), "v".repeat(65_535));
        context.set_header(&name, "the longest name")?;
        context.set_header("x-value", &value[..50_000])?;
        let too_long = [
            context.set_header(&format!("{name}n"), ""),
            context.set_header("", ""),
            context.set_header("x-value", &format!("{value}v")),
        ];
        assert!(too_long
            .iter()
            .all(|result| matches!(result, Err(WriteError::Header(_)))));
        assert_eq!(context.set_status(199), Err(WriteError::Status(199)));
        assert_eq!(context.set_status(600), Err(WriteError::Status(600)));
        context.set_status(599)?;
        context.send("").await
    });
    let reply = Pair::start("limits", node).ask("limits", &[], b"");
    assert_eq!(status(&reply), ("599", ""));
    assert_eq!(all(&reply, &"n".repeat(255)), ["the longest name"]);
    assert_eq!(all(&reply, "x-value")[0].len(), 50_000);
}

#[test]
fn a_head_that_the_caller_cannot_take_becomes_an_error_that_it_can() {
    let node = Node::builder()
        .service("huge", |mut context| async move {
            for i in 0..3 {
                context.add_header(&format!("x-{i}"), &"v".repeat(60_000))?;
            }
            context.send("never").await
        })
        .service("huge_and_silent", |mut context| async move {
            for i in 0..3 {
                context.add_header(&format!("x-{i}"), &"v".repeat(60_000))?;
            }
            Ok(())
        });
    let pair = Pair::start("huge", node);
    for service in ["huge", "huge_and_silent"] {
        let reply = pair.ask(service, &[], b"");
        let (status, text) = status(&reply);
        assert_eq!(status, "500");
        assert!(
            text.contains("and the caller takes 57344 at most"),
            "{text}"
        );
    }
}

#[derive(Serialize, Deserialize)]
struct Sum {
    a: i64,
    b: i64,
}

#[test]
fn json_comes_and_goes_and_what_is_none_is_the_callers_error() {
    let node = Node::builder().service("swap", |mut context| async move {
        let sum: Sum = context.json_body(64).await?;
        context.json(&Sum { a: sum.b, b: sum.a }).await
    });
    let pair = Pair::start("swap", node);
    let reply = pair.ask("swap", &[], br#"{"a":1,"b":2}"#);
    assert_eq!(status(&reply), ("200", r#"{"a":2,"b":1}"#));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("content-length"), Some("13"));
    let reply = pair.ask("swap", &[], br#"{"a":1}"#);
    assert_eq!(
        status(&reply),
        (
            "400",
            r#"{"error":"the body is not the JSON that is asked for: missing field `b` at line 1 column 7"}"#
        )
    );
    // The last length that passes, and the first that does not.
    let padded = |spaces: usize| [br#"{"a":1,"b":2}"#, " ".repeat(spaces).as_bytes()].concat();
    assert_eq!(status(&pair.ask("swap", &[], &padded(51))).0, "200");
    let reply = pair.ask("swap", &[], &padded(52));
    assert_eq!(
        status(&reply),
        (
            "413",
            r#"{"error":"the body is larger than the limit of 64 bytes"}"#
        )
    );
}
