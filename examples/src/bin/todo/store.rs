//! The list in its database. A statement of this size takes some ten microseconds, so it runs on the shard; what may take long
//! belongs to `Shard::run_blocking`.

use std::time::Duration;

use rusqlite::{params, Connection};
use serde::Serialize;

/// Largest text.
pub(crate) const TEXT_BYTES_MAX: usize = 500;

/// Longest list.
const TODOS_MAX: i64 = 1_000;

/// How long a write waits for one of another shard.
const BUSY: Duration = Duration::from_millis(500);

#[derive(Serialize)]
pub(crate) struct Todo {
    id: i64,
    text: String,
}

/// One connection.
pub(crate) struct Store(Connection);

impl Store {
    /// Opens the database and makes its table if it has none.
    pub(crate) fn open(path: &str) -> rusqlite::Result<Store> {
        let store = Connection::open(path)?;
        store.busy_timeout(BUSY)?;
        // Readers and a writer go on beside each other, and a commit waits for no disk.
        store.pragma_update(None, "journal_mode", "WAL")?;
        store.pragma_update(None, "synchronous", "NORMAL")?;
        store.execute_batch(
            "CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL) STRICT",
        )?;
        Ok(Store(store))
    }

    pub(crate) fn all(&self) -> rusqlite::Result<Vec<Todo>> {
        let mut select = self
            .0
            .prepare_cached("SELECT id, text FROM todos ORDER BY id")?;
        let todos = select.query_map([], |row| {
            Ok(Todo {
                id: row.get(0)?,
                text: row.get(1)?,
            })
        })?;
        todos.collect()
    }

    /// `None`: the list is full.
    pub(crate) fn add(&self, text: &str) -> rusqlite::Result<Option<Todo>> {
        let mut insert = self.0.prepare_cached(
            "INSERT INTO todos (text) SELECT ?1 WHERE (SELECT count(*) FROM todos) < ?2",
        )?;
        let added = insert.execute(params![text, TODOS_MAX])? > 0;
        Ok(added.then(|| Todo {
            id: self.0.last_insert_rowid(),
            text: text.to_owned(),
        }))
    }

    /// Whether there was one.
    pub(crate) fn remove(&self, id: i64) -> rusqlite::Result<bool> {
        let mut delete = self.0.prepare_cached("DELETE FROM todos WHERE id = ?1")?;
        Ok(delete.execute([id])? > 0)
    }
}
