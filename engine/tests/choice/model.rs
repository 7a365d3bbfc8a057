//! A shard that sends requests to modelled providers, on a virtual clock. Every run is the same.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use flatend::routing::{choose, Ask, Begun, Change, Failure, Look, Pick, Repute, Rng};

/// How a provider treats a request that comes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A good head after so many microseconds.
    Good(u64),
    /// A status 503 after so many.
    Bad(u64),
    /// Nothing at all; the client gives up after so many.
    Never(u64),
}

pub(crate) const MS: u64 = 1_000;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// A provider as the model has it.
pub(crate) struct Provider {
    pub(crate) repute: Repute,
    pub(crate) answer: Answer,
    /// When requests were sent to it.
    pub(crate) asked_us: Vec<u64>,
    /// What changed in its health, and when.
    pub(crate) changes: Vec<(u64, Change)>,
}

/// The shard.
pub(crate) struct Model {
    pub(crate) now_us: u64,
    pub(crate) providers: Vec<Provider>,
    pub(crate) repeatable: bool,
    pub(crate) max_in_flight: Option<u32>,
    pub(crate) full: usize,
    rng: Rng,
    /// When, number of the request, provider.
    ends: BinaryHeap<Reverse<(u64, u64, usize)>>,
    begun: Vec<(Begun, Answer)>,
}

impl Model {
    pub(crate) fn new(answers: &[Answer]) -> Model {
        let mut model = Model {
            now_us: 100 * SECOND,
            providers: Vec::new(),
            repeatable: true,
            max_in_flight: None,
            full: 0,
            rng: Rng::new(7),
            ends: BinaryHeap::new(),
            begun: Vec::new(),
        };
        answers.iter().for_each(|&answer| model.join(answer));
        model
    }

    pub(crate) fn join(&mut self, answer: Answer) {
        self.providers.push(Provider {
            repute: Repute::default(),
            answer,
            asked_us: Vec::new(),
            changes: Vec::new(),
        });
    }

    /// A request every `every_us` for `for_us`.
    pub(crate) fn run(&mut self, for_us: u64, every_us: u64) {
        let until = self.now_us + for_us;
        while self.now_us < until {
            self.request();
            self.pass(every_us);
        }
    }

    /// Time passes; what is due in it ends.
    pub(crate) fn pass(&mut self, us: u64) {
        let until = self.now_us + us;
        while self
            .ends
            .peek()
            .is_some_and(|Reverse((at, ..))| *at <= until)
        {
            let Some(Reverse((at, number, i))) = self.ends.pop() else {
                unreachable!("one was there");
            };
            self.now_us = at;
            let (begun, answer) = self.begun[number as usize];
            let provider = &mut self.providers[i];
            let repute = &mut provider.repute;
            let change = match answer {
                Answer::Good(_) => {
                    repute.head(begun, at);
                    repute.succeeded(begun, at)
                }
                Answer::Bad(_) => repute.failed(begun, at, Failure::Status(503)),
                Answer::Never(_) => None,
            };
            repute.ended(begun, at, matches!(answer, Answer::Never(_)));
            provider.changes.extend(change.map(|change| (at, change)));
        }
        self.now_us = until;
    }

    /// Sends a request; tells where it went.
    pub(crate) fn request(&mut self) -> Pick {
        let ask = Ask {
            now_us: self.now_us,
            max_in_flight: self.max_in_flight,
            repeatable: self.repeatable,
        };
        let providers = &self.providers;
        let look = |i: usize| -> Look { providers[i].repute.look(&ask, false) };
        let pick = choose(providers.len(), ask.now_us, look, &mut self.rng);
        let (Pick::One(i) | Pick::Trial(i)) = pick else {
            self.full += 1;
            return pick;
        };
        let provider = &mut self.providers[i];
        let begun = Begun::new(self.now_us, matches!(pick, Pick::Trial(_)));
        provider.repute.begin(begun);
        provider.asked_us.push(self.now_us);
        let (Answer::Good(us) | Answer::Bad(us) | Answer::Never(us)) = provider.answer;
        let number = self.begun.len() as u64;
        self.ends.push(Reverse((self.now_us + us, number, i)));
        self.begun.push((begun, provider.answer));
        pick
    }

    /// How many requests each got since `since_us`.
    pub(crate) fn asked_since(&self, since_us: u64) -> Vec<usize> {
        let since = |provider: &Provider| {
            let times = provider.asked_us.iter();
            times.filter(|&&at| at >= since_us).count()
        };
        self.providers.iter().map(since).collect()
    }
}
