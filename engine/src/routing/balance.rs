//! Which provider takes a request: of two drawn at random the one with fewer outstanding requests; when equal, one that
//! has a link on the asking shard.

use super::snapshot::Provider;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Load {
    /// Requests of this shard that the provider has not answered in full.
    pub outstanding: u32,
}

/// The index of the chosen provider, or `None` if there is none or all are full (`max_in_flight` outstanding already).
pub fn choose(
    providers: &[Provider],
    own_shard: usize,
    load: impl Fn(usize) -> Load,
    max_in_flight: Option<u32>,
    rng: &mut Rng,
) -> Option<usize> {
    let usable = |i: usize| max_in_flight.is_none_or(|max| load(i).outstanding < max);
    if providers.len() == 1 {
        return usable(0).then_some(0);
    }
    let usable: Vec<usize> = (0..providers.len()).filter(|&i| usable(i)).collect();
    match usable[..] {
        [] => None,
        [only] => Some(only),
        _ => {
            let first = rng.below(usable.len());
            let second = (first + 1 + rng.below(usable.len() - 1)) % usable.len();
            let cost = |i: usize| {
                let provider = &providers[i];
                (
                    load(i),
                    !provider.links.iter().any(|link| link.shard == own_shard),
                )
            };
            let (first, second) = (usable[first], usable[second]);
            Some(if cost(second) < cost(first) {
                second
            } else {
                first
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::snapshot::{LinkRef, ProviderKey};
    use super::*;

    fn providers(n: u8) -> Vec<Provider> {
        (0..n)
            .map(|byte| Provider {
                key: ProviderKey::Public([byte; 32]),
                links: vec![LinkRef {
                    shard: usize::from(byte % 2),
                    id: u64::from(byte),
                }],
                retiring: false,
            })
            .collect()
    }

    #[test]
    fn draws_spread_and_the_most_loaded_is_never_chosen() {
        let providers = providers(5);
        let mut rng = Rng::new(1);
        let mut counts = [0u32; 5];
        for _ in 0..10_000 {
            let load = |i: usize| Load {
                outstanding: u32::from(i == 3) * 10,
            };
            let i = choose(&providers, 9, load, None, &mut rng).expect("five are usable");
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
        let providers = providers(2);
        let mut rng = Rng::new(1);
        for _ in 0..100 {
            assert_eq!(
                choose(&providers, 1, |_| Load::default(), None, &mut rng),
                Some(1)
            );
        }
    }

    #[test]
    fn full_ones_are_passed_over() {
        let providers = providers(3);
        let mut rng = Rng::new(1);
        let load = |i: usize| Load {
            outstanding: 3 + u32::from(i != 2),
        };
        assert_eq!(choose(&providers, 0, load, Some(4), &mut rng), Some(2));
        assert_eq!(choose(&providers, 0, load, Some(3), &mut rng), None);
        assert_eq!(choose(&[], 0, load, None, &mut rng), None);
    }
}
