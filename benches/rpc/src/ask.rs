//! The client process: asks, and reads what it, the service and the broker used in the same window.
//!
//! The thread that reads the counters does nothing else, and only at both ends of the window.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use flatend_loadtest::cpu_time::CpuTime;
use flatend_loadtest::latency::Latency;
use flatend_loadtest::proc_stat::{MachineStat, Shares};
use serde::{Deserialize, Serialize};

use crate::cli::AskOptions;
use crate::load::{Window, Work};
use crate::systems::Setting;

/// What one run found.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) calls: u64,
    pub(crate) calls_per_s: f64,
    pub(crate) latency: Latency,
    pub(crate) client_cpu_s: f64,
    pub(crate) service_cpu_s: f64,
    /// Nothing where there is no broker.
    pub(crate) broker_cpu_s: Option<f64>,
    /// Shares of all cores: what was busy, what the hypervisor took.
    pub(crate) busy: f64,
    pub(crate) steal: f64,
    /// What neither client, service nor broker used.
    pub(crate) others: f64,
}

impl Figures {
    /// CPU time of all processes for one call, microseconds.
    pub(crate) fn cpu_us_a_call(&self) -> f64 {
        let all = self.client_cpu_s + self.service_cpu_s + self.broker_cpu_s.unwrap_or_default();
        self.a_call(all)
    }

    /// So many seconds, shared by all calls, in microseconds.
    pub(crate) fn a_call(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.calls as f64
    }
}

/// Asks as told.
///
/// # Errors
/// The service is not reached, a call failed, an answer was wrong, a process has ended.
pub(crate) fn run(options: &AskOptions) -> Result<Figures, String> {
    let (began, begins) = mpsc::channel();
    let asked = options.clone();
    let client = thread::spawn(move || {
        let process = &asked.process;
        let setting = Setting {
            addr: process.addr,
            threads: process.threads,
            dir: &process.dir,
        };
        process.system.ask(setting, move || {
            let length = |seconds| Duration::from_secs(seconds);
            let window = Window::after(length(asked.warm_up), length(asked.seconds));
            // Nobody listens any more only if the other thread has failed, which ends the process.
            began.send(window).ok();
            Work {
                in_flight: asked.load.in_flight,
                bytes: asked.load.bytes,
                window,
            }
        })
    });
    // Without a window the client has failed: its error says why.
    let used = begins
        .recv()
        .ok()
        .map(|window| Used::within(window, options));
    let latencies = client
        .join()
        .map_err(|_| "the client panicked".to_owned())??;
    let used = used.ok_or("the client asked nothing")??;
    let seconds = options.seconds as f64;
    let ours = used.client_s + used.service_s + used.broker_s.unwrap_or_default();
    let figures = Figures {
        calls: latencies.count(),
        calls_per_s: latencies.count() as f64 / seconds,
        latency: Latency::of(&latencies),
        client_cpu_s: used.client_s,
        service_cpu_s: used.service_s,
        broker_cpu_s: used.broker_s,
        busy: used.machine.busy,
        steal: used.machine.steal,
        others: (used.machine.busy - ours / used.machine.total_s.max(f64::MIN_POSITIVE)).max(0.0),
    };
    match figures.calls {
        0 => Err("no call was answered within the window: give it more seconds".to_owned()),
        _ => Ok(figures),
    }
}

struct Used {
    client_s: f64,
    service_s: f64,
    broker_s: Option<f64>,
    machine: Shares,
}

impl Used {
    fn within(window: Window, options: &AskOptions) -> Result<Used, String> {
        let read = || -> Result<_, String> {
            let of = |pid: u32| CpuTime::read(&[pid]);
            let own = of(std::process::id())?;
            let broker = options.broker.map(of).transpose()?;
            Ok((own, of(options.service)?, broker, MachineStat::read()?))
        };
        let wait = |until: Instant| thread::sleep(until.saturating_duration_since(Instant::now()));
        wait(window.from);
        let before = read()?;
        wait(window.until);
        let after = read()?;
        let broker = after.2.as_ref().zip(before.2.as_ref());
        Ok(Used {
            client_s: after.0.since(&before.0),
            service_s: after.1.since(&before.1),
            broker_s: broker.map(|(after, before)| after.since(before)),
            machine: after.3.since(before.3),
        })
    }
}
