//! Every body of the benches runs, once and in a batch that is not whole; each panics if it did not do its work.

use std::collections::HashSet;
use std::time::Duration;

use flatend_benches::{calls, codec_cases, flatend2, head, mailbox, request, router, Case};

fn run(cases: Vec<Box<dyn Case>>, at_least: usize) {
    let names = names_of(cases, at_least);
    let floors = names.iter().filter(|name| name.contains("/floor: "));
    assert!(floors.count() * 2 >= names.len(), "each has its floor");
}

fn names_of(cases: Vec<Box<dyn Case>>, at_least: usize) -> HashSet<String> {
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let mut names = HashSet::new();
    for mut case in cases {
        assert!(names.insert(case.name()), "{} is there twice", case.name());
        for iterations in [1, 35] {
            let time = case.time(iterations);
            assert!(time > Duration::ZERO, "{} took no time", case.name());
        }
    }
    names
}

#[test]
fn calls() {
    names_of(calls::cases(), 3);
}

#[test]
fn codec() {
    run(codec_cases(), 36);
}

#[test]
fn frames_and_windows() {
    run(flatend2::cases(), 30);
}

#[test]
fn heads() {
    run(head::cases(), 4);
}

#[test]
fn messages_between_shards() {
    run(mailbox::cases(), 4);
}

#[test]
fn whole_requests() {
    run(request::cases(), 12);
}

#[test]
fn routes() {
    run(router::cases(), 8);
}
