//! Processes that are started and ended for real.

use super::*;
use crate::proc_stat;

fn dir(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("loadtest-{name}-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn first_core() -> [usize; 1] {
    [flatend::rt::allowed_cpus()[0]]
}

#[test]
fn output_and_failure_are_told() {
    let dir = dir("output");
    let run = |name: &str, script: &str| {
        let mut shell = Command::new("sh");
        start(
            name,
            shell.args(["-c", script]),
            &first_core(),
            &dir,
            "install it",
        )
        .unwrap()
        .output(Duration::from_secs(10))
    };
    assert_eq!(run("good", "echo hello"), Ok("hello\n".to_owned()));
    let failure = run("bad", "echo why >&2; exit 3").unwrap_err();
    assert!(
        failure.contains("exit status: 3") && failure.contains("why"),
        "{failure}"
    );
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_missing_program_is_told_with_the_remedy() {
    let dir = dir("missing");
    let mut command = Command::new("no-such-program-at-all");
    let error = start("x", &mut command, &first_core(), &dir, "apt-get install it").unwrap_err();
    assert_eq!(
        error,
        "no-such-program-at-all is not there: apt-get install it"
    );
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn dropping_ends_children_of_the_child_too() {
    let dir = dir("drop");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", "sleep 1000 & echo $!; wait"]);
    let running = start("tree", shell, &first_core(), &dir, "install it").unwrap();
    let log = dir.join("tree.log");
    let printed = || -> Result<Option<u32>, String> {
        let text = fs::read_to_string(&log).unwrap();
        Ok(text.strip_suffix('\n').map(|pid| pid.parse().unwrap()))
    };
    let grandchild = stop::poll_until(Duration::from_secs(10), printed)
        .unwrap()
        .unwrap();
    assert!(proc_stat::memory_of(&[grandchild]).is_ok());
    drop(running);
    // Gone, or a zombie without memory until somebody waits for it.
    let gone = stop::poll_until(Duration::from_secs(10), || {
        Ok(proc_stat::memory_of(&[grandchild]).is_err().then_some(()))
    });
    assert_eq!(gone, Ok(Some(())));
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn who_is_told_to_finish_ends_by_itself_and_who_fails_is_told() {
    let dir = dir("finish");
    let run = |name: &str, script: &str| {
        let mut shell = Command::new("sh");
        let command = shell.args(["-c", script]);
        start(name, command, &first_core(), &dir, "install it").unwrap()
    };
    let timeout = Duration::from_secs(10);
    assert_eq!(run("good", "cat; exit 0").finish(timeout), Ok(()));
    let failed = run("bad", "cat; echo why; exit 3")
        .finish(timeout)
        .unwrap_err();
    assert!(
        failed.contains("exit status: 3") && failed.contains("why"),
        "{failed}"
    );
    let stays = run("stays", "exec sleep 1000").finish(Duration::from_millis(50));
    assert!(stays.unwrap_err().starts_with("stays did not end within "));
    let killed = run("killed", "exec sleep 1000");
    let pid = killed.pid();
    killed.kill();
    assert!(proc_stat::memory(pid).is_err());
    fs::remove_dir_all(dir).unwrap();
}
