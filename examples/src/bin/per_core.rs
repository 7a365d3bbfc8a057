//! A store of which each core owns a part: a key always lives on the same shard, and requests for it are carried there. Nothing is
//! locked, and nothing is shared. `per_core [GATEWAY]`

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use flatend::{Bytes, Context, HandlerError, Node, OrStatus};
use flatend_examples::{argument, serve, GATEWAY};

/// Largest value.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Most keys of one shard.
const KEYS_MAX: usize = 100_000;

thread_local! {
    /// This shard's part. A shard is a thread, so a thread's own value is a shard's own.
    static PART: RefCell<HashMap<String, Bytes>> = RefCell::default();
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(
        Node::builder()
            .bootstrap(argument(GATEWAY))
            .service("put", put)
            .service("get", get)
            // State behind one handler needs no thread's own value: it is made once on each shard, and kept by the closure.
            .service_per_shard("core", |shard| {
                let served = std::rc::Rc::new(std::cell::Cell::new(0));
                move |context| {
                    served.set(served.get() + 1);
                    let keys = PART.with_borrow(HashMap::len);
                    let (core, served) = (shard.index(), served.get());
                    let line = format!("core {core}: {keys} keys, asked {served} times\n");
                    async move { context.send(line).await }
                }
            }),
    )
}

/// The key of a request, and the shard that owns it.
fn key(context: &Context) -> Result<(String, usize), HandlerError> {
    let key = context.param("key").or_status(400, "a key is missing")?;
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let owner = (hasher.finish() % context.shard().count() as u64) as usize;
    Ok((key.to_owned(), owner))
}

async fn put(mut context: Context) -> Result<(), HandlerError> {
    let (key, owner) = key(&context)?;
    // A copy of its own: a piece of the receive buffer would keep all of it.
    let value = Bytes::from(context.read_all(VALUE_BYTES_MAX).await?.to_vec());
    let stored = context.shard().submit_to(owner, move |_shard| async move {
        PART.with_borrow_mut(|part| {
            let room = part.len() < KEYS_MAX || part.contains_key(&key);
            room.then(|| part.insert(key, value)).is_some()
        })
    });
    if !stored.await? {
        return Err(HandlerError::with_status(507, "this core's part is full"));
    }
    context.set_status(204)?;
    context.send("").await
}

async fn get(context: Context) -> Result<(), HandlerError> {
    let (key, owner) = key(&context)?;
    let found = context.shard().submit_to(owner, move |_shard| async move {
        PART.with_borrow(|part| part.get(&key).cloned())
    });
    let value = found.await?.or_status(404, "there is no such key")?;
    context.send(value).await
}
