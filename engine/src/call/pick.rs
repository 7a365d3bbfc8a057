//! Finding a provider for a call: choice among those that were not tried, and the wait for one to come back.

use flatend_codec::Millis;

use super::Call;
use crate::error::CallError;
use crate::limits::{HOLD_DEFAULT_MS, SERVICE_MEMORY_MS, YOUNG_PROCESS_MS};
use crate::routing::{choose, LinkRef, Load, Provider, ProviderKey};
use crate::rt;
use crate::shard::Shard;

/// What a call has tried already.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) tries: u32,
    /// Links that were lost or could not open the stream.
    pub(super) links: Vec<LinkRef>,
    /// Providers that refused.
    pub(super) providers: Vec<ProviderKey>,
    /// Why the last try failed.
    pub(super) error: Option<CallError>,
    /// When waiting for a provider ends; set at the first wait.
    hold_until: Option<Millis>,
}

enum Choice {
    Link(ProviderKey, LinkRef),
    /// Nobody is left: a new snapshot may bring one.
    Nobody,
    /// Somebody is there but must not be asked now.
    Never(CallError),
}

impl Call {
    /// The next provider and link to try; waits for one if the request may be held.
    pub(super) async fn choose(&self) -> Result<(ProviderKey, LinkRef), CallError> {
        loop {
            match self.choose_now() {
                Choice::Link(provider, link) => return Ok((provider, link)),
                Choice::Never(error) => return Err(error),
                Choice::Nobody => {}
            }
            let until = self.hold_until();
            let now = rt::now();
            if until <= now {
                let error = self.state.borrow_mut().tried.error.take();
                return Err(error.unwrap_or(CallError::NoProvider));
            }
            let generation = self.shard.generation();
            let republished = self
                .shard
                .republished
                .until(|| (self.shard.generation() != generation).then_some(()));
            rt::timeout(until.0 - now.0, republished).await.ok();
        }
    }

    fn choose_now(&self) -> Choice {
        let shard = &self.shard;
        let all = self.request.services.providers(shard);
        let state = self.state.borrow();
        let tried = &state.tried;
        let untried: Vec<Provider>;
        let providers: &[Provider] = if tried.links.is_empty() {
            &all
        } else {
            untried = without(&all, tried);
            &untried
        };
        if providers.is_empty() {
            return match &tried.error {
                Some(error @ (CallError::Refused | CallError::HeadTooLarge { .. })) => {
                    Choice::Never(error.clone())
                }
                _ => Choice::Nobody,
            };
        }
        let load = |key: &ProviderKey| shard.load(key);
        let chosen = choose(
            providers,
            shard.index,
            load,
            &[],
            self.request.max_in_flight,
            &mut shard.rng.borrow_mut(),
        );
        match chosen.map(|i| &providers[i]) {
            None => Choice::Never(CallError::Saturated),
            Some(provider) => {
                let own = provider.links.iter().find(|link| link.shard == shard.index);
                match own.or(provider.links.first()) {
                    Some(link) => Choice::Link(provider.key, *link),
                    None => Choice::Nobody,
                }
            }
        }
    }

    fn hold_until(&self) -> Millis {
        let mut state = self.state.borrow_mut();
        *state.tried.hold_until.get_or_insert_with(|| {
            let ms = self
                .request
                .hold_ms
                .unwrap_or_else(|| self.default_hold_ms());
            Millis(rt::now().0.saturating_add(ms))
        })
    }

    fn default_hold_ms(&self) -> u64 {
        let age_ms = self.shard.shared.registry.age_ms();
        let since = Millis(age_ms.saturating_sub(SERVICE_MEMORY_MS));
        let expected = age_ms < YOUNG_PROCESS_MS
            || self
                .shard
                .snapshot()
                .was_offered_since(self.request.services.names(), since);
        if expected {
            HOLD_DEFAULT_MS
        } else {
            0
        }
    }
}

fn without(all: &[Provider], tried: &Tried) -> Vec<Provider> {
    all.iter()
        .filter(|provider| !tried.providers.contains(&provider.key))
        .filter_map(|provider| {
            let links: Vec<LinkRef> = provider
                .links
                .iter()
                .filter(|link| !tried.links.contains(link))
                .copied()
                .collect();
            (!links.is_empty()).then(|| Provider {
                links,
                ..provider.clone()
            })
        })
        .collect()
}

impl Shard {
    fn load(&self, key: &ProviderKey) -> Load {
        Load {
            outstanding: self.loads.borrow().get(key).map_or(0, |count| count.get()),
        }
    }
}
