//! Each example as the program that it is: started, called over the mesh, ended with SIGTERM, which must drain it well.

mod program;
mod store;
mod streams;

use program::{text, Gateway};

#[test]
fn hello_world_greets() {
    let gateway = Gateway::start();
    let _program = gateway.run(env!("CARGO_BIN_EXE_hello_world"), &[]);
    assert_eq!(
        text(gateway.ask("hello_world")),
        (200, "Hello world!\n".to_owned())
    );
}

#[test]
fn counter_counts_for_all_shards_together() {
    let gateway = Gateway::start();
    let _program = gateway.run(env!("CARGO_BIN_EXE_counter"), &[]);
    for count in 1..=3 {
        let expected = format!("{{\"count\":{count}}}");
        assert_eq!(text(gateway.ask("counter")), (200, expected));
    }
}

#[test]
fn clock_is_asked_by_the_node_that_greets() {
    let gateway = Gateway::start();
    let clock = env!("CARGO_BIN_EXE_clock");
    let _greeting = gateway.run_with(clock, &["greeting"], &[]);
    // Nobody offers the time yet.
    let alone = text(gateway.ask("greeting"));
    assert_eq!(
        (alone.0, alone.1.contains("no connected node offers")),
        (503, true)
    );
    let _time = gateway.run_with(clock, &["time"], &[]);
    let greeting = gateway.until("a greeting with the time", "greeting", |answer| {
        (answer.0 == 200).then(|| answer.1.clone())
    });
    let seconds = greeting
        .strip_prefix("Hello! ")
        .and_then(|rest| rest.split(' ').next());
    let seconds: u64 = seconds
        .and_then(|text| text.parse().ok())
        .expect("a number");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    assert!(now.expect("after 1970").as_secs() - seconds < 60);
}

#[test]
fn broadcast_hears_every_other_node() {
    let gateway = Gateway::start();
    let broadcast = env!("CARGO_BIN_EXE_broadcast");
    let programs = ["Ada", "Ben", "Cem"].map(|name| gateway.run_with(broadcast, &[name], &[]));
    let others = gateway.until("two answers", "roll_call", |(_, lines)| {
        (lines.lines().count() == 2).then(|| lines.clone())
    });
    assert!(
        others.lines().all(|line| line.ends_with(" is here")),
        "{others}"
    );
    drop(programs);
}
