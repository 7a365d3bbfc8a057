//! How a node dials again what it has lost, as its author says it.

use std::time::Duration;

use crate::limits::{
    RECONNECT_PAUSE_MAX, RECONNECT_PAUSE_MIN, REDIAL_FIRST_MS, REDIAL_FRESH_MAX_MS, REDIAL_MAX_MS,
};
use crate::mesh::core::Redial;

/// When an address of [`NodeBuilder::bootstrap`](super::NodeBuilder::bootstrap) is dialed again. Each pause is `factor` times the last
/// one; to all but the first up to a fifth is added by chance, so that the nodes that lose one other do not come back in step.
///
/// The first eight attempts are *fresh*: somebody restarts, and requests wait for him. Later ones are for an address that stays
/// away. A link that was up begins anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconnect {
    /// How often an address is dialed again in vain, one after the other, until it is given up; the dial of the start is not counted, so
    /// that with 3 a node that finds nobody has dialed four times. `None`, for ever: a service that has given up waits for somebody
    /// who starts it again. At least 1.
    pub attempts: Option<u32>,
    /// The pause before the first attempt. 500 ms: npm peers wait as long, and most restarts take less.
    pub first: Duration,
    /// How much longer each pause is than the last one, 1 to 10. 1.25.
    pub factor: f64,
    /// The longest pause of fresh attempts. 1 s.
    pub fresh_max: Duration,
    /// The longest pause of all. 30 s: a node is back half a minute after its network at the latest, and a dead address costs
    /// nothing.
    pub max: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        let redial = Redial::default();
        Reconnect {
            attempts: redial.attempts,
            first: Duration::from_millis(REDIAL_FIRST_MS),
            factor: redial.factor,
            fresh_max: Duration::from_millis(REDIAL_FRESH_MAX_MS),
            max: Duration::from_millis(REDIAL_MAX_MS),
        }
    }
}

impl Reconnect {
    /// A sentence for each setting that makes no sense.
    pub(super) fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.attempts == Some(0) {
            found.push(
                "reconnect: 0 attempts would never dial; 1 or more are possible, None is for ever"
                    .to_owned(),
            );
        }
        if !(1.0..=10.0).contains(&self.factor) {
            let factor = self.factor;
            found.push(format!(
                "reconnect: a factor of {factor} makes no sense: 1 to 10 are possible"
            ));
        }
        if self.first < RECONNECT_PAUSE_MIN {
            let (first, least) = (self.first, RECONNECT_PAUSE_MIN);
            found.push(format!(
                "reconnect: a first pause of {first:?} is too short: {least:?} at least"
            ));
        }
        if self.fresh_max < self.first || self.max < self.fresh_max {
            let (first, fresh, max) = (self.first, self.fresh_max, self.max);
            found.push(format!(
                "reconnect: the pauses first {first:?}, fresh_max {fresh:?} and max {max:?} must not become shorter"
            ));
        }
        if self.max > RECONNECT_PAUSE_MAX {
            found.push(format!(
                "reconnect: a pause of {:?} is too long: a day at most",
                self.max
            ));
        }
        found
    }

    pub(super) fn redial(&self) -> Redial {
        // Checked above: none is longer than a day.
        let ms = |pause: Duration| pause.as_millis() as u64;
        Redial {
            attempts: self.attempts,
            first_ms: ms(self.first),
            factor: self.factor,
            fresh_max_ms: ms(self.fresh_max),
            max_ms: ms(self.max),
            ..Redial::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_pass_and_what_is_beyond_them_is_told() {
        let first = RECONNECT_PAUSE_MIN;
        let least = Reconnect {
            attempts: Some(1),
            first,
            factor: 1.0,
            fresh_max: first,
            max: first,
        };
        let most = Reconnect {
            attempts: None,
            first: RECONNECT_PAUSE_MAX,
            factor: 10.0,
            fresh_max: RECONNECT_PAUSE_MAX,
            max: RECONNECT_PAUSE_MAX,
        };
        for good in [&least, &most, &Reconnect::default()] {
            assert!(good.findings().is_empty(), "{good:?}");
        }
        let below = Reconnect {
            attempts: Some(0),
            first: Duration::from_millis(9),
            factor: 0.99,
            fresh_max: Duration::from_millis(8),
            max: Duration::from_millis(8),
        };
        assert_eq!(
            below.findings(),
            [
                "reconnect: 0 attempts would never dial; 1 or more are possible, None is for ever",
                "reconnect: a factor of 0.99 makes no sense: 1 to 10 are possible",
                "reconnect: a first pause of 9ms is too short: 10ms at least",
                "reconnect: the pauses first 9ms, fresh_max 8ms and max 8ms must not become shorter",
            ]
        );
        let above = Reconnect {
            factor: f64::NAN,
            max: RECONNECT_PAUSE_MAX + Duration::from_millis(1),
            ..most
        };
        assert_eq!(
            above.findings(),
            [
                "reconnect: a factor of NaN makes no sense: 1 to 10 are possible",
                "reconnect: a pause of 86400.001s is too long: a day at most",
            ]
        );
    }

    #[test]
    fn the_defaults_are_those_of_the_mesh() {
        let (ours, mesh) = (Reconnect::default().redial(), Redial::default());
        assert_eq!(format!("{ours:?}"), format!("{mesh:?}"));
    }
}
