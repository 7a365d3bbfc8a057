//! Which provider takes a request: of two drawn at random the one with fewer outstanding requests; when equal, one that
//! has a link on the asking shard.

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

/// What the asking shard knows of a provider's load. The lower one is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    /// Requests of this shard that the provider has not answered in full.
    pub outstanding: u32,
    /// No link of the asking shard leads to it.
    pub far: bool,
}

/// Whether a provider may be asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It may.
    May(Load),
    /// It has as many requests outstanding as the asker allows.
    Full,
    /// It may not: it was tried already, or is known to be unwell.
    Out,
}

/// What [`choose`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The provider with this index.
    One(usize),
    /// Who may be asked has no room.
    Full,
    /// Nobody may be asked.
    Nobody,
}

/// Chooses among `count` providers, of which `look` tells what is known. Allocates nothing; usually it looks at two.
pub fn choose(count: usize, look: impl Fn(usize) -> Look, rng: &mut Rng) -> Pick {
    if count == 1 {
        return match look(0) {
            Look::May(_) => Pick::One(0),
            Look::Full => Pick::Full,
            Look::Out => Pick::Nobody,
        };
    }
    if count > 1 {
        let (first, second) = two_of(count, rng);
        if let (Look::May(one), Look::May(other)) = (look(first), look(second)) {
            return Pick::One(if other < one { second } else { first });
        }
    }
    choose_among_usable(count, look, rng)
}

/// Two different numbers below `count`, which is at least 2.
fn two_of(count: usize, rng: &mut Rng) -> (usize, usize) {
    let first = rng.below(count);
    (first, (first + 1 + rng.below(count - 1)) % count)
}

/// As [`choose`], where one that was drawn may not be asked: draws from those that may.
fn choose_among_usable(count: usize, look: impl Fn(usize) -> Look, rng: &mut Rng) -> Pick {
    let load = |i| match look(i) {
        Look::May(load) => Some(load),
        Look::Full | Look::Out => None,
    };
    let usable = (0..count).filter(|&i| load(i).is_some()).count();
    let at = |rank| (0..count).filter_map(|i| Some((i, load(i)?))).nth(rank);
    if usable < 2 {
        return match at(0) {
            Some((only, _)) => Pick::One(only),
            None if (0..count).any(|i| look(i) == Look::Full) => Pick::Full,
            None => Pick::Nobody,
        };
    }
    let (first, second) = two_of(usable, rng);
    match (at(first), at(second)) {
        (Some((_, one)), Some((second, other))) if other < one => Pick::One(second),
        (Some((first, _)), _) => Pick::One(first),
        (None, _) => Pick::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(outstanding: u32) -> Look {
        let far = false;
        Look::May(Load { outstanding, far })
    }

    #[test]
    fn draws_spread_and_the_most_loaded_is_never_chosen() {
        let mut rng = Rng::new(1);
        let mut counts = [0u32; 5];
        for _ in 0..10_000 {
            let Pick::One(i) = choose(5, |i| load(u32::from(i == 3) * 10), &mut rng) else {
                panic!("five are usable");
            };
            counts[i] += 1;
        }
        assert_eq!(counts[3], 0);
        assert!(
            counts.iter().enumerate().all(|(i, &n)| i == 3 || n > 1_500),
            "{counts:?}"
        );
    }

    #[test]
    fn equal_loads_prefer_the_own_shard() {
        let mut rng = Rng::new(1);
        let look = |i| {
            Look::May(Load {
                outstanding: 0,
                far: i == 0,
            })
        };
        for _ in 0..100 {
            assert_eq!(choose(2, look, &mut rng), Pick::One(1));
        }
    }

    #[test]
    fn full_ones_and_those_that_are_out_are_passed_over() {
        let mut rng = Rng::new(1);
        for _ in 0..20 {
            for (looks, pick) in [
                (&[Look::Full, Look::Full, load(3)][..], Pick::One(2)),
                (&[Look::Out, load(9), Look::Full], Pick::One(1)),
                (&[Look::Full, Look::Out], Pick::Full),
                (&[Look::Out, Look::Out], Pick::Nobody),
                (&[Look::Full], Pick::Full),
                (&[Look::Out], Pick::Nobody),
                (&[load(9)], Pick::One(0)),
                (&[], Pick::Nobody),
            ] {
                assert_eq!(
                    choose(looks.len(), |i| looks[i], &mut rng),
                    pick,
                    "{looks:?}"
                );
            }
        }
    }

    #[test]
    fn draws_spread_among_the_usable_too() {
        let mut rng = Rng::new(1);
        let mut counts = [0u32; 6];
        for _ in 0..10_000 {
            let look = |i| if i % 2 == 0 { load(0) } else { Look::Out };
            let Pick::One(i) = choose(6, look, &mut rng) else {
                panic!("three are usable");
            };
            counts[i] += 1;
        }
        assert!([0, 2, 4].iter().all(|&i| counts[i] > 3_000), "{counts:?}");
        assert_eq!(counts[1] + counts[3] + counts[5], 0);
    }
}
