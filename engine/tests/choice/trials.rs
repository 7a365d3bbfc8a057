//! Providers that fail: when they are set aside, for how long, and how they come back.

use flatend::routing::{Cause, Change, Failure, Pick};

use crate::model::{Answer, Model, Provider, MS, SECOND};

use Answer::{Bad, Good, Never};

const STATUS: Failure = Failure::Status(503);

/// The pauses so far, in seconds.
fn pauses(provider: &Provider) -> Vec<u64> {
    let pauses = provider
        .changes
        .iter()
        .filter_map(|(_, change)| match change {
            Change::Aside { pause_ms, .. } => Some(pause_ms / 1_000),
            Change::Back => None,
        });
    pauses.collect()
}

#[test]
fn after_exactly_five_failures_in_a_row_it_is_set_aside() {
    let mut model = Model::new(&[Good(MS), Bad(0)]);
    model.run(SECOND - MS, MS);
    assert_eq!(model.providers[1].asked_us.len(), 5);
    let (_, change) = model.providers[1].changes[0];
    let cause = Cause::InARow(5, STATUS);
    assert_eq!(
        change,
        Change::Aside {
            pause_ms: 1_000,
            cause
        }
    );
    // Four, then a good one, and again: never five in a row, and less than 20 results.
    let mut model = Model::new(&[Good(MS), Good(MS)]);
    for answer in [
        Bad(0),
        Bad(0),
        Bad(0),
        Bad(0),
        Good(0),
        Bad(0),
        Bad(0),
        Bad(0),
        Bad(0),
    ] {
        one_request(&mut model, 1, answer);
    }
    assert_eq!(model.providers[1].changes, []);
    one_request(&mut model, 1, Bad(0));
    assert_eq!(model.providers[1].changes.len(), 1);
}

/// Asks until provider `i` got one more request, which it answers so.
fn one_request(model: &mut Model, i: usize, answer: Answer) {
    model.providers[i].answer = answer;
    let before = model.providers[i].asked_us.len();
    while model.providers[i].asked_us.len() == before {
        model.request();
        model.pass(MS);
    }
}

#[test]
fn half_of_the_last_twenty_sets_it_aside_and_less_does_not() {
    let mut model = Model::new(&[Good(MS), Good(MS)]);
    // 9 of 20, spread so that no five are in a row.
    for i in 0..20 {
        let is_bad = i % 2 == 0 && i < 18;
        one_request(&mut model, 1, if is_bad { Bad(0) } else { Good(0) });
    }
    assert_eq!(model.providers[1].changes, []);
    // The oldest, a bad one, leaves the window as this one comes; the next takes the place of a good one.
    one_request(&mut model, 1, Bad(0));
    assert_eq!(model.providers[1].changes, []);
    one_request(&mut model, 1, Bad(0));
    let (_, change) = model.providers[1].changes[0];
    let cause = Cause::Share(10, STATUS);
    assert_eq!(
        change,
        Change::Aside {
            pause_ms: 1_000,
            cause
        }
    );
}

#[test]
fn ten_failures_of_fewer_than_twenty_results_are_not_yet_a_half() {
    let mut model = Model::new(&[Good(MS), Good(MS)]);
    for i in 0..19 {
        one_request(&mut model, 1, if i % 5 == 4 { Good(0) } else { Bad(0) });
    }
    assert_eq!(model.providers[1].changes, [], "16 of 19");
    one_request(&mut model, 1, Bad(0));
    assert_eq!(pauses(&model.providers[1]), [1]);
}

#[test]
fn one_trial_after_each_pause_and_the_pauses_double_up_to_thirty_seconds() {
    let mut model = Model::new(&[Good(MS), Good(MS), Bad(5 * MS)]);
    model.run(120 * SECOND, MS);
    let failing = &model.providers[2];
    assert_eq!(pauses(failing), [1, 2, 4, 8, 16, 30, 30, 30]);
    let after = failing.asked_us.iter().copied().skip_while(|at| {
        let (aside_us, _) = failing.changes[0];
        *at < aside_us
    });
    let trials: Vec<u64> = after.collect();
    for (at, (aside_us, change)) in trials.iter().zip(&failing.changes) {
        let Change::Aside { pause_ms, .. } = change else {
            unreachable!("it never comes back");
        };
        // The next request or two: one of those that are drawn is the due one.
        let late_us = at - aside_us - pause_ms * MS;
        assert!(late_us <= 20 * MS, "{late_us}");
    }
    assert_eq!(trials.len(), failing.changes.len() - 1, "single requests");
    let causes = failing.changes[1..].iter().all(|(_, change)| {
        matches!(
            change,
            Change::Aside {
                cause: Cause::Trial(STATUS),
                ..
            }
        )
    });
    assert!(causes, "{:?}", failing.changes);
}

#[test]
fn a_trial_that_succeeds_brings_it_back_and_a_stretch_of_health_the_first_pause() {
    let mut model = Model::new(&[Good(MS), Bad(MS)]);
    model.run(6 * SECOND, MS);
    assert_eq!(pauses(&model.providers[1]), [1, 2, 4]);
    model.providers[1].answer = Good(MS);
    model.run(10 * SECOND, MS);
    let (back_us, change) = model.providers[1].changes[3];
    assert_eq!(change, Change::Back);
    let counts = model.asked_since(back_us);
    assert!(
        counts[1] * 3 > counts[0],
        "it is asked like others: {counts:?}"
    );
    // Soon again: the pause is longer still. After a minute of health it is the first one.
    model.providers[1].answer = Bad(MS);
    model.run(SECOND, MS);
    assert_eq!(pauses(&model.providers[1]), [1, 2, 4, 8]);
    model.providers[1].answer = Good(MS);
    model.run(10 * SECOND, MS);
    model.run(61 * SECOND, 10 * MS);
    model.providers[1].answer = Bad(MS);
    model.run(SECOND / 2, MS);
    assert_eq!(pauses(&model.providers[1]), [1, 2, 4, 8, 1]);
}

#[test]
fn what_it_took_while_it_failed_does_not_keep_requests_away_from_one_that_is_back() {
    let mut model = Model::new(&[Good(MS), Good(MS)]);
    model.run(SECOND, MS);
    // Slow, then failing: both at its speed.
    model.providers[1].answer = Good(SECOND);
    model.run(3 * SECOND, MS);
    for _ in 0..5 {
        one_request(&mut model, 1, Bad(0));
    }
    model.providers[1].answer = Good(MS);
    model.run(2 * SECOND, MS);
    let (back_us, change) = model.providers[1].changes[1];
    assert_eq!(change, Change::Back);
    model.run(SECOND, MS);
    let counts = model.asked_since(back_us);
    assert!(counts[1] * 3 > counts[0], "{counts:?}");
}

#[test]
fn never_all_are_set_aside() {
    let mut model = Model::new(&[Bad(MS); 3]);
    model.run(20 * SECOND, 10 * MS);
    assert_eq!(model.full, 0);
    let counts = model.asked_since(102 * SECOND);
    assert!(counts.iter().all(|&n| n > 400), "all are used: {counts:?}");
    // One that works again is back with the first answer, for a pause tells nothing when all have one.
    model.providers[0].answer = Good(MS);
    let since = model.now_us;
    model.run(SECOND, 10 * MS);
    let counts = model.asked_since(since);
    assert!(counts[0] > 80, "{counts:?}");
}

#[test]
fn a_single_provider_is_asked_whatever_it_does() {
    let mut model = Model::new(&[Bad(MS)]);
    model.run(10 * SECOND, 10 * MS);
    assert_eq!(model.providers[0].asked_us.len(), 1_000);
    model.providers[0].answer = Good(MS);
    model.request();
    model.pass(10 * MS);
    assert!(matches!(
        model.providers[0].changes.last(),
        Some((_, Change::Back))
    ));
}

#[test]
fn a_trial_without_a_result_leaves_room_for_the_next_and_there_is_one_at_a_time() {
    let mut model = Model::new(&[Good(MS), Bad(0)]);
    model.run(SECOND - MS, MS);
    model.providers[1].answer = Never(500 * MS);
    let since = model.now_us;
    model.run(2 * SECOND, MS);
    let asked = &model.providers[1].asked_us;
    let trials: Vec<u64> = asked.iter().copied().filter(|&at| at > since).collect();
    assert!((3..=4).contains(&trials.len()), "{trials:?}");
    assert!(trials.windows(2).all(|pair| pair[1] - pair[0] >= 500 * MS));
    assert_eq!(
        pauses(&model.providers[1]),
        [1],
        "a client that goes is no failure"
    );
}

#[test]
fn what_began_before_says_nothing_about_it_since() {
    // Slow to fail: 40 are under way when the fifth result comes. And slow to succeed.
    for late in [Bad(50 * MS), Good(50 * MS)] {
        let mut model = Model::new(&[Good(100 * MS), late]);
        (0..80).for_each(|_| _ = model.request());
        for _ in 0..5 {
            one_request(&mut model, 1, Bad(0));
        }
        assert_eq!(pauses(&model.providers[1]), [1]);
        model.pass(500 * MS);
        assert_eq!(model.providers[1].changes.len(), 1, "{late:?}");
    }
}

#[test]
fn requests_that_cannot_be_repeated_wait_a_second_before_they_are_trials() {
    let mut model = Model::new(&[Good(MS), Bad(0)]);
    model.run(SECOND / 2, MS);
    let (aside_us, _) = model.providers[1].changes[0];
    model.repeatable = false;
    model.run(aside_us + 2 * SECOND - 10 * MS - model.now_us, MS);
    assert_eq!(model.providers[1].asked_us.len(), 5);
    model.run(20 * MS, MS);
    assert_eq!(model.providers[1].asked_us.len(), 6, "others will do then");
    let mut model = Model::new(&[Good(MS), Bad(0)]);
    model.run(SECOND / 2, MS);
    model.run(SECOND, MS);
    assert_eq!(
        model.providers[1].asked_us.len(),
        6,
        "a repeatable one at once"
    );
}

#[test]
fn a_full_provider_that_is_well_is_not_replaced_by_one_that_fails() {
    let mut model = Model::new(&[Good(MS), Bad(0)]);
    model.run(SECOND / 2, MS);
    model.max_in_flight = Some(1);
    assert_eq!(model.request(), Pick::One(0));
    assert_eq!(model.request(), Pick::Full);
    model.pass(2 * MS);
    assert_eq!(model.request(), Pick::One(0));
}

#[test]
fn one_that_comes_back_by_new_links_starts_clean_but_the_next_pause_is_longer() {
    let mut model = Model::new(&[Good(MS), Bad(0)]);
    model.run(SECOND / 2, MS);
    let now_us = model.now_us;
    let provider = &mut model.providers[1];
    assert_eq!(provider.repute.renew(now_us), Some(Change::Back));
    assert_eq!(provider.repute.renew(now_us), None);
    model.run(SECOND / 2, MS);
    assert_eq!(model.providers[1].asked_us.len(), 10, "five more chances");
    assert_eq!(pauses(&model.providers[1]), [1, 2]);
}
