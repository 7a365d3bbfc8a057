//! Which provider takes a request: of two drawn at random the one with the lower `(outstanding + 1) × latency`; when equal, one
//! that has a link on the asking shard. Those that are set aside are asked only where nobody else is left, and one whose pause is
//! over gets a single request as a trial. Allocates nothing.

use std::cmp::Ordering;

use super::latency::Latency;
use crate::limits::{LATENCY_LIKE_RATIO, LATENCY_MIN_US};

/// A small xorshift generator; the caller seeds it.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Any seed will do; zero is replaced.
    pub fn new(seed: u64) -> Rng {
        Rng(if seed == 0 {
            0x9e37_79b9_7f4a_7c15
        } else {
            seed
        })
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }
}

/// What the asking shard knows of a provider's load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    /// Requests of this shard that the provider has not answered in full.
    pub outstanding: u32,
    /// How long it takes to answer.
    pub latency: Latency,
    /// No link of the asking shard leads to it.
    pub far: bool,
}

impl Load {
    /// Which of two is to be preferred (the lesser one). `mean_us` stands for a latency that is not known yet, so that a
    /// newcomer competes as an average provider: it is neither flooded nor passed over.
    fn compare(&self, other: &Load, now_us: u64, mean_us: impl Fn() -> f64) -> Ordering {
        let (one, two) = match (self.latency.read(now_us), other.latency.read(now_us)) {
            (Some(one), Some(two)) => (one, two),
            (Some(one), None) => (one, mean_us()),
            (None, Some(two)) => (mean_us(), two),
            (None, None) => (0.0, 0.0),
        };
        let (one, two) = (one.max(LATENCY_MIN_US), two.max(LATENCY_MIN_US));
        // Latencies that are nearly the same differ by chance: then the requests decide, or all would go to one of two equals.
        let by_load = if one.max(two) <= one.min(two) * LATENCY_LIKE_RATIO {
            self.outstanding.cmp(&other.outstanding)
        } else {
            let cost = |load: &Load, latency| (f64::from(load.outstanding) + 1.0) * latency;
            cost(self, one).total_cmp(&cost(other, two))
        };
        by_load.then(self.far.cmp(&other.far))
    }
}

/// Whether a provider may be asked now.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// It may.
    May(Load),
    /// It was set aside, its pause is over, and this request may try it.
    Trial,
    /// It is set aside: only if nobody else is left.
    Aside(Load),
    /// It has as many requests outstanding as the asker allows.
    Full {
        /// And it is set aside.
        aside: bool,
    },
    /// It takes no further request until it says so.
    Spent,
    /// It may not: it was tried already, or is known to be unwell.
    Out,
}

/// What [`choose`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The provider with this index.
    One(usize),
    /// The provider with this index, as its trial.
    Trial(usize),
    /// Who may be asked has no room.
    Full,
    /// Nobody may be asked.
    Nobody,
}

/// Chooses among `count` providers, of which `look` tells what is known at `now_us`. Usually it looks at two.
pub fn choose(count: usize, now_us: u64, look: impl Fn(usize) -> Look, rng: &mut Rng) -> Pick {
    if count == 1 {
        return match look(0) {
            // Set aside for whom? There is no other.
            Look::May(_) | Look::Trial | Look::Aside(_) => Pick::One(0),
            Look::Full { .. } | Look::Spent => Pick::Full,
            Look::Out => Pick::Nobody,
        };
    }
    let choice = Choice {
        count,
        now_us,
        look,
    };
    if count > 1 {
        let (first, second) = two_of(count, rng);
        match ((choice.look)(first), (choice.look)(second)) {
            (Look::May(one), Look::May(two)) => return choice.better((first, one), (second, two)),
            (Look::Trial, _) => return Pick::Trial(first),
            (_, Look::Trial) => return Pick::Trial(second),
            _ => {}
        }
    }
    choice.among_all(rng)
}

/// Two different numbers below `count`, which is at least 2.
fn two_of(count: usize, rng: &mut Rng) -> (usize, usize) {
    let first = rng.below(count);
    (first, (first + 1 + rng.below(count - 1)) % count)
}

struct Choice<F> {
    count: usize,
    now_us: u64,
    look: F,
}

impl<F: Fn(usize) -> Look> Choice<F> {
    fn better(&self, one: (usize, Load), two: (usize, Load)) -> Pick {
        let order = two.1.compare(&one.1, self.now_us, || self.mean_us());
        Pick::One(if order.is_lt() { two.0 } else { one.0 })
    }

    fn looks(&self) -> impl Iterator<Item = (usize, Look)> + '_ {
        (0..self.count).map(|i| (i, (self.look)(i)))
    }

    /// The mean of the latencies that are known.
    fn mean_us(&self) -> f64 {
        let known = self.looks().filter_map(|(_, look)| match look {
            Look::May(load) | Look::Aside(load) => load.latency.read(self.now_us),
            _ => None,
        });
        let (sum, n) = known.fold((0.0, 0.0), |(sum, n), us| (sum + us, n + 1.0));
        if n > 0.0 {
            sum / n
        } else {
            0.0
        }
    }

    /// Where one of those that were drawn may not be asked: a trial, or a draw from those that may.
    fn among_all(&self, rng: &mut Rng) -> Pick {
        let (mut well, mut well_full, mut aside, mut full) = (0, 0, 0, 0);
        for (i, look) in self.looks() {
            match look {
                Look::Trial => return Pick::Trial(i),
                Look::May(_) => well += 1,
                Look::Aside(_) => aside += 1,
                Look::Full { aside: false } => well_full += 1,
                // Who fails is asked before nobody is.
                Look::Full { aside: true } | Look::Spent => full += 1,
                Look::Out => {}
            }
        }
        if well > 0 {
            return self.draw(well, rng, |look| match look {
                Look::May(load) => Some(load),
                _ => None,
            });
        }
        // A provider that is well has its hands full: better no answer at once than one that is likely to fail.
        if well_full == 0 && aside > 0 {
            return self.draw(aside, rng, |look| match look {
                Look::Aside(load) => Some(load),
                _ => None,
            });
        }
        if well_full + full > 0 {
            Pick::Full
        } else {
            Pick::Nobody
        }
    }

    /// Of the `usable` providers that `wanted` gives a load for.
    fn draw(&self, usable: usize, rng: &mut Rng, wanted: impl Fn(Look) -> Option<Load>) -> Pick {
        let at = |rank| {
            self.looks()
                .filter_map(|(i, look)| Some((i, wanted(look)?)))
                .nth(rank)
        };
        let (first, second) = if usable > 1 {
            let (first, second) = two_of(usable, rng);
            (at(first), at(second))
        } else {
            (at(0), None)
        };
        match (first, second) {
            (Some(one), Some(two)) => self.better(one, two),
            (Some((i, _)), None) | (None, Some((i, _))) => Pick::One(i),
            (None, None) => Pick::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_000_000;

    fn latency(us: u64) -> Latency {
        let mut latency = Latency::default();
        (0..3).for_each(|_| latency.add(NOW_US, us));
        latency
    }

    fn load(outstanding: u32) -> Load {
        Load {
            outstanding,
            ..Load::default()
        }
    }

    fn may(outstanding: u32) -> Look {
        Look::May(load(outstanding))
    }

    fn taking(us: u64, outstanding: u32) -> Look {
        Look::May(Load {
            latency: latency(us),
            ..load(outstanding)
        })
    }

    /// How often each is chosen in 10,000 draws.
    fn counts<const N: usize>(looks: [Look; N]) -> [u32; N] {
        let mut rng = Rng::new(1);
        let mut counts = [0; N];
        for _ in 0..10_000 {
            match choose(N, NOW_US, |i| looks[i], &mut rng) {
                Pick::One(i) => counts[i] += 1,
                other => panic!("{other:?}"),
            }
        }
        counts
    }

    #[test]
    fn draws_spread_and_the_most_loaded_is_never_chosen() {
        let counts = counts([may(0), may(0), may(0), may(10), may(0)]);
        assert_eq!(counts[3], 0);
        let spread = counts.iter().enumerate().all(|(i, &n)| i == 3 || n > 1_500);
        assert!(spread, "{counts:?}");
    }

    #[test]
    fn outstanding_requests_are_weighted_by_latency() {
        assert_eq!(counts([taking(400, 0), taking(100, 2)])[0], 0);
        assert_eq!(counts([taking(400, 0), taking(100, 5)])[1], 0);
        // Nearly the same latency: the requests decide, and then chance.
        assert_eq!(counts([taking(100, 1), taking(120, 0)])[0], 0);
        let even = counts([taking(100, 0), taking(120, 0)]);
        assert!(even.iter().all(|&n| n > 4_500), "{even:?}");
        // What the turn's clock does not tell apart is no difference.
        let even = counts([taking(0, 0), taking(40, 0)]);
        assert!(even.iter().all(|&n| n > 4_500), "{even:?}");
    }

    #[test]
    fn a_newcomer_counts_as_the_mean_of_the_known() {
        let even = counts([may(0), taking(5_000, 0)]);
        assert!(even.iter().all(|&n| n > 4_500), "{even:?}");
        // 2 ms and 6 ms make 4 ms: better than the one, worse than the other.
        let three = counts([may(0), taking(2_000, 0), taking(6_000, 0)]);
        assert!(
            three[2] == 0 && three[0] > 2_500 && three[1] > 5_000,
            "{three:?}"
        );
    }

    #[test]
    fn equal_loads_prefer_the_own_shard() {
        let far = Look::May(Load {
            far: true,
            ..load(0)
        });
        assert_eq!(counts([far, may(0)]), [0, 10_000]);
        assert_eq!(counts([far, may(1)]), [10_000, 0]);
    }

    #[test]
    fn full_ones_and_those_that_are_out_or_aside_are_passed_over() {
        let (full, aside, full_aside) = (
            Look::Full { aside: false },
            Look::Aside(load(0)),
            Look::Full { aside: true },
        );
        let mut rng = Rng::new(1);
        for _ in 0..20 {
            for (looks, pick) in [
                (&[full, full, may(3)][..], Pick::One(2)),
                (&[Look::Out, may(9), full], Pick::One(1)),
                (&[full, Look::Out], Pick::Full),
                (&[Look::Out, Look::Out], Pick::Nobody),
                (&[full], Pick::Full),
                (&[Look::Out], Pick::Nobody),
                (&[may(9)], Pick::One(0)),
                (&[], Pick::Nobody),
                (&[aside, may(9), aside], Pick::One(1)),
                (&[aside, full], Pick::Full),
                (&[full_aside, full_aside], Pick::Full),
                // Never all: who is aside is asked where nobody else is left.
                (&[aside], Pick::One(0)),
                (&[Look::Trial], Pick::One(0)),
                (&[Look::Out, aside], Pick::One(1)),
                (&[full_aside, aside], Pick::One(1)),
                (&[Look::Spent, may(9), Look::Spent], Pick::One(1)),
                (&[Look::Spent, aside], Pick::One(1)),
                (&[Look::Spent, Look::Out], Pick::Full),
                (&[Look::Spent], Pick::Full),
                (&[may(0), Look::Trial, aside, may(0)], Pick::Trial(1)),
            ] {
                let found = choose(looks.len(), NOW_US, |i| looks[i], &mut rng);
                let by_chance = looks.len() > 2 && matches!(found, Pick::One(0 | 3));
                assert!(
                    found == pick || (by_chance && matches!(pick, Pick::Trial(_))),
                    "{looks:?}"
                );
            }
        }
    }

    #[test]
    fn draws_spread_among_the_usable_too() {
        let counts = counts([
            may(0),
            Look::Out,
            may(0),
            Look::Out,
            may(0),
            Look::Aside(load(0)),
        ]);
        assert!([0, 2, 4].iter().all(|&i| counts[i] > 3_000), "{counts:?}");
        let counts = super::tests::counts([Look::Aside(load(0)); 3]);
        assert!(counts.iter().all(|&n| n > 3_000), "{counts:?}");
    }
}
