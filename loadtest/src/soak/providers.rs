//! Two providers of the services behind the gateway, of which one after the other is ended and started anew.
//!
//! Ended means: its standard input ends, it says goodbye, finishes what runs and goes; or with `kill`, every second time, that it is
//! killed. Owns their processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use crate::limits::SERVICE_END_MS;
use crate::process::{self, Running};

/// How often providers ended.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Restarts {
    pub(super) drained: u64,
    pub(super) killed: u64,
}

/// The providers.
pub(super) struct Providers {
    mesh: SocketAddr,
    core: usize,
    dir: PathBuf,
    running: [Option<Running>; 2],
    started: u64,
}

impl Providers {
    /// Starts both; they dial `mesh`.
    ///
    /// # Errors
    /// One cannot be started.
    pub(super) fn start(mesh: SocketAddr, core: usize, dir: PathBuf) -> Result<Providers, String> {
        let mut providers = Providers {
            mesh,
            core,
            dir,
            running: [None, None],
            started: 0,
        };
        for at in 0..providers.running.len() {
            providers.begin(at)?;
        }
        Ok(providers)
    }

    fn begin(&mut self, at: usize) -> Result<(), String> {
        self.started += 1;
        // A log each, so that what an ended one said stays.
        let name = format!("services-{}", self.started);
        let words = ["serve-node", "--node", &self.mesh.to_string()];
        let running = process::start_this(&words, &name, &[self.core], &self.dir)?;
        if let Some(place) = self.running.get_mut(at) {
            *place = Some(running);
        }
        Ok(())
    }

    /// Restarts one each `every` until `stop` is told, or its other end has gone.
    pub(super) fn restart(
        mut self,
        every: Duration,
        kill: bool,
        stop: Receiver<()>,
    ) -> JoinHandle<Result<Restarts, String>> {
        thread::spawn(move || {
            let mut restarts = Restarts::default();
            for turn in 0usize.. {
                if stop.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    break;
                }
                let at = turn % self.running.len();
                let ended = self.running.get_mut(at).and_then(Option::take);
                // Both providers meet both ends.
                match ended {
                    Some(ended) if kill && turn / 2 % 2 == 1 => {
                        ended.kill();
                        restarts.killed += 1;
                    }
                    Some(ended) => {
                        ended.finish(Duration::from_millis(SERVICE_END_MS))?;
                        restarts.drained += 1;
                    }
                    None => {}
                }
                self.begin(at)?;
            }
            Ok(restarts)
        })
    }
}
