//! Addresses of an upstream's host. Names are looked up on a thread of their own, one look-up at a time however many wait, and
//! anew after [`ADDRESSES_KEEP_MS`].

use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;

use flatend::rt::{self, io_words, WaitQueue};
use flatend::Millis;

use super::Origin;
use crate::limits::{ADDRESSES_KEEP_MS, ADDRESSES_MAX, NO_ADDRESS_KEEP_MS};

type Found = Result<Rc<[SocketAddr]>, String>;

/// Asks for the addresses of a host; may block.
type Ask = fn(&str, u16) -> Result<Vec<SocketAddr>, String>;

fn system(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let all = (host, port).to_socket_addrs();
    all.map(|all| all.take(ADDRESSES_MAX).collect())
        .map_err(|error| io_words(&error))
}

#[derive(Default)]
pub(super) struct Resolver {
    found: RefCell<Option<(Found, Millis)>>,
    looking: Cell<bool>,
    ended: WaitQueue,
}

impl Resolver {
    /// The addresses, as old as [`ADDRESSES_KEEP_MS`] at most.
    ///
    /// # Errors
    /// Why there are none, in a few words.
    pub(super) async fn addresses(self: &Rc<Self>, origin: &Origin) -> Found {
        self.addresses_by(origin, system).await
    }

    async fn addresses_by(self: &Rc<Self>, origin: &Origin, ask: Ask) -> Found {
        if let Some(address) = origin.address() {
            return Ok(Rc::from([address]));
        }
        loop {
            if let Some(found) = self.known() {
                return found;
            }
            if !self.looking.get() {
                self.look(origin, ask);
            }
            self.ended
                .until(|| (!self.looking.get()).then_some(()))
                .await;
        }
    }

    fn known(&self) -> Option<Found> {
        let found = self.found.borrow();
        let (found, until) = found.as_ref()?;
        (rt::now() < *until).then(|| found.clone())
    }

    /// Begins a look-up, in a task of its own: its thread cannot be ended, so a request that is given up must not leave one
    /// behind and have the next request start another.
    fn look(self: &Rc<Self>, origin: &Origin, ask: Ask) {
        let looking = Looking::new(self.clone());
        let (host, port) = (origin.host().to_owned(), origin.port());
        rt::spawn(async move {
            let looked_up = rt::run_blocking(move || ask(&host, port));
            looking.0.keep(looked_up.await);
        });
    }

    fn keep(&self, looked_up: Result<Result<Vec<SocketAddr>, String>, String>) {
        let found: Found = match looked_up {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("the name has no address".to_owned()),
            Ok(Ok(addresses)) => Ok(addresses.into()),
            Ok(Err(why)) | Err(why) => Err(why),
        };
        let keep_ms = match found {
            Ok(_) => ADDRESSES_KEEP_MS,
            Err(_) => NO_ADDRESS_KEEP_MS,
        };
        let until = Millis(rt::now().0.saturating_add(keep_ms));
        *self.found.borrow_mut() = Some((found, until));
    }
}

struct Looking(Rc<Resolver>);

impl Looking {
    fn new(resolver: Rc<Resolver>) -> Looking {
        resolver.looking.set(true);
        Looking(resolver)
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.looking.set(false);
        self.0.ended.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{mpsc, Mutex};

    use super::super::on_shard::on_shard;
    use super::*;

    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static ANSWER: Mutex<Option<mpsc::Receiver<()>>> = Mutex::new(None);

    /// A name server that answers when the test says so.
    fn silent(_: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        ASKED.fetch_add(1, Ordering::SeqCst);
        let answer = ANSWER.lock().unwrap();
        answer.as_ref().unwrap().recv().unwrap();
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }

    #[test]
    fn requests_that_are_given_up_leave_one_look_up_and_not_one_each() {
        on_shard(|_| async {
            let (say, heard) = mpsc::channel();
            *ANSWER.lock().unwrap() = Some(heard);
            let resolver: Rc<Resolver> = Rc::default();
            let origin = Origin::parse("http://backend.example:81").unwrap();
            for _ in 0..10 {
                let given_up = rt::timeout(5, resolver.addresses_by(&origin, silent)).await;
                assert!(given_up.is_err());
            }
            say.send(()).unwrap();
            let found = resolver.addresses_by(&origin, silent).await.unwrap();
            assert_eq!(found[..], [SocketAddr::from(([127, 0, 0, 1], 81))]);
            assert_eq!(ASKED.load(Ordering::SeqCst), 1);
        });
    }
}
