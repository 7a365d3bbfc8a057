//! Where requests go by load and latency.

use crate::model::{Answer, Model, MS, SECOND};

use Answer::Good;

fn share(counts: &[usize], i: usize) -> f64 {
    counts[i] as f64 / counts.iter().sum::<usize>() as f64
}

#[test]
fn equal_providers_get_equal_shares() {
    for us in [0, 30, 200, 20 * MS] {
        let mut model = Model::new(&[Good(us); 4]);
        model.run(10 * SECOND, MS);
        let counts = model.asked_since(0);
        for i in 0..4 {
            assert!((share(&counts, i) - 0.25).abs() < 0.03, "{us}: {counts:?}");
        }
    }
}

#[test]
fn a_slow_provider_of_three_gets_few_requests() {
    // Sub-millisecond differences count as well as large ones.
    for (fast, slow) in [(200, 2_000), (MS, 100 * MS)] {
        let mut model = Model::new(&[Good(fast), Good(fast), Good(slow)]);
        model.run(20 * SECOND, MS);
        let counts = model.asked_since(0);
        assert!(share(&counts, 2) < 0.02, "{counts:?}");
        assert!((share(&counts, 0) - 0.5).abs() < 0.03, "{counts:?}");
    }
}

#[test]
fn under_load_a_slow_provider_gets_what_its_speed_is_worth() {
    // 4 requests a millisecond: the fast ones have several outstanding at any time.
    let mut model = Model::new(&[Good(2 * MS), Good(2 * MS), Good(6 * MS)]);
    model.run(20 * SECOND, 250);
    let counts = model.asked_since(110 * SECOND);
    let slow = share(&counts, 2);
    assert!((0.02..0.2).contains(&slow), "{counts:?}");
}

#[test]
fn a_burst_of_slow_answers_is_forgotten_after_idle_time() {
    let mut model = Model::new(&[Good(MS); 2]);
    model.run(5 * SECOND, MS);
    model.providers[1].answer = Good(300 * MS);
    model.run(5 * SECOND, MS);
    model.providers[1].answer = Good(MS);
    let right_after = model.now_us;
    model.run(SECOND, MS);
    let counts = model.asked_since(right_after);
    assert!(share(&counts, 1) < 0.05, "it is remembered: {counts:?}");
    model.pass(60 * SECOND);
    let later = model.now_us;
    model.run(5 * SECOND, MS);
    let counts = model.asked_since(later);
    assert!((share(&counts, 1) - 0.5).abs() < 0.1, "{counts:?}");
}

#[test]
fn a_provider_that_has_become_fast_is_found_out_although_others_are_faster_by_then() {
    let mut model = Model::new(&[Good(MS), Good(MS), Good(100 * MS)]);
    model.run(20 * SECOND, MS);
    model.providers[2].answer = Good(MS);
    model.run(60 * SECOND, MS);
    let since = model.now_us;
    model.run(10 * SECOND, MS);
    let counts = model.asked_since(since);
    assert!((share(&counts, 2) - 0.33).abs() < 0.05, "{counts:?}");
}

#[test]
fn a_newcomer_is_neither_flooded_nor_starved() {
    let mut model = Model::new(&[Good(MS); 2]);
    model.run(30 * SECOND, MS);
    model.join(Good(MS));
    let since = model.now_us;
    model.run(SECOND, MS);
    let counts = model.asked_since(since);
    assert!((share(&counts, 2) - 0.33).abs() < 0.08, "{counts:?}");
    // One that is slow from the beginning.
    model.join(Good(500 * MS));
    let since = model.now_us;
    model.run(5 * SECOND, MS);
    let counts = model.asked_since(since);
    assert!(counts[3] >= 3 && share(&counts, 3) < 0.02, "{counts:?}");
}

#[test]
fn a_cold_start_is_forgiven() {
    let mut model = Model::new(&[Good(MS); 2]);
    model.run(10 * SECOND, MS);
    model.join(Good(400 * MS));
    let since = model.now_us;
    while model.providers[2].asked_us.is_empty() {
        model.request();
        model.pass(MS);
    }
    // Its first answer alone is slow.
    model.providers[2].answer = Good(MS);
    model.run(3 * SECOND, MS);
    let counts = model.asked_since(since);
    assert!((share(&counts, 2) - 0.33).abs() < 0.08, "{counts:?}");
}

#[test]
fn a_provider_that_hangs_is_avoided_by_what_its_requests_waited() {
    // Clients give up after 2 s; nobody calls that a failure.
    let mut model = Model::new(&[Good(MS), Good(MS), Answer::Never(2 * SECOND)]);
    model.run(30 * SECOND, MS);
    let counts = model.asked_since(0);
    assert!(share(&counts, 2) < 0.01, "{counts:?}");
    assert!(model.providers[2].changes.is_empty());
}
