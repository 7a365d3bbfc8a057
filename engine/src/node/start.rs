//! Starting a node: checks, listeners, mailboxes, shards, the control thread; and the life of each shard.

use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::{mpsc, Arc, Mutex};

use arc_swap::ArcSwap;
use flatend_codec::{Millis, RELAY_SERVICE};

use super::builder::{NodeBuilder, ShardTask};
use super::check;
use super::events::NodeEvent;
use super::handlers::Service;
use super::node_limits::NodeLimits;
use super::running::Node;
use super::{Credentials, Identity};
use crate::client::Doors;
use crate::control::Registry;
use crate::error::StartError;
use crate::host_port::pinned;
use crate::limits::{HANDLE_MESSAGES_MAX, SHARDS_MAX};
use crate::mesh::core::{Config, Redial};
use crate::mesh::{self, Bootstrap, Steer};
use crate::rt::{self, Address, Congestion, Inbox, ListenOptions, Listener};
use crate::shard::{serve_inbox, Message, Offered, Shard, Shared, Stage, Stages};
use crate::trust::Known;

/// What a shard is started with.
struct Seed {
    index: usize,
    shared: Arc<Shared>,
    services: Arc<[Service]>,
    inbox: Inbox<Message>,
    /// Messages of threads that are no shard.
    door: Inbox<Message>,
    mailboxes: Vec<Address<Message>>,
    listeners: Vec<OwnedFd>,
    tasks: Vec<ShardTask>,
}

pub(super) fn start(builder: NodeBuilder) -> Result<Node, StartError> {
    let found = check::findings(&builder);
    if !found.is_empty() {
        return Err(StartError::Setting(found.join("\n")));
    }
    let cpus = rt::allowed_cpus();
    let count = builder.shards.unwrap_or(cpus.len().min(SHARDS_MAX));
    rt::preflight(count).map_err(StartError::Preflight)?;

    let congestion = builder.congestion.as_deref().map(|name| {
        Congestion::named(name)
            .map_err(|error| StartError::Setting(format!("congestion(\"{name}\"), {error}")))
    });
    let congestion = congestion.transpose()?;
    let (key, made) = builder.signing_key()?;
    let (addrs, listeners) = listen(&builder.bind, count, congestion.as_ref())?;
    let public_key = key.as_ref().map(|key| key.verifying_key().to_bytes());
    let credentials = Credentials::new(key.as_ref()).map_err(StartError::Setting)?;
    // Without an address there is no ID to show: the key is proved on flatend/2 alone.
    let shown = key.filter(|_| !addrs.is_empty() || builder.public_addr.is_some());
    let identity = shown.map(|key| Identity {
        key,
        public_addr: builder.public_addr,
        listen_port: addrs
            .first()
            .or(builder.public_addr.as_ref())
            .map_or(0, SocketAddr::port),
    });
    let known = match builder.known_keys_file {
        None => Known::default(),
        Some(path) => Known::load(path.clone()).map_err(|error| {
            let error = rt::io_words(&error);
            StartError::Setting(format!(
                "the file '{}' of known keys cannot be used: {error}",
                path.display()
            ))
        })?,
    };
    let known = Arc::new(known);
    let bootstrap: Vec<Bootstrap> = builder
        .bootstrap
        .iter()
        .filter_map(|target| pinned(target).ok())
        .map(|(to, key)| Bootstrap::new(to, key))
        .collect();
    let mut services = builder.services;
    services.sort_by(|a, b| a.name.cmp(&b.name));
    let services: Arc<[Service]> = services.into();
    let mark = builder.relays.then(|| RELAY_SERVICE.to_owned());
    let service_names: Vec<String> = services
        .iter()
        .map(|service| service.name.to_string())
        .chain(mark)
        .collect();
    check::handshake_fits(&service_names, identity.as_ref()).map_err(StartError::Setting)?;
    let registry = Registry::new();
    let shared = Arc::new(Shared {
        registry: registry.clone(),
        identity,
        credentials,
        offered: ArcSwap::from_pointee(Offered {
            epoch: 1,
            names: service_names,
        }),
        events: builder.events,
        limits: NodeLimits {
            receive_bytes: Some(builder.limits.receive_bytes_of(count)),
            ..builder.limits
        },
        congestion,
        relays: builder.relays,
        stages: Stages::new(count),
        flatend2: builder.flatend2,
        http_hint_at: AtomicU64::new(0),
        network_key: builder.network_key,
        trust: ArcSwap::from_pointee(builder.trust),
        known: known.clone(),
        shards: count,
    });
    if let Some(path) = made {
        (shared.events)(NodeEvent::KeyMade { path });
    }

    let mailboxes = rt::mailboxes(count)
        .map_err(|err| StartError::Shard(format!("cannot make the shards' mailboxes: {err}")))?;
    let (inboxes, mailboxes): (Vec<_>, Vec<_>) = mailboxes.into_iter().unzip();
    let doors = rt::mailboxes_of(count, HANDLE_MESSAGES_MAX)
        .map_err(|err| StartError::Shard(format!("cannot make the shards' doors: {err}")))?;
    let (inner_doors, doors): (Vec<_>, Vec<_>) = doors.into_iter().unzip();
    let doors = Doors::new(registry.clone(), doors);
    let steer = Steer::new(
        Millis(registry.age_ms()),
        mesh_config(&shared, &addrs, bootstrap.len(), builder.reconnect.redial())?,
        bootstrap,
        known,
        mailboxes.clone(),
        shared.events.clone(),
    );
    // From here on whatever fails drops the node, which ends what has begun. Nobody has a link yet, so the shards end at once, and
    // with them the listeners: the next start may have the addresses.
    let mut node = Node {
        addrs,
        public_key,
        shared,
        changing: Mutex::default(),
        registry,
        mailboxes,
        shards: Vec::with_capacity(count),
        control: None,
        doors,
    };
    let (ready, started) = mpsc::channel();
    let inboxes = inboxes.into_iter().zip(inner_doors);
    for (index, ((inbox, door), listeners)) in inboxes.zip(listeners).enumerate() {
        let seed = Seed {
            index,
            shared: node.shared.clone(),
            services: services.clone(),
            inbox,
            door,
            mailboxes: node.mailboxes.clone(),
            listeners,
            tasks: builder.shard_tasks.clone(),
        };
        let cpu = (builder.pin && count <= cpus.len()).then(|| cpus[index % cpus.len()]);
        let ready = ready.clone();
        let events = node.shared.events.clone();
        let (own_doors, own_mailbox) = (node.doors.clone(), node.mailboxes[index].clone());
        let ended = move |result: &Result<(), String>| {
            // Whatever its tasks become: nobody waits for a shard that is no more.
            own_doors.end(index);
            own_mailbox.close();
            if let Err(why) = result {
                events(NodeEvent::ShardDied {
                    shard: index,
                    why: why.clone(),
                });
            }
        };
        let name = format!("shard-{index}");
        let shard = rt::start_shard(cpu, &name, ended, move || live(seed, ready))
            .map_err(StartError::Shard)?;
        node.shards.push(shard);
    }
    drop(ready);
    for _ in 0..count {
        match started.recv() {
            Ok(result) => result.map_err(StartError::Shard)?,
            // A shard has ended and said nothing: its thread knows why.
            Err(_) => {
                let why = node.end().err();
                let why = why.unwrap_or_else(|| "a shard ended before it had started".to_owned());
                return Err(StartError::Shard(why));
            }
        }
    }
    node.control = Some(spawn_control(
        &node.registry,
        node.mailboxes.clone(),
        steer,
    )?);
    for addr in &node.addrs {
        (node.shared.events)(NodeEvent::Listening(*addr));
    }
    let open = node.shared.network_key.is_none() && !node.shared.trust.load().has_lists();
    let reached = node.addrs.iter().find(|addr| !addr.ip().is_loopback());
    if let (true, Some(addr)) = (open, reached) {
        (node.shared.events)(NodeEvent::OpenMesh(*addr));
    }
    node.post_all(|| Message::Start);
    Ok(node)
}

fn listen(
    bind: &[String],
    shards: usize,
    congestion: Option<&Congestion>,
) -> Result<(Vec<SocketAddr>, Vec<Vec<OwnedFd>>), StartError> {
    let mut addrs = Vec::new();
    let mut per_shard: Vec<Vec<OwnedFd>> = (0..shards).map(|_| Vec::new()).collect();
    for addr in bind {
        let failed = |source| StartError::Listen {
            addr: addr.clone(),
            source,
        };
        let resolved = addr
            .to_socket_addrs()
            .map_err(failed)?
            .next()
            .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let options = ListenOptions {
            only_v6: false,
            congestion: congestion.cloned(),
        };
        let (bound, group) = Listener::bind_group(resolved, shards, &options).map_err(failed)?;
        addrs.push(bound);
        for (listeners, fd) in per_shard.iter_mut().zip(group) {
            listeners.push(fd);
        }
    }
    Ok((addrs, per_shard))
}

/// What the mesh core has to know of this node.
fn mesh_config(
    shared: &Shared,
    addrs: &[SocketAddr],
    bootstrap: usize,
    redial: Redial,
) -> Result<Config, StartError> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed)
        .map_err(|err| StartError::Setting(format!("no randomness for the mesh: {err}")))?;
    let public_addr = shared.identity.as_ref().and_then(|own| own.public_addr);
    Ok(Config {
        own: shared.identity.as_ref().map(Identity::public_key),
        proved: shared.credentials.public_key(),
        instance: shared.credentials.instance,
        shards: shared.shards,
        own_addrs: addrs.iter().copied().chain(public_addr).collect(),
        bootstrap,
        redial,
        seed: u64::from_ne_bytes(seed),
    })
}

fn spawn_control(
    registry: &Arc<Registry>,
    mailboxes: Vec<Address<Message>>,
    mut steer: Steer,
) -> Result<std::thread::JoinHandle<()>, StartError> {
    let registry = registry.clone();
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            let published = || {
                registry.watchers.published();
                for mailbox in &mailboxes {
                    // A full mailbox means a busy shard, which reads the generation by itself, and wakes those who wait
                    // for it with the next message.
                    mailbox.post(Message::Republished).ok();
                }
            };
            registry.run(published, |now, news| {
                steer.turn(now, news);
                steer.next_deadline()
            });
        })
        .map_err(|err| StartError::Shard(format!("cannot start the control thread: {err}")))
}

/// The life of a shard: start, wait for the others, run, drain, end. What others see of it, links and tasks, begins when every shard is
/// ready: a node that does not start leaves nothing behind.
async fn live(seed: Seed, ready: mpsc::Sender<Result<(), String>>) {
    let outboxes = seed.mailboxes.iter().map(Address::outbox).collect();
    let shard = Shard::new(seed.index, seed.shared, outboxes);
    let events = shard.shared.events.clone();
    rt::on_panic(move |text| events(NodeEvent::Trouble(format!("a task panicked: {text}"))));
    serve_inbox(&shard, seed.inbox);
    for service in seed.services.iter() {
        if let Err(what) = shard.handlers.add(&shard, service) {
            ready.send(Err(what)).ok();
            return;
        }
    }
    let listeners: Result<Vec<Listener>, _> =
        seed.listeners.into_iter().map(Listener::adopt).collect();
    let listeners = match listeners {
        Ok(listeners) => listeners,
        Err(err) => {
            let what = format!("shard {} cannot watch its listener: {err}", seed.index);
            ready.send(Err(what)).ok();
            return;
        }
    };
    ready.send(Ok(())).ok();
    drop(ready);
    let started = async {
        shard.started().wait().await;
        true
    };
    let drained = async {
        shard.draining().wait().await;
        false
    };
    if futures_lite::future::or(started, drained).await {
        run(&shard, listeners, &seed.tasks, seed.door).await;
    }
    // What services keep for this shard may hold the shard itself.
    shard.handlers.clear();
    shard.end_submits();
}

/// The life of a shard from when all of them are ready to the end of its links.
async fn run(
    shard: &Rc<Shard>,
    listeners: Vec<Listener>,
    tasks: &[ShardTask],
    door: Inbox<Message>,
) {
    serve_inbox(shard, door);
    for listener in listeners {
        mesh::serve_listener(shard, listener);
    }
    let running = Rc::new(std::cell::Cell::new(tasks.len()));
    let ended = Rc::new(rt::WaitQueue::default());
    for task in tasks {
        let (work, running, ended) = (task(shard.clone()), running.clone(), ended.clone());
        rt::spawn(async move {
            // Counted down even if the task panics.
            let _guard = CountDown { running, ended };
            rt::hear(work).await;
        });
    }
    shard.draining().wait().await;
    shard.say_goodbye();
    ended.until(|| (running.get() == 0).then_some(())).await;
    // A shard that has died never comes to rest: that must not hold the others up for ever.
    let drain_ms = shard.shared.limits.drain_ms();
    rt::timeout(drain_ms, shard.over_everywhere(Stage::Tasks))
        .await
        .ok();
    rt::timeout(drain_ms, shard.finish_streams()).await.ok();
    shard.close_links();
    rt::timeout(crate::limits::FIN_WAIT_MS * 2, shard.links_closed())
        .await
        .ok();
}

struct CountDown {
    running: Rc<std::cell::Cell<usize>>,
    ended: Rc<rt::WaitQueue>,
}

impl Drop for CountDown {
    fn drop(&mut self) {
        self.running.set(self.running.get() - 1);
        self.ended.wake_all();
    }
}
