//! Runs a workload of the bench `request` so many times, for programs that count what it does: `tools/callgrind`.

use std::process::ExitCode;

use flatend_benches::request::{floor_of, Way, WORKLOADS};
use flatend_benches::Case;

const USAGE: &str = "usage: stages WORKLOAD TURN flatend|floor REQUESTS\n\
    WORKLOAD is a number from 0, TURN how many requests are gathered.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Some(name) => {
            println!("{name}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// The name of what was run.
fn run(arguments: &[String]) -> Option<String> {
    let [workload, turn, how, requests] = arguments else {
        return None;
    };
    let workload = *WORKLOADS.get(workload.parse::<usize>().ok()?)?;
    let turn: usize = turn.parse().ok().filter(|turn| *turn > 0)?;
    let requests = requests.parse().ok().filter(|requests| *requests > 0)?;
    let mut case: Box<dyn Case> = match how.as_str() {
        "flatend" => Box::new(Way::new(workload, turn)),
        "floor" => Box::new(floor_of(workload, turn)),
        _ => return None,
    };
    case.time(requests);
    Some(case.name())
}
