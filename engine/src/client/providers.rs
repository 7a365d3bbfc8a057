//! Who offers a service, and calls to each of them.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;

use super::{Client, Request, Response};
use crate::error::CallError;
use crate::limits::BROADCAST_AT_ONCE_MAX;
use crate::routing::{Provider, ProviderKey, ProviderName, Snapshot};

/// One that offers a service, as of the moment when it was asked for. It stays the same provider as long as one of its links
/// stands, or whenever it comes back with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderInfo {
    pub(crate) key: ProviderKey,
    pub(crate) name: ProviderName,
}

impl ProviderInfo {
    fn of(provider: &Provider) -> ProviderInfo {
        ProviderInfo {
            key: provider.key,
            name: ProviderName::of(provider),
        }
    }

    /// How logs name it.
    pub fn name(&self) -> &ProviderName {
        &self.name
    }

    /// Its Ed25519 key, if it showed one. On a legacy link it proves nothing.
    pub fn public_key(&self) -> Option<[u8; 32]> {
        self.key.public_key()
    }

    /// Where it says that it can be dialed, if it does.
    pub fn addr(&self) -> Option<SocketAddr> {
        match self.name {
            ProviderName::Addr(addr) => Some(addr),
            _ => None,
        }
    }
}

impl std::fmt::Display for ProviderInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

/// The providers of any of `names`, each once, in a stable order.
pub(crate) fn providers_in<'a>(
    snapshot: &Snapshot,
    names: impl IntoIterator<Item = &'a str>,
) -> Vec<ProviderInfo> {
    let all = snapshot.all_providers(names);
    all.iter().map(ProviderInfo::of).collect()
}

impl Client {
    /// Those that offer any of `names`, each once.
    pub fn providers_for<S: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Vec<ProviderInfo> {
        let names: Vec<S> = names.into_iter().collect();
        providers_in(&self.shard.snapshot(), names.iter().map(AsRef::as_ref))
    }

    /// Calls every provider of the request's services once, and waits until each has answered or failed; at most
    /// [`BROADCAST_AT_ONCE_MAX`](crate::limits::BROADCAST_AT_ONCE_MAX) are asked at the same time. The results stand in the
    /// order of [`Client::providers_for`]; there are none if nobody offers the services.
    ///
    /// Bodies are not read meanwhile, so a response of more than
    /// [`STREAM_UNREAD_BYTES_MAX`](crate::limits::STREAM_UNREAD_BYTES_MAX) waits, and is given up after
    /// [`READER_STALL_MS`](crate::limits::READER_STALL_MS): set a [`timeout`](Request::timeout), and for large ones use
    /// [`Client::call_at`].
    pub async fn broadcast(
        &self,
        request: Request,
    ) -> Vec<(ProviderInfo, Result<Response, CallError>)> {
        let providers = self.providers_for(request.names().iter());
        all_at_once(providers, |provider| {
            let (client, request) = (self.clone(), request.clone());
            let provider = provider.clone();
            Box::pin(async move { client.call_at(&provider, request).await })
        })
        .await
    }
}

/// Asks all of them, a bounded number at the same time; results in their order. All futures are polled by one task.
pub(crate) async fn all_at_once<F: Future + Unpin>(
    providers: Vec<ProviderInfo>,
    ask: impl Fn(&ProviderInfo) -> F,
) -> Vec<(ProviderInfo, F::Output)> {
    let mut waiting = providers.iter().enumerate();
    let mut results: Vec<_> = providers.iter().map(|_| None).collect();
    let mut running: Vec<(usize, F)> = Vec::new();
    std::future::poll_fn(|cx| loop {
        while running.len() < BROADCAST_AT_ONCE_MAX {
            let Some((at, provider)) = waiting.next() else {
                break;
            };
            running.push((at, ask(provider)));
        }
        let before = running.len();
        running.retain_mut(|(at, asked)| match Pin::new(asked).poll(cx) {
            Poll::Ready(result) => {
                results[*at] = Some(result);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() && waiting.len() == 0 {
            return Poll::Ready(());
        }
        // Places became free: those who take them must be polled too.
        if running.len() == before || waiting.len() == 0 {
            return Poll::Pending;
        }
    })
    .await;
    drop(running);
    let results: Vec<F::Output> = results.into_iter().flatten().collect();
    providers.into_iter().zip(results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn no_more_than_the_limit_are_asked_at_once_and_each_in_its_place() {
        let many = 3 * BROADCAST_AT_ONCE_MAX + 1;
        let provider = |number| ProviderInfo {
            key: ProviderKey::Outlet(number),
            name: ProviderName::Anonymous(None),
        };
        let (now, most) = (Rc::new(Cell::new(0)), Cell::new(0));
        let results = all_at_once((0..many as u64).map(provider).collect(), |provider| {
            let (key, now) = (provider.key, now.clone());
            now.set(now.get() + 1);
            most.set(now.get().max(most.get()));
            Box::pin(async move {
                // Not all of them end in the same round.
                if let ProviderKey::Outlet(number) = key {
                    for _ in 0..number % 3 {
                        futures_lite::future::yield_now().await;
                    }
                }
                now.set(now.get() - 1);
                key
            })
        });
        let results = futures_lite::future::block_on(results);
        assert_eq!(results.len(), many);
        assert!(results.iter().all(|(provider, key)| provider.key == *key));
        assert_eq!((now.get(), most.get()), (0, BROADCAST_AT_ONCE_MAX));
    }
}
