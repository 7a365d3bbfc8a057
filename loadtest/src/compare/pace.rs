//! The rate of an open loop, as a share of what one of the compared reaches.

use serde::Serialize;

/// Shares of the top rate, in percent.
const SHARES_PERCENT: [u32; 3] = [25, 50, 75];

/// How fast requests come, the same for all that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Pace {
    /// Of nginx's top rate.
    pub(crate) share_percent: u32,
    pub(crate) requests_per_s: f64,
}

/// The paces for a top rate of `top` requests a second.
pub(crate) fn shares_of(top: f64) -> Vec<Option<Pace>> {
    SHARES_PERCENT
        .map(|share_percent| {
            Some(Pace {
                share_percent,
                requests_per_s: (top * f64::from(share_percent) / 100.0).round(),
            })
        })
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_top_rate() {
        let rates = shares_of(40_000.4).into_iter().flatten();
        let rates: Vec<f64> = rates.map(|pace| pace.requests_per_s).collect();
        assert_eq!(rates, [10_000.0, 20_000.0, 30_000.0]);
    }
}
