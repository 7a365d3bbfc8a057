//! A plan as its file says it.
//!
//! Owns the keys and their defaults. Unknown keys are refused by name. What values mean together is checked in `check`.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::limits::{DURATION_MAX_MS, ROUNDS_MAX, STATUS_MAX, STATUS_MIN};

/// A plan file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Name of the table.
    #[serde(default)]
    pub(crate) title: String,
    /// `http://ADDRESS:PORT`; the command line's wins.
    pub(crate) url: Option<String>,
    #[serde(default = "one_second", deserialize_with = "duration")]
    pub(crate) warm_up: Duration,
    #[serde(default = "five_seconds", deserialize_with = "some_duration")]
    pub(crate) duration: Duration,
    /// How long answers are awaited after the end.
    #[serde(default = "five_seconds", deserialize_with = "duration")]
    pub(crate) grace: Duration,
    /// A request without progress for this long has failed.
    #[serde(default = "ten_seconds", deserialize_with = "some_duration")]
    pub(crate) timeout: Duration,
    #[serde(default = "one", deserialize_with = "rounds")]
    pub(crate) rounds: u32,
    /// Addresses to connect from, in turn.
    #[serde(default)]
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) idle: Option<Idle>,
    #[serde(default, rename = "group")]
    pub(crate) groups: Vec<Group>,
}

/// Connections that are opened first and then only stay open.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Idle {
    pub(crate) connections: u32,
    /// How many are opened a second.
    #[serde(default = "two_thousand")]
    pub(crate) a_second: u32,
    /// Number of connections from which memory a connection is counted, up to all of them.
    #[serde(default = "one_thousand")]
    pub(crate) from: u32,
    /// Each asks for this once, before it rests.
    pub(crate) path: Option<String>,
}

/// Connections that do the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default = "one")]
    pub(crate) connections: u32,
    #[serde(default = "one")]
    pub(crate) pipeline: u32,
    pub(crate) requests_a_connection: Option<u64>,
    /// Ends the run after so many requests instead of a time.
    pub(crate) requests: Option<u64>,
    /// Open loop: so many a second.
    pub(crate) rate: Option<f64>,
    #[serde(rename = "request")]
    pub(crate) requests_sent: Vec<Request>,
}

/// A request, or several that differ in their path.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    #[serde(default = "get")]
    pub(crate) method: String,
    /// `{1..200}` in it stands for each number.
    pub(crate) path: String,
    /// `name: value` each.
    #[serde(default)]
    pub(crate) fields: Vec<String>,
    pub(crate) body: Option<String>,
    /// So many bytes of the test pattern.
    pub(crate) body_bytes: Option<u64>,
    #[serde(default, deserialize_with = "expect")]
    pub(crate) expect: Expect,
}

/// What the answer must be.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    #[serde(default = "two_hundred", deserialize_with = "status")]
    pub(crate) status: u16,
    pub(crate) length: Option<u64>,
    pub(crate) body: Option<String>,
    /// The body is this text again and again.
    pub(crate) repeats: Option<String>,
    /// The body is the test pattern.
    #[serde(default)]
    pub(crate) pattern: bool,
}

impl Default for Expect {
    fn default() -> Self {
        Expect {
            status: 200,
            length: None,
            body: None,
            repeats: None,
            pattern: false,
        }
    }
}

impl Expect {
    /// Whether all of it can be true of one answer.
    ///
    /// # Errors
    /// A sentence: what contradicts each other.
    pub(crate) fn check(&self) -> Result<(), String> {
        match (self.length, &self.body) {
            (Some(length), Some(body)) if length != body.len() as u64 => Err(format!(
                "`length` is {length}, but `body` has {} bytes: leave `length` out",
                body.len()
            )),
            _ => Ok(()),
        }
    }
}

impl Plan {
    /// A plan of one group, the rest as it is by default.
    pub(crate) fn of(group: Group) -> Plan {
        Plan {
            title: String::new(),
            url: None,
            warm_up: one_second(),
            duration: five_seconds(),
            grace: five_seconds(),
            timeout: ten_seconds(),
            rounds: one(),
            sources: Vec::new(),
            idle: None,
            groups: vec![group],
        }
    }
}

impl Request {
    /// GET of a path, answered with 200.
    pub(crate) fn get(path: &str) -> Request {
        Request {
            method: get(),
            path: path.to_owned(),
            fields: Vec::new(),
            body: None,
            body_bytes: None,
            expect: Expect::default(),
        }
    }
}

/// A time as plans and the command line write it.
///
/// # Errors
/// A sentence that says how to write one.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("s") => 1_000,
        Some("m") => 60_000,
        _ => 0,
    };
    match digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit_ms))
    {
        Some(ms) if unit_ms > 0 && ms <= DURATION_MAX_MS => Ok(Duration::from_millis(ms)),
        _ if unit_ms > 0 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            Err(format!(
                "\"{text}\" is over the limit of {} minutes: write less",
                DURATION_MAX_MS / 60_000
            ))
        }
        _ => Err(format!(
            "\"{text}\" is no time: write \"10s\", \"500ms\" or \"2m\""
        )),
    }
}

/// As [`parse_duration`], but none is no answer.
///
/// # Errors
/// A sentence that says how to write one.
pub(crate) fn parse_some_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("a time of 0 leaves nothing: write one such as \"10s\"".to_owned()),
        time => Ok(time),
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
}

fn some_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_some_duration(&text).map_err(serde::de::Error::custom)
}

fn rounds<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        rounds @ 1..=ROUNDS_MAX => Ok(rounds),
        other => Err(serde::de::Error::custom(format!(
            "rounds = {other} is not 1 to {ROUNDS_MAX}"
        ))),
    }
}

fn status<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    match u16::deserialize(from)? {
        status @ STATUS_MIN..=STATUS_MAX => Ok(status),
        other => Err(serde::de::Error::custom(format!(
            "status = {other} is not {STATUS_MIN} to {STATUS_MAX}"
        ))),
    }
}

fn expect<'de, D: Deserializer<'de>>(from: D) -> Result<Expect, D::Error> {
    let expect = Expect::deserialize(from)?;
    expect.check().map_err(serde::de::Error::custom)?;
    Ok(expect)
}

fn one_second() -> Duration {
    Duration::from_secs(1)
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn one() -> u32 {
    1
}

fn one_thousand() -> u32 {
    1_000
}

fn two_thousand() -> u32 {
    2_000
}

fn two_hundred() -> u16 {
    200
}

fn get() -> String {
    "GET".to_owned()
}
