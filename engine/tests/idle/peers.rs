//! The peers, in a process of their own: this binary, told so by the environment. They dial the node, or listen, each at an address
//! of its own, and name each other to whoever asks, sixteen at a time.

use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, Command, Stdio};

use flatend_codec::Role;
use rustix::event::epoll;

use super::peer::{Identity, Peer};

/// How many peers there are, and where they dial: they listen if that is not said. Set for the child alone.
const COUNT: &str = "FLATEND_IDLE_PEERS";
const DIAL: &str = "FLATEND_IDLE_DIAL";
const LEGACY: &str = "FLATEND_IDLE_LEGACY";

/// What one answer names.
const NAMED: usize = 16;

/// The child.
#[test]
fn peers() {
    let Ok(count) = std::env::var(COUNT) else {
        return;
    };
    flatend::rt::raise_file_limit();
    // The parent has ended, or has seen enough.
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
    let count = count.parse().expect("a number");
    let mut crowd = Crowd::new(std::env::var(LEGACY).is_ok());
    match std::env::var(DIAL) {
        Ok(to) => crowd.dial(to.parse().expect("an address"), count),
        Err(_) => crowd.listen(count),
    }
    println!("all are up");
    loop {
        crowd.turn();
    }
}

struct Crowd {
    legacy: bool,
    epoll: rustix::fd::OwnedFd,
    identities: Vec<Identity>,
    /// By the place of their identity; those that nobody has dialed yet listen.
    peers: Vec<Option<Peer>>,
    listeners: Vec<Option<TcpListener>>,
}

impl Crowd {
    fn new(legacy: bool) -> Crowd {
        Crowd {
            legacy,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).expect("a descriptor"),
            identities: Vec::new(),
            peers: Vec::new(),
            listeners: Vec::new(),
        }
    }

    fn watch(&self, fd: impl AsFd, at: usize) {
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(&self.epoll, fd, data, epoll::EventFlags::IN).expect("room for it");
    }

    /// One after the other: few may be without a handshake.
    fn dial(&mut self, to: SocketAddr, count: usize) {
        for at in 0..count {
            let who = Identity::new(None);
            let stream = TcpStream::connect(to).expect("the node listens");
            let peer = Peer::new(stream, Role::Dialer, &who, self.legacy);
            self.watch(peer.stream(), at);
            self.identities.push(who);
            self.peers.push(Some(peer));
            self.listeners.push(None);
            while !self.peers[at].as_ref().is_some_and(Peer::is_up) {
                self.turn();
            }
        }
    }

    /// The node dials the first one, and is told of the others.
    fn listen(&mut self, count: usize) {
        for at in 0..count {
            let host = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 1, 1)) + at as u32);
            let listener = TcpListener::bind((host, 0)).expect("a port");
            let addr = listener.local_addr().expect("an address");
            if at == 0 {
                println!("the first is at {addr}");
            }
            self.watch(&listener, at);
            self.identities.push(Identity::new(Some(addr)));
            self.peers.push(None);
            self.listeners.push(Some(listener));
        }
        let is_up = |peer: &Option<Peer>| peer.as_ref().is_some_and(Peer::is_up);
        while !self.peers.iter().all(is_up) {
            self.turn();
        }
    }

    /// Waits for something, and answers it.
    fn turn(&mut self) {
        let mut events = Vec::with_capacity(256);
        let ready = epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            None,
        );
        ready.expect("the set");
        for event in events {
            let at = event.data.u64() as usize;
            if let Some(listener) = self.listeners[at].take() {
                let (stream, _) = listener.accept().expect("somebody dials");
                let who = &self.identities[at];
                let peer = Peer::new(stream, Role::Acceptor, who, self.legacy);
                self.watch(peer.stream(), at);
                self.peers[at] = Some(peer);
            } else if let Some(peer) = &mut self.peers[at] {
                // One of each sixteen names the next.
                let named = if at % NAMED == 0 { NAMED } else { 0 };
                let others = self.identities.iter().skip(at + 1).take(named);
                peer.turn(others);
            }
        }
    }
}

/// The child as its parent sees it.
pub(crate) struct Peers {
    child: Child,
    say: ChildStdin,
    hear: BufReader<std::process::ChildStdout>,
}

impl Peers {
    fn start(count: usize, dial: Option<SocketAddr>, legacy: bool) -> Peers {
        let this = std::env::current_exe().expect("this binary");
        let mut command = Command::new(this);
        command.args(["--exact", "peers::peers", "--nocapture"]);
        command.env(COUNT, count.to_string());
        if let Some(to) = dial {
            command.env(DIAL, to.to_string());
        }
        if legacy {
            command.env(LEGACY, "1");
        }
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("a second process");
        Peers {
            say: child.stdin.take().expect("a pipe"),
            hear: BufReader::new(child.stdout.take().expect("a pipe")),
            child,
        }
    }

    /// Peers that dial `to`.
    pub(crate) fn dialing(count: usize, to: SocketAddr, legacy: bool) -> Peers {
        Peers::start(count, Some(to), legacy)
    }

    /// Peers that listen; where the first one does.
    pub(crate) fn listening(count: usize, legacy: bool) -> (Peers, SocketAddr) {
        let mut peers = Peers::start(count, None, legacy);
        let line = peers.wait_for("the first is at ");
        let addr = line.trim().parse().expect("an address");
        (peers, addr)
    }

    /// What follows `words` in a line.
    fn wait_for(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            let bytes = self.hear.read_line(&mut line).expect("text");
            assert!(bytes > 0, "the peers have ended");
            if let Some(at) = line.find(words) {
                return line.split_off(at + words.len());
            }
        }
    }

    pub(crate) fn wait_up(&mut self) {
        self.wait_for("all are up");
    }

    pub(crate) fn end(mut self) {
        drop(self.say);
        assert!(self.child.wait().expect("the peers").success());
    }
}
