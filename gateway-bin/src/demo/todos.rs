//! A todo list in memory, with the routes of the seed's example: list, add, remove, mark.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flatend::{json_string, Context, HandlerError};

/// Largest text of one entry.
const TEXT_BYTES_MAX: usize = 500;

/// Most entries; the demonstration stays a demonstration.
const TODOS_MAX: usize = 1_000;

struct Todo {
    text: String,
    done: bool,
}

#[derive(Default)]
struct List {
    next: u64,
    todos: BTreeMap<u64, Todo>,
}

/// The list, shared by the handlers of all shards.
#[derive(Clone, Default)]
pub(super) struct Todos(Arc<Mutex<List>>);

impl Todos {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves `GET /todos`, `POST /todos`, `DELETE /todos/:id` and `POST /todos/done/:id`.
pub(super) async fn serve(todos: &Todos, mut context: Context) -> Result<(), HandlerError> {
    let method = context.header(":method").unwrap_or("GET").to_owned();
    let marks = context
        .header(":path")
        .is_some_and(|path| path.starts_with("/todos/done/"));
    match (method.as_str(), marks) {
        ("POST", false) => add(todos, &mut context).await?,
        ("DELETE", _) => {
            let id = id(&context)?;
            todos.lock().todos.remove(&id).ok_or_else(|| missing(id))?;
        }
        ("POST", true) => {
            let id = id(&context)?;
            let mut list = todos.lock();
            let todo = list.todos.get_mut(&id).ok_or_else(|| missing(id))?;
            todo.done = !todo.done;
        }
        _ => {}
    }
    let json = json(&todos.lock());
    context.set_header("content-type", "application/json")?;
    context.send(json).await
}

async fn add(todos: &Todos, context: &mut Context) -> Result<(), HandlerError> {
    let body = context
        .read_all(TEXT_BYTES_MAX)
        .await
        .map_err(|error| HandlerError::with_status(413, error.to_string()))?;
    let text = std::str::from_utf8(&body).unwrap_or_default().trim();
    if text.is_empty() {
        return Err(HandlerError::with_status(
            400,
            "a todo needs a text: send it as the body, in UTF-8",
        ));
    }
    let mut list = todos.lock();
    if list.todos.len() >= TODOS_MAX {
        return Err(HandlerError::with_status(
            409,
            format!("the list holds {TODOS_MAX} todos at most: remove one first"),
        ));
    }
    list.next += 1;
    let id = list.next;
    list.todos.insert(
        id,
        Todo {
            text: text.to_owned(),
            done: false,
        },
    );
    Ok(())
}

fn id(context: &Context) -> Result<u64, HandlerError> {
    let id = context.header("params.id").and_then(|id| id.parse().ok());
    id.ok_or_else(|| HandlerError::with_status(400, "the id of a todo is a number"))
}

fn missing(id: u64) -> HandlerError {
    HandlerError::with_status(404, format!("there is no todo {id}"))
}

fn json(list: &List) -> String {
    let todos: Vec<String> = list
        .todos
        .iter()
        .map(|(id, todo)| {
            format!(
                "{{\"id\":{id},\"text\":{},\"done\":{}}}",
                json_string(&todo.text),
                todo.done
            )
        })
        .collect();
    format!("[{}]\n", todos.join(","))
}
