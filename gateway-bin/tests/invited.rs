//! Whom join tokens let in: the list of them, their expiry, and a token that is revoked while its node is connected.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use flatend::hex;
use flatend::keys::SecretKey;
use flatend::JoinToken;
use flatend_gateway::limits::INVITED_FILE_BYTES_MAX;
use support::Scratch;

fn invited(scratch: &Scratch, args: &[&str]) -> JoinToken {
    let ran = scratch.flatend(&[&["invite", "--addr", "127.0.0.1:1"], args].concat());
    assert_eq!(ran.status, Some(0), "{ran:?}");
    ran.out.parse().expect("a token")
}

/// The public key of a token's secret, as digits.
fn key_of(token: &JoinToken) -> String {
    hex::encode(&token.secret().expect("it holds a key").public())
}

fn list(scratch: &Scratch) -> Vec<String> {
    let ran = scratch.flatend(&["invite", "--list"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    ran.out.lines().map(str::to_owned).collect()
}

const STATE: &str = "state_dir = \"state\"\n";

#[test]
fn the_list_says_who_was_invited_and_who_was_revoked() {
    let scratch = Scratch::new();
    scratch.write("config.toml", STATE);
    let ran = scratch.flatend(&["invite", "--list"]);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("", "Nobody was invited.\n")
    );
    let [ever, day] = [
        invited(&scratch, &["--name", "laptop of Ann"]),
        invited(
            &scratch,
            &["--name", "ci", "--expires", "24h", "--offers", "a,b c"],
        ),
    ];
    let unnamed =
        [&[][..], &["--offers", "a", "--offers", "b"]].map(|args| invited(&scratch, args));
    let expires_s = day.expires_s().expect("it expires");
    let left = expires_s.saturating_sub(flatend_gateway::invited::now_s());
    assert!((86_300..=86_400).contains(&left), "{left}");
    assert_eq!(ever.expires_s(), None);
    let [first, second] = unnamed.map(|token| key_of(&token));
    let want = [
        format!("{} for ever 'laptop of Ann'", key_of(&ever)),
        format!(
            "{} until {} 'ci' [a b c]",
            key_of(&day),
            flatend::utc_string(expires_s)
        ),
        format!("{first} for ever ''"),
        format!("{second} for ever '' [a b]"),
    ];
    assert_eq!(list(&scratch), want);
    let file = scratch.path().join("state/invited");
    let mode = fs::metadata(&file).expect("the list").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = fs::read_to_string(&file).expect("text");
    assert!(!text.contains(&hex::encode(ever.secret().expect("a key").seed())));
    // By label, and by key.
    for word in ["laptop of Ann", &second.to_uppercase()] {
        let ran = scratch.flatend(&["invite", "--revoke", word]);
        assert_eq!((ran.status, ran.out.as_str()), (Some(0), ""), "{ran:?}");
        assert!(
            ran.err.contains("Revoked the key") && ran.err.contains("SIGHUP"),
            "{ran:?}"
        );
    }
    let now = list(&scratch);
    assert_eq!(now[0], format!("{} revoked 'laptop of Ann'", key_of(&ever)));
    assert_eq!(now[1..3], want[1..3]);
    assert_eq!(now[3], format!("{second} revoked '' [a b]"));
}

#[test]
fn what_cannot_be_invited_or_revoked_says_why_and_changes_nothing() {
    let scratch = Scratch::new();
    scratch.write("config.toml", STATE);
    for (args, status, says) in [
        (&["--addr", "a:1", "--name", ""][..], 1, "0 bytes"),
        (&["--revoke", "nobody"], 1, "flatend invite --list"),
        (&["--revoke", ""], 2, "--revoke wants"),
        (&["--expires", "0s"], 2, "good for nobody"),
        (&["--expires", "1d"], 2, "--expires '1d'"),
        (&["--offers", "a,,b"], 2, "no service can be called"),
        (&["--list", "--name", "a"], 2, "--list"),
        (&["--list", "--revoke", "a"], 2, "--revoke"),
    ] {
        let ran = scratch.flatend(&[&["invite"], args].concat());
        assert_eq!(
            (ran.status, ran.out.as_str()),
            (Some(status), ""),
            "{ran:?}"
        );
        assert!(ran.err.contains(says), "{ran:?}");
    }
    assert!(list(&scratch).is_empty());
    // A list that cannot be read is never an empty one: whom it revokes would come in.
    scratch.write("state/invited", "no key\n");
    for args in [
        &["invite"][..],
        &["invite", "--list"],
        &["invite", "--revoke", "a"],
        &[],
    ] {
        let ran = scratch.flatend(args);
        assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        let says = "state/invited': line 1 does not begin with a key";
        assert!(ran.err.contains(says), "{ran:?}");
    }
    assert_eq!(
        fs::read_to_string(scratch.path().join("state/invited")).expect("text"),
        "no key\n"
    );
}

#[test]
fn tokens_that_are_made_at_the_same_time_are_all_on_the_list() {
    let scratch = Scratch::new();
    scratch.write("config.toml", STATE);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| invited(&scratch, &[]));
        }
    });
    assert_eq!(list(&scratch).len(), 8);
}

#[test]
fn the_longest_list_is_read_and_no_further_key_is_put_on_it() {
    let scratch = Scratch::new();
    scratch.write("config.toml", STATE);
    let line = format!("{}\tnever\t\n", "ab".repeat(32));
    let most = INVITED_FILE_BYTES_MAX / line.len();
    fs::create_dir(scratch.path().join("state")).expect("a new directory");
    scratch.write("state/invited", &line.repeat(most - 1));
    invited(&scratch, &[]);
    let ran = scratch.flatend(&["invite"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("more than 4194304 bytes: take"), "{ran:?}");
    assert_eq!(list(&scratch).len(), most);
    scratch.write("state/invited", &line.repeat(most + 1));
    assert_eq!(scratch.flatend(&["invite", "--list"]).status, Some(1));
}

#[test]
fn a_token_that_has_expired_is_not_tried() {
    let token = JoinToken::new(["127.0.0.1:1"], None)
        .expect("an address")
        .until(1);
    let text = token.to_string();
    let scratch = Scratch::new();
    let ran = scratch.flatend(&["agent", "api=http://127.0.0.1:1", "--join", &text]);
    assert_eq!(ran.status, Some(2), "{ran:?}");
    let says = "--join: the join token expired at 1970-01-01 00:00:01 UTC";
    assert!(ran.err.contains(says), "{ran:?}");
    let error = flatend::Node::builder().join(&text).err().expect("expired");
    assert!(error.to_string().contains("expired at 1970"), "{error}");
}

/// A process of ours and its log; it ends with the value.
struct Running(Child, Receiver<String>);

impl Running {
    fn start(scratch: &Scratch, args: &[&str], token: Option<&str>) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flatend"));
        command.args(args).current_dir(scratch.path());
        command
            .env("HOME", scratch.path())
            .env_remove("STATE_DIRECTORY");
        command.env_remove("FLATEND_JOIN");
        command.envs(token.map(|token| ("FLATEND_JOIN", token)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let log = BufReader::new(child.stderr.take().expect("a pipe"));
        let (heard, lines) = mpsc::channel();
        std::thread::spawn(move || {
            log.lines()
                .map_while(Result::ok)
                .try_for_each(|line| heard.send(line))
        });
        Running(child, lines)
    }

    /// The next line with `what`.
    fn heard(&self, what: &str) -> String {
        loop {
            let line = self.1.recv_timeout(Duration::from_secs(20));
            let line = line.unwrap_or_else(|_| panic!("no line with '{what}'"));
            if line.contains(what) {
                return line;
            }
        }
    }

    fn read_again(&self) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args(["-HUP", &id]).status();
        assert!(status.expect("kill runs").success());
        self.heard("Read again who may connect");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A gateway that nobody may join uninvited, and its address.
fn closed(scratch: &Scratch, more: &str) -> (Running, String) {
    let own = scratch.flatend(&["keygen", "own.key"]).out;
    let peers = format!("peers = [\"{}\"]\n", own.trim());
    scratch.write(
        "config.toml",
        &format!(
            "addr = \"127.0.0.1:0\"\nshards = 1\nsecret_key = \"own.key\"\n{STATE}{peers}{more}"
        ),
    );
    let gateway = Running::start(scratch, &[], None);
    let line = gateway.heard("Listening for Flatend nodes on '");
    let addr = line.split('\'').nth(1).expect("an address").to_owned();
    (gateway, addr)
}

fn agent(scratch: &Scratch, token: &str) -> Running {
    let offers = ["agent", "api=http://127.0.0.1:1", "shop=http://127.0.0.1:1"];
    Running::start(scratch, &offers, Some(token))
}

#[test]
fn who_was_invited_comes_in_and_who_is_revoked_is_out_at_the_next_sighup() {
    let scratch = Scratch::new();
    let (gateway, addr) = closed(&scratch, "");
    let token = |name: &str, offers: &[&str]| {
        let token = invited(
            &scratch,
            &[&["--addr", &addr, "--name", name], offers].concat(),
        );
        (key_of(&token), token.to_string())
    };
    let (laptop, first) = token("laptop", &["--offers", "api"]);
    let (_, second) = token("desk", &[]);
    // Not before the gateway knows of it.
    let early = agent(&scratch, &first);
    gateway.heard(&format!("{laptop} is not among the peers"));
    drop(early);
    gateway.read_again();
    let _first = agent(&scratch, &first);
    gateway.heard("has connected. Services: [api]");
    let desk = agent(&scratch, &second);
    gateway.heard("has connected. Services: [api shop]");
    let ran = scratch.flatend(&["invite", "--revoke", "laptop"]);
    assert_eq!(ran.status, Some(0), "{ran:?}");
    gateway.read_again();
    // Its link ends, and it dials again and does not get in.
    for _ in 0..2 {
        gateway.heard(&format!("its key {laptop} was revoked"));
    }
    // The other one's link is as it was.
    drop(desk);
    let line = gateway.heard("has disconnected");
    assert!(line.contains("shop"), "{line}");
}

#[test]
fn a_key_that_has_expired_does_not_come_in_whatever_its_token_says() {
    let scratch = Scratch::new();
    let secret = SecretKey::from_seed([7; 32]);
    let line = format!("{}\t1\tlaptop\n", hex::encode(&secret.public()));
    fs::create_dir(scratch.path().join("state")).expect("a new directory");
    scratch.write("state/invited", &line);
    let (gateway, addr) = closed(&scratch, "");
    let token = JoinToken::new([addr], None).expect("its address");
    let _agent = agent(&scratch, &token.with_secret(secret).to_string());
    gateway.heard("was invited until 1970-01-01 00:00:01 UTC");
}
