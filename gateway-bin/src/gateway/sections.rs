//! The HTTP side of a configuration: listeners bound and tables built before any shard runs, then served on each of them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use flatend::rt::{ListenOptions, Listener};
use flatend::Shard;
use flatend_http::limits::Limits;
use flatend_http::server::{self, Timeouts};

use super::{Bridge, RouteTable, Upstreams};
use crate::access::{self, ShardLog};
use crate::config::{self, Config, Http, ListenAddr};
use crate::limits::DRAIN_BODY_BYTES_MAX;
use crate::{io_words, log};

/// The HTTP side: listeners bound, tables built, waiting for the shards.
pub struct Sections {
    /// What was bound.
    pub addrs: Vec<SocketAddr>,
    sections: Vec<Section>,
}

struct Section {
    table: Arc<RouteTable>,
    limits: Limits,
    timeouts: Timeouts,
    access: Option<Arc<access::Sink>>,
    /// One set of descriptors a shard; each shard takes its own.
    listeners: Mutex<Vec<Vec<OwnedFd>>>,
}

impl Sections {
    /// Binds every address, opens the logs, builds the tables.
    ///
    /// # Errors
    /// One sentence: what could not be had, and what to do.
    pub fn bind(
        config: &Config,
        upstreams: &mut Upstreams,
        shards: usize,
    ) -> Result<Sections, String> {
        let mut all = Sections {
            addrs: Vec::new(),
            sections: Vec::new(),
        };
        for http in &config.http {
            let table = RouteTable::new(http, upstreams)?;
            let access = match &http.access_log {
                Some(log) => Some(access::open(log).map_err(|error| {
                    format!(
                        "cannot open the access log {}: {}",
                        log.to,
                        io_words(&error)
                    )
                })?),
                None => None,
            };
            let mut per_shard: Vec<Vec<OwnedFd>> = (0..shards).map(|_| Vec::new()).collect();
            for addr in &http.addrs {
                if config::clashes(addr.socket, config.mesh.addr) {
                    return Err(format!(
                        "cannot listen for HTTP requests on '{addr}': the mesh listens on '{}'; give [[http]] or addr another port",
                        config.mesh.addr
                    ));
                }
                let options = ListenOptions {
                    only_v6: !addr.dual_stack,
                    congestion: http.congestion.clone(),
                };
                let (bound, group) = Listener::bind_group(addr.socket, shards, &options)
                    .map_err(|error| listen_sentence(addr, &error))?;
                all.addrs.push(bound);
                for (listeners, fd) in per_shard.iter_mut().zip(group) {
                    listeners.push(fd);
                }
            }
            all.sections.push(Section {
                table: Arc::new(table),
                limits: limits(http),
                timeouts: timeouts(http),
                access,
                listeners: Mutex::new(per_shard),
            });
        }
        Ok(all)
    }

    /// Serves every section on one shard until the node drains. `trouble` gets sentences for the log.
    pub async fn serve(&self, shard: std::rc::Rc<Shard>, trouble: fn(String)) {
        let mut serving = Vec::new();
        for (number, section) in self.sections.iter().enumerate() {
            let fds = {
                let mut listeners = section
                    .listeners
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                std::mem::take(&mut listeners[shard.index()])
            };
            let mut listeners = Vec::with_capacity(fds.len());
            for fd in fds {
                match Listener::adopt(fd) {
                    Ok(listener) => listeners.push(listener),
                    Err(error) => log!(
                        "Shard {} cannot watch an HTTP listener: {}.",
                        shard.index(),
                        io_words(&error)
                    ),
                }
            }
            let access = section.access.clone().map(ShardLog::new);
            let bridge = Bridge::new(shard.clone(), section.table.clone(), number, access.clone());
            let serve = server::serve(
                shard.clone(),
                listeners,
                bridge,
                section.limits,
                section.timeouts,
                trouble,
            );
            serving.push(async move {
                serve.await;
                if let Some(access) = access {
                    access.flush();
                }
            });
        }
        flatend::rt::join_all(serving).await;
    }
}

fn listen_sentence(addr: &ListenAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("cannot listen for HTTP requests on '{addr}': the address is in use by another process; stop it or choose another port"),
        io::ErrorKind::PermissionDenied => {
            format!("cannot listen for HTTP requests on '{addr}': ports below 1024 need the right to bind them (CAP_NET_BIND_SERVICE); choose another port or grant it")
        }
        _ => format!("cannot listen for HTTP requests on '{addr}': {}", io_words(error)),
    }
}

fn limits(http: &Http) -> Limits {
    let defaults = Limits::default();
    Limits {
        head_bytes_max: http.max.header_size,
        // One limit for the whole head: a target as long as it is a head too large.
        target_bytes_max: http.max.header_size,
        body_bytes_min: http.min.body_size.unwrap_or(0),
        body_bytes_max: http.max.body_size.unwrap_or(u64::MAX),
        drain_body_bytes_max: DRAIN_BODY_BYTES_MAX,
        ..defaults
    }
}

fn timeouts(http: &Http) -> Timeouts {
    let ms = |duration: std::time::Duration| duration.as_millis() as u64;
    Timeouts {
        read_ms: ms(http.timeout.read),
        body_rate_min: http.min.rate,
        read_header_ms: ms(http.timeout.read_header),
        idle_ms: ms(http.timeout.idle),
        write_ms: ms(http.timeout.write),
        shutdown_ms: ms(http.timeout.shutdown),
    }
}
