//! The command line as its users write it.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let cli = Cli::try_parse_from(["loadtest", "compare"]).unwrap();
    let Command::Compare(options) = cli.command else {
        panic!("compare was asked for")
    };
    assert_eq!((options.rounds, options.seconds), (5, 3));
    assert_eq!(options.connections, [64]);
    assert!(options.workloads.is_empty());
    assert!(
        Cli::try_parse_from(["loadtest", "compare", "hello", "--connections", "1,64"]).is_ok()
            && Cli::try_parse_from(["loadtest", "compare", "--connections", "0"]).is_err()
            && Cli::try_parse_from(["loadtest", "compare", "helo"]).is_err()
    );
}

#[test]
fn flags_make_a_plan() {
    let parse = |words: &str| Cli::try_parse_from(words.split(' '));
    let cli = parse(
        "loadtest run --url http://127.0.0.1:1 --path /x --rate 10 --connections 3 --watch a=7",
    )
    .unwrap();
    let Command::Run(options) = cli.command else {
        panic!("run was asked for")
    };
    assert_eq!(
        options.watch,
        [Watched {
            name: "a".to_owned(),
            pid: 7
        }]
    );
    let plan = options.flags.plan();
    assert_eq!(
        (plan.groups[0].rate, plan.groups[0].connections),
        (Some(10.0), 3)
    );
    assert!(plan::job(&plan, options.url.as_deref()).is_ok());
    for wrong in [
        "loadtest run",
        "loadtest run p.toml --path /",
        "loadtest run p.toml --rate 1",
        "loadtest run --path / --rate 1 --requests 1",
        "loadtest run --path / --watch 7",
        "loadtest run --path / --expect-status 99",
        "loadtest run --path / --expect-status 600",
        "loadtest run --path / --rounds 1001",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn mesh_and_soak_refuse_what_makes_no_sense() {
    let parse = |words: &str| Cli::try_parse_from(words.split(' '));
    for good in [
        "loadtest mesh",
        "loadtest mesh call both --rate 0.5 --dialects legacy --call-bytes 0",
        "loadtest soak --duration 1m --restart-every 0s --event-streams 0",
    ] {
        assert!(parse(good).is_ok(), "{good}");
    }
    for wrong in [
        "loadtest mesh calls",
        "loadtest mesh --dialects flatend3",
        "loadtest mesh --tasks 0",
        "loadtest mesh --rate 0",
        "loadtest mesh --rate inf",
        "loadtest mesh --duration 0s",
        "loadtest mesh --call-bytes 4194305",
        "loadtest soak --duration 0s",
        "loadtest soak --event-streams 10001",
    ] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
