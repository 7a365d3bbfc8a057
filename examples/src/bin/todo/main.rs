//! A todo list in SQLite, with a page. Each shard has a connection of its own, made before the first request.
//! `todo [GATEWAY [DATABASE]]`

mod store;

use std::rc::Rc;

use flatend::{Context, HandlerError, Node, OrStatus};
use flatend_examples::{argument, serve, GATEWAY};
use serde::Deserialize;
use store::Store;

/// Largest request; a todo has 500 bytes of it.
const BODY_BYTES_MAX: usize = 4 * 1024;

#[derive(Deserialize)]
struct New {
    text: String,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = std::env::args().nth(2).unwrap_or("todos.db".to_owned());
    // Made once, before the shards open it side by side.
    Store::open(&database)?;
    let opened = move || Store::open(&database).map(Rc::new);
    let (list, add, remove) = (opened.clone(), opened.clone(), opened);
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("todo_page", |mut context| async move {
                context.set_header("content-type", "text/html; charset=utf-8")?;
                context.send(include_str!("page.html")).await
            })
            .try_service_per_shard("todos", move |_shard| {
                list().map(|store| move |context| todos(store.clone(), context))
            })
            .try_service_per_shard("add_todo", move |_shard| {
                add().map(|store| move |context| add_todo(store.clone(), context))
            })
            .try_service_per_shard("remove_todo", move |_shard| {
                remove().map(|store| move |context| remove_todo(store.clone(), context))
            }),
    )
}

/// `GET /todos`
async fn todos(store: Rc<Store>, context: Context) -> Result<(), HandlerError> {
    context.json(&store.all()?).await
}

/// `POST /todos` with `{"text": …}`
async fn add_todo(store: Rc<Store>, mut context: Context) -> Result<(), HandlerError> {
    let new: New = context.json_body(BODY_BYTES_MAX).await?;
    let text = new.text.trim();
    let fits = (1..=store::TEXT_BYTES_MAX).contains(&text.len());
    fits.then_some(())
        .or_status(400, "a todo has 1 to 500 bytes of text")?;
    let added = store
        .add(text)?
        .or_status(409, "the list is full: remove one first")?;
    context.set_status(201)?;
    context.json(&added).await
}

/// `DELETE /todos/:id`
async fn remove_todo(store: Rc<Store>, mut context: Context) -> Result<(), HandlerError> {
    let id = context.param("id").or_status(400, "an id is missing")?;
    let id: i64 = id.parse().or_status(400, "an id is a number")?;
    let found = store.remove(id)?;
    found
        .then_some(())
        .or_status(404, "there is no such todo")?;
    context.set_status(204)?;
    context.send("").await
}
