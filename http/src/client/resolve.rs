//! Addresses of an upstream's host. Names are looked up on a thread of their own, one look-up at a time however many wait, and
//! anew after [`ADDRESSES_KEEP_MS`].

use std::cell::{Cell, RefCell};
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;

use flatend::rt::{self, WaitQueue};
use flatend::Millis;

use super::report::words;
use super::Origin;
use crate::limits::{ADDRESSES_KEEP_MS, ADDRESSES_MAX, NO_ADDRESS_KEEP_MS};

type Found = Result<Rc<[SocketAddr]>, String>;

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
    pub(super) async fn addresses(&self, origin: &Origin) -> Found {
        if let Some(address) = origin.address() {
            return Ok(Rc::from([address]));
        }
        loop {
            if let Some(found) = self.known() {
                return found;
            }
            if !self.looking.get() {
                return self.look(origin).await;
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

    async fn look(&self, origin: &Origin) -> Found {
        // Whoever waits takes over if this request is given up meanwhile.
        let _looking = Looking::new(self);
        let (host, port) = (origin.host().to_owned(), origin.port());
        let looked_up = rt::run_blocking(move || {
            (host.as_str(), port)
                .to_socket_addrs()
                .map(|all| all.take(ADDRESSES_MAX).collect::<Vec<_>>())
                .map_err(|error| words(&error))
        });
        let found: Found = match looked_up.await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("the name has no address".to_owned()),
            Ok(Ok(addresses)) => Ok(addresses.into()),
            Ok(Err(why)) | Err(why) => Err(why),
        };
        let keep_ms = match found {
            Ok(_) => ADDRESSES_KEEP_MS,
            Err(_) => NO_ADDRESS_KEEP_MS,
        };
        let until = Millis(rt::now().0.saturating_add(keep_ms));
        *self.found.borrow_mut() = Some((found.clone(), until));
        found
    }
}

struct Looking<'a>(&'a Resolver);

impl<'a> Looking<'a> {
    fn new(resolver: &'a Resolver) -> Looking<'a> {
        resolver.looking.set(true);
        Looking(resolver)
    }
}

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.looking.set(false);
        self.0.ended.wake_all();
    }
}
