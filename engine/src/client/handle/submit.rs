//! Closures of foreign threads that run on a shard.

use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::open::Waited;
use super::Handle;
use crate::rt;
use crate::shard::{run_caught, Message, Shard, SubmitError};

/// Where the result is put, and who waits for it.
struct Slot<T> {
    result: Option<Result<T, SubmitError>>,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    /// Puts the result in, if there is none.
    fn fill(this: &Mutex<Slot<T>>, result: Result<T, SubmitError>) {
        let mut slot = this.lock().unwrap_or_else(PoisonError::into_inner);
        slot.result.get_or_insert(result);
        let waker = slot.waker.take();
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<T: Send> Waited for Mutex<Slot<T>> {
    fn end(&self) {
        Slot::fill(self, Err(SubmitError::ShuttingDown));
    }
}

impl Handle {
    /// Runs `work` on the shard with this number and gives its result. It counts among the
    /// [`HANDLE_CALLS_MAX`](crate::limits::HANDLE_CALLS_MAX) of its shard. Dropping the future does not stop work that has
    /// begun.
    ///
    /// # Errors
    /// [`SubmitError`]: a panic in it among others.
    pub fn submit_to<T, F, Fut>(
        &self,
        index: usize,
        work: F,
    ) -> impl Future<Output = Result<T, SubmitError>> + Send + 'static
    where
        T: Send + 'static,
        F: FnOnce(Rc<Shard>) -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
    {
        let doors = self.doors.clone();
        async move {
            if rt::is_installed() {
                return Err(SubmitError::OnShard);
            }
            let count = doors.all.len();
            let door = doors
                .all
                .get(index)
                .ok_or(SubmitError::NoShard { index, count })?;
            let pass = door.gate.take().await;
            let pass = pass.map_err(|_| SubmitError::ShuttingDown)?;
            let slot = Arc::new(Mutex::new(Slot {
                result: None,
                waker: None,
            }));
            door.open.add(slot.clone());
            let place = slot.clone();
            let run = Message::Run(Box::new(move |shard| {
                run_caught(shard, work, move |result| {
                    Slot::fill(&place, result);
                    drop(pass);
                });
            }));
            door.address.post(run).ok();
            std::future::poll_fn(move |cx| {
                let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                match slot.result.take() {
                    Some(result) => Poll::Ready(result),
                    None => {
                        slot.waker = Some(cx.waker().clone());
                        Poll::Pending
                    }
                }
            })
            .await
        }
    }
}
