//! Join tokens as users meet them: printed by `flatend invite`, taken by `flatend agent` and by the SDK.

mod support;

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use flatend::{JoinToken, Node};
use support::Scratch;

fn invited(scratch: &Scratch, args: &[&str]) -> JoinToken {
    let ran = scratch.flatend(&[&["invite"], args].concat());
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert!(ran.err.starts_with("Invited the key "), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    assert_eq!(ran.out.lines().count(), 1);
    ran.out.parse().expect("a token")
}

#[test]
fn a_token_pins_the_gateways_key_once_there_is_one() {
    let scratch = Scratch::new();
    let key = scratch
        .flatend(&["keygen", "own.key"])
        .out
        .trim()
        .to_owned();
    scratch.write("config.toml", "secret_key = \"own.key\"\n");
    let pinned = format!("127.0.0.1:9000#{key}");
    assert_eq!(invited(&scratch, &[]).addrs(), [pinned]);
    let given = invited(&scratch, &["--addr", "gateway.example:9000"]);
    assert_eq!(given.addrs(), [format!("gateway.example:9000#{key}")]);
}

#[test]
fn a_token_holds_the_network_key_and_who_joins_with_it_is_in() {
    let scratch = Scratch::new();
    assert_eq!(scratch.flatend(&["keygen", "--network"]).status, Some(0));
    let key = flatend::keys::load_network(&scratch.path().join("network.key")).expect("a key");
    let gateway = Node::builder().bind("127.0.0.1:0").network_key(key);
    let gateway = gateway.shards(1).pin(false).start().expect("it starts");
    let addr = gateway.addrs()[0];
    scratch.write("config.toml", "network_key = \"network.key\"\n");
    let token = invited(&scratch, &["--addr", &addr.to_string()]);
    assert_eq!(token.network_key(), Some(key));
    let service = Node::builder().join(&token.to_string()).expect("a token");
    let service = service
        .service(
            "hello",
            |context| async move { context.send("Hello!").await },
        )
        .shards(1)
        .pin(false)
        .start()
        .expect("it starts");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while gateway.snapshot().providers(["hello"]).is_empty() {
        assert!(std::time::Instant::now() < deadline, "it never joined");
        std::thread::sleep(Duration::from_millis(10));
    }
    service.shutdown().expect("it ends");
    gateway.shutdown().expect("it ends");
}

#[test]
fn the_address_is_the_configurations_unless_it_is_given() {
    let scratch = Scratch::new();
    assert_eq!(invited(&scratch, &[]).addrs(), ["127.0.0.1:9000"]);
    scratch.write("config.toml", "addr = \"10.0.0.1:9001\"\n");
    assert_eq!(invited(&scratch, &[]).addrs(), ["10.0.0.1:9001"]);
    scratch.write(
        "public.toml",
        "addr = \":9000\"\npublic_addr = \"203.0.113.7:9000\"\n",
    );
    let token = invited(&scratch, &["-c", "public.toml", "--name", "laptop"]);
    assert_eq!(token.addrs(), ["203.0.113.7:9000"]);
    assert_eq!(token.name(), Some("laptop"));
    let both = ["--addr", "gateway.example:9000", "--addr", "[::1]:9000"];
    assert_eq!(
        invited(&scratch, &both).addrs(),
        ["gateway.example:9000", "[::1]:9000"]
    );
}

#[test]
fn what_cannot_be_told_says_what_to_do() {
    let scratch = Scratch::new();
    scratch.write("config.toml", "addr = \":9000\"\n");
    scratch.write("wrong.toml", "adr = 1\n");
    for (args, status, says) in [
        (&["invite"][..], 1, "--addr HOST:PORT"),
        (
            &["invite", "-c", "wrong.toml"],
            1,
            "flatend check -c wrong.toml",
        ),
        (&["invite", "--addr", "nowhere"], 2, "--addr"),
        (&["invite", "--addr", "a:1", "--name", ""], 1, "0 bytes"),
        (
            &["invite", "--addr", "0.0.0.0:9000"],
            1,
            "stands for all addresses of a machine: name the one",
        ),
        (&["invite", "--addr", "[::]:9000"], 1, "name the one"),
    ] {
        let ran = scratch.flatend(args);
        assert_eq!(
            (ran.status, ran.out.as_str()),
            (Some(status), ""),
            "{ran:?}"
        );
        assert!(ran.err.contains(says), "{ran:?}");
    }
}

/// A gateway's node, and what it hears.
fn gateway() -> (Node, JoinToken, Receiver<String>) {
    let (heard, events) = mpsc::channel();
    let builder = Node::builder().bind("127.0.0.1:0").shards(1).pin(false);
    let node = builder.on_event(move |event| {
        heard.send(event.to_string()).ok();
    });
    let node = node.start().expect("it starts");
    let token = JoinToken::new([node.addrs()[0].to_string()], None).expect("its address");
    (node, token, events)
}

fn heard(events: &Receiver<String>, what: &str) {
    loop {
        let line = events
            .recv_timeout(Duration::from_secs(20))
            .expect("it comes");
        if line.contains(what) {
            return;
        }
    }
}

fn agent(args: &[&str], variable: Option<&str>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flatend"));
    command.args(["agent", "api=http://127.0.0.1:1"]).args(args);
    command.env_remove("FLATEND_JOIN").stdin(Stdio::null());
    command.envs(variable.map(|token| ("FLATEND_JOIN", token)));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

#[test]
fn an_agent_needs_a_token_and_nothing_else() {
    let (_node, token, events) = gateway();
    let token = token.to_string();
    for (args, variable) in [(&["--join", &token][..], None), (&[], Some(&*token))] {
        let mut agent = agent(args, variable);
        heard(&events, "has connected. Services: [api]");
        agent.kill().expect("it is ours");
        agent.wait().expect("it ends");
    }
}

#[test]
fn a_token_that_is_cut_is_refused() {
    let (_node, token, _events) = gateway();
    let token = token.to_string();
    let cut = &token[..token.len() - 3];
    for (args, variable, says) in [
        (
            &["--join", cut][..],
            None,
            "--join: the join token is not whole",
        ),
        (&[], Some(cut), "FLATEND_JOIN: the join token is not whole"),
        (&[], None, "--join TOKEN"),
    ] {
        let mut agent = agent(args, variable);
        let mut err = String::new();
        let mut pipe = agent.stderr.take().expect("a pipe");
        pipe.read_to_string(&mut err).expect("text");
        assert_eq!(agent.wait().expect("it ends").code(), Some(2), "{err}");
        assert!(err.starts_with("flatend: ") && err.contains(says), "{err}");
    }
}

#[test]
fn a_rust_node_joins_with_a_token() {
    let (_node, token, events) = gateway();
    let text = token.to_string();
    // Twice the same: dialed once.
    let builder = Node::builder().join(&text).expect("a token");
    let builder = builder.join(&text).expect("a token").shards(1).pin(false);
    let builder = builder.on_event(|_| {});
    let node = builder
        .service("joined", |context| context.send(""))
        .start();
    heard(&events, "has connected. Services: [joined]");
    drop(node);
    let error = Node::builder()
        .join("flatend-join-1-x")
        .err()
        .expect("no token");
    assert!(error.to_string().contains("flatend invite"), "{error}");
}
