//! A node that the examples dial, and their processes.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flatend::{HandleResponse, Node, Request};
use futures_lite::future::block_on;
use rustix::process::{kill_process, Pid, Signal};

/// Long enough for a loaded machine; nothing that works takes it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What no answer in these tests exceeds.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The node in the place of a gateway.
pub(crate) struct Gateway {
    pub(crate) node: Node,
}

/// A running example. Dropped, it is told to end, and must end well.
pub(crate) struct Program {
    child: Child,
    name: String,
}

impl Gateway {
    pub(crate) fn start() -> Gateway {
        let node = Node::builder().bind("127.0.0.1:0").shards(1).pin(false);
        let node = node.on_event(|_| {}).start().expect("it starts");
        Gateway { node }
    }

    /// Starts a program and waits until its services can be called: `program GATEWAY after…`.
    pub(crate) fn run(&self, program: &str, after: &[&str]) -> Program {
        self.run_with(program, &[], after)
    }

    /// As [`Gateway::run`]: `program before… GATEWAY after…`.
    pub(crate) fn run_with(&self, program: &str, before: &[&str], after: &[&str]) -> Program {
        let mut watch = self.node.watch();
        let links = watch.state().links().len();
        let child = Command::new(program)
            .args(before)
            .arg(self.node.addrs()[0].to_string())
            .args(after)
            // Its log is not this test's.
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let program = Program {
            child,
            name: program.to_owned(),
        };
        let joined = watch.wait_until(DEADLINE, |state| {
            let ready = state.links().filter(|link| link.ready);
            ready.count() > links
        });
        joined.expect("it joins");
        program
    }

    pub(crate) fn ask(&self, service: &str) -> HandleResponse {
        self.send(Request::to(service))
    }

    pub(crate) fn send(&self, request: Request) -> HandleResponse {
        let call = self.node.handle().call(request.timeout(DEADLINE));
        block_on(call).expect("a response")
    }

    /// Asks until the answer is the one that is waited for.
    pub(crate) fn until<T>(
        &self,
        what: &str,
        service: &str,
        wanted: impl Fn(&(u16, String)) -> Option<T>,
    ) -> T {
        let begun = Instant::now();
        loop {
            let answer = text(self.ask(service));
            if let Some(found) = wanted(&answer) {
                return found;
            }
            assert!(
                begun.elapsed() < DEADLINE,
                "in vain: {what}; now {answer:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Status and text of a response.
pub(crate) fn text(mut response: HandleResponse) -> (u16, String) {
    let body = block_on(response.read_all(ANSWER_BYTES_MAX)).expect("a whole body");
    let text = String::from_utf8(body.to_vec()).expect("text");
    (response.status(), text)
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that has ended already is seen below.
        kill_process(Pid::from_child(&self.child), Signal::TERM).ok();
        let ended = self.child.wait().expect("it ends");
        if !std::thread::panicking() {
            assert!(ended.success(), "{} ended with {ended}", self.name);
        }
    }
}
