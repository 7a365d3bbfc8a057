//! Examples that keep something: in a database, and in the memory of each core.

use flatend::Request;
use serde_json::{json, Value};

use crate::program::{text, Gateway};

fn parsed(answer: (u16, String)) -> (u16, Value) {
    let value = serde_json::from_str(&answer.1).expect("JSON");
    (answer.0, value)
}

#[test]
fn todo_lists_adds_and_removes_and_remembers() {
    let folder = std::env::temp_dir().join(format!("flatend-todo-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("a new folder");
    let database = folder.join("todos.db");
    let database = database.to_str().expect("its name is text");
    let gateway = Gateway::start();
    let program = gateway.run(env!("CARGO_BIN_EXE_todo"), &[database]);
    let page = gateway.ask("todo_page");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(parsed(text(gateway.ask("todos"))), (200, json!([])));
    let add = |text: &str| Request::to("add_todo").json(&json!({ "text": text }));
    for (id, what) in [(1, "milk"), (2, "\"bread\"; DROP TABLE todos")] {
        let added = parsed(text(gateway.send(add(what))));
        assert_eq!(added, (201, json!({ "id": id, "text": what })));
    }
    // The longest text, and one byte more; and what is no request at all.
    assert_eq!(gateway.send(add(&"x".repeat(500))).status(), 201);
    assert_eq!(gateway.send(add(&"x".repeat(501))).status(), 400);
    assert_eq!(gateway.send(add("  ")).status(), 400);
    assert_eq!(
        gateway.send(Request::to("add_todo").body("{}")).status(),
        400
    );
    let remove = |id: &str| {
        let removed = gateway.send(Request::to("remove_todo").param("id", id));
        removed.status()
    };
    assert_eq!(["1", "3", "1", "one"].map(remove), [204, 204, 404, 400]);
    drop(program);
    let again = Gateway::start();
    let _program = again.run(env!("CARGO_BIN_EXE_todo"), &[database]);
    let left = json!([{ "id": 2, "text": "\"bread\"; DROP TABLE todos" }]);
    assert_eq!(parsed(text(again.ask("todos"))), (200, left));
    drop(_program);
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn per_core_finds_every_key_on_the_core_that_owns_it() {
    let gateway = Gateway::start();
    let _program = gateway.run(env!("CARGO_BIN_EXE_per_core"), &[]);
    let key = |service: &str, i: usize| Request::to(service).param("key", format!("key {i}"));
    for i in 0..100 {
        let stored = gateway.send(key("put", i).body(format!("value {i}")));
        assert_eq!(stored.status(), 204);
    }
    for i in 0..100 {
        assert_eq!(
            text(gateway.send(key("get", i))),
            (200, format!("value {i}"))
        );
    }
    assert_eq!(gateway.send(key("get", 100)).status(), 404);
    // One link leads to one core, which owns a part of the keys and counts its own requests.
    let lines = [1, 2].map(|_| text(gateway.ask("core")).1);
    let keys = |line: &str| -> usize {
        let number = line.split(' ').nth(2).and_then(|text| text.parse().ok());
        number.expect("a number")
    };
    assert!(lines[0].ends_with("asked 1 times\n") && lines[1].ends_with("asked 2 times\n"));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (of_core, most) = (keys(&lines[0]), if cores == 1 { 100 } else { 99 });
    assert!((1..=most).contains(&of_core), "{lines:?}");
}
