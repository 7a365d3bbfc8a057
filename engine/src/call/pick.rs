//! Finding a provider for a call: choice among those that were not tried, and the wait for one to come back.

use std::rc::Rc;

use flatend_codec::Millis;

use super::{Call, Outlet};
use crate::error::CallError;
use crate::limits::{
    HOLD_DEFAULT_MS, OUTLET_LOOK_MS, RECEIVE_WAIT_MS, SERVICE_MEMORY_MS, YOUNG_PROCESS_MS,
};
use crate::routing::{choose, Ask, Begun, LinkRef, Look, Open, Pick, ProviderKey};
use crate::rt;
use crate::shard::{Candidate, Lead, ProviderState, Room, Shard, Way};

/// What a call has tried already.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) tries: u32,
    /// Of these, those that reached nobody and were forgotten while the request was held.
    pub(super) unsent: u32,
    /// Links that were lost or could not open the stream.
    pub(super) links: Vec<LinkRef>,
    /// Their providers: the other links of a process often fail with the first.
    pub(super) shaky: Vec<ProviderKey>,
    /// Providers that refused, and outlets that failed.
    pub(super) providers: Vec<ProviderKey>,
    /// Of these, outlets at which no byte of the request arrived: they may be asked again while it is held.
    pub(super) unreached: Vec<ProviderKey>,
    /// Where the current try goes.
    pub(super) at: Option<(ProviderKey, Option<LinkRef>)>,
    /// Why the last try failed.
    pub(super) error: Option<CallError>,
    /// When waiting for a provider ends; set at the first wait.
    hold_until: Option<Millis>,
    /// When waiting for the receive budget ends; set at the first wait.
    room_until: Option<Millis>,
}

/// What leads to a chosen provider.
pub(super) enum Through {
    Link(LinkRef),
    Outlet(Rc<dyn Outlet>),
}

impl Through {
    pub(super) fn link(&self) -> Option<LinkRef> {
        match self {
            Through::Link(link) => Some(*link),
            Through::Outlet(_) => None,
        }
    }
}

/// A provider to try, and what leads to it.
pub(super) struct Chosen {
    pub(super) key: ProviderKey,
    pub(super) through: Through,
    pub(super) state: Rc<ProviderState>,
    pub(super) begun: Begun,
}

enum Choice {
    One(Chosen),
    /// Nobody is left: a new snapshot may bring one.
    Nobody,
    /// Somebody is there but must not be asked now.
    Never(CallError),
}

impl Tried {
    /// Outlets that could not be reached may be tried again.
    fn forget_unreached(&mut self) {
        let unreached = std::mem::take(&mut self.unreached);
        self.providers.retain(|key| !unreached.contains(key));
        self.unsent += unreached.len() as u32;
    }

    /// Whether `candidate` may be asked now.
    fn look(&self, candidate: &Candidate, ask: &Ask) -> Look {
        let open = match &candidate.lead {
            Lead::Links(ways) => self.open(ways),
            Lead::Outlet(outlet) if outlet.is_well() => Open::Yes,
            Lead::Outlet(_) => Open::No,
        };
        if open == Open::No || self.providers.contains(&candidate.key) {
            return Look::Out;
        }
        if open == Open::Spent {
            return Look::Spent;
        }
        candidate.state.repute.borrow().look(ask, !candidate.near)
    }

    /// What a provider takes over those of its links that were not tried.
    fn open(&self, ways: &[Way]) -> Open {
        let mut best = Open::No;
        for way in ways {
            match way.open.look() {
                Open::No => {}
                _ if self.links.contains(&way.link) => {}
                Open::Yes => return Open::Yes,
                Open::Spent => best = Open::Spent,
            }
        }
        best
    }

    /// The way to `candidate`: of the links of this shard the one with the fewest requests, else one of another shard, each shard
    /// its own where there are several; none that was tried, or whose peer takes no more.
    fn through(&self, candidate: &Candidate, shard: &Shard) -> Option<Through> {
        let ways = match &candidate.lead {
            Lead::Links(ways) => ways,
            Lead::Outlet(outlet) => return Some(Through::Outlet(outlet.clone())),
        };
        let left = ways
            .iter()
            .filter(|way| way.open.look() == Open::Yes && !self.links.contains(&way.link))
            .map(|way| way.link);
        let mut own = left.clone().filter(|link| link.shard == shard.index);
        let link = match (own.next(), own.next()) {
            (Some(only), None) => only,
            (Some(first), Some(second)) => {
                let all = [first, second].into_iter().chain(own);
                all.min_by_key(|link| shard.open_streams(*link))?
            }
            (None, _) => {
                let count = left.clone().count();
                left.clone().nth(shard.index % count.max(1))?
            }
        };
        Some(Through::Link(link))
    }
}

impl Call {
    /// A provider that can be asked now.
    pub(super) fn choose_at_once(&self) -> Option<Chosen> {
        match self.choose_now() {
            Choice::One(chosen) => Some(chosen),
            Choice::Nobody | Choice::Never(_) => None,
        }
    }

    /// The next provider and link to try; waits for one if the request may be held.
    pub(super) async fn choose(&self) -> Result<Chosen, CallError> {
        loop {
            // Read first: a snapshot that is published while we choose must not be slept through.
            let generation = self.shard.generation();
            match self.choose_now() {
                Choice::One(chosen) => return Ok(chosen),
                Choice::Never(error) => return Err(error),
                Choice::Nobody => {}
            }
            let until = self.hold_until();
            let now = rt::now();
            // A node that shuts down takes no new links: nobody will come.
            if until <= now || self.shard.draining().is_set() {
                let error = self.state.borrow_mut().tried.error.take();
                return Err(error.unwrap_or(CallError::NoProvider));
            }
            let draining = self.shard.draining().wait();
            if self.request.services.outlets {
                let look = rt::sleep(OUTLET_LOOK_MS.min(until.0 - now.0));
                futures_lite::future::or(look, draining).await;
                // Whoever could not be reached may be there by now.
                self.state.borrow_mut().tried.forget_unreached();
                continue;
            }
            let republished = self
                .shard
                .republished
                .until(|| (self.shard.generation() != generation).then_some(()));
            let changed = async {
                rt::timeout(until.0 - now.0, republished).await.ok();
            };
            futures_lite::future::or(changed, draining).await;
        }
    }

    fn choose_now(&self) -> Choice {
        let shard = &self.shard;
        let candidates = self.request.services.resolve(shard);
        let state = self.state.borrow();
        let tried = &state.tried;
        let ask = Ask {
            now_us: rt::now_us(),
            max_in_flight: self.request.max_in_flight,
            repeatable: self.request.repeatable,
        };
        let look = |i: usize| tried.look(&candidates[i], &ask);
        let mut rng = shard.rng.borrow_mut();
        let elsewhere = |i: usize| match tried.shaky.contains(&candidates[i].key) {
            true => Look::Out,
            false => look(i),
        };
        let first = (!tried.shaky.is_empty())
            .then(|| choose(candidates.len(), ask.now_us, elsewhere, &mut rng))
            .filter(|pick| matches!(pick, Pick::One(_) | Pick::Trial(_)));
        let pick = first.unwrap_or_else(|| choose(candidates.len(), ask.now_us, look, &mut rng));
        match pick {
            pick @ (Pick::One(i) | Pick::Trial(i)) => {
                let candidate = &candidates[i];
                match tried.through(candidate, shard) {
                    Some(through) => Choice::One(Chosen {
                        key: candidate.key,
                        through,
                        state: candidate.state.clone(),
                        begun: Begun::new(ask.now_us, matches!(pick, Pick::Trial(_))),
                    }),
                    None => Choice::Nobody,
                }
            }
            Pick::Full => Choice::Never(CallError::Saturated),
            Pick::Nobody => match &tried.error {
                Some(
                    error @ (CallError::Refused
                    | CallError::HeadTooLarge { .. }
                    | CallError::Unsendable { .. }),
                ) => Choice::Never(error.clone()),
                // All of them were tried: no snapshot brings another. Where none could be reached it is worth a wait.
                Some(error)
                    if self.request.services.outlets
                        && tried.providers.len() >= candidates.len()
                        && tried.unreached.is_empty() =>
                {
                    Choice::Never(error.clone())
                }
                _ => Choice::Nobody,
            },
        }
    }

    /// Waits until the receive budget has room for one more response.
    ///
    /// # Errors
    /// `error`, if it has none for as long as the request may be held.
    pub(super) async fn room_to_receive(&self, error: CallError) -> Result<Room<'_>, CallError> {
        let now = rt::now();
        let until = *self
            .state
            .borrow_mut()
            .tried
            .room_until
            .get_or_insert_with(|| {
                let ms = self.request.hold_ms.unwrap_or(RECEIVE_WAIT_MS);
                Millis(now.0.saturating_add(ms))
            });
        if self.shard.draining().is_set() {
            return Err(error);
        }
        if until > now {
            let room = self.shard.receive.room_for_one();
            if let Ok(room) = rt::timeout(until.0 - now.0, room).await {
                return Ok(room);
            }
        }
        self.shard
            .tell_over_budget(self.request.services.names().next());
        Err(error)
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
        if self.request.services.outlets {
            return 0;
        }
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
