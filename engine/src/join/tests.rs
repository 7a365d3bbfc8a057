//! Tokens written and read: goldens, what is refused, what is never shown.

use super::*;

/// A text of these fields with a right checksum.
fn with(fields: &[(u8, &[u8])]) -> String {
    let mut bytes = Vec::new();
    for (kind, value) in fields {
        text::put_field(&mut bytes, *kind, value);
    }
    let sum = text::checksum(&bytes);
    bytes.extend_from_slice(&sum.to_be_bytes());
    format!("{PREFIX}{}", text::encode(&bytes))
}

fn refused(text: &str) -> String {
    text.parse::<JoinToken>().expect_err(text).to_string()
}

/// Written down: another version must read it as this one does.
const GOLDEN: &str =
    "flatend-join-1-AQAGbGFwdG9wAgAUZ2F0ZXdheS5leGFtcGxlOjkwMDACAApbOjoxXTo5MDAxX-zUZA";

#[test]
fn golden() {
    let addrs = ["gateway.example:9000", "[::1]:9001"];
    let token = JoinToken::new(addrs, Some("laptop")).expect("it is fine");
    assert_eq!(token.to_string(), GOLDEN);
    assert_eq!(GOLDEN.parse(), Ok(token));
}

/// The same with a key and a time, 2026-11-30 17:04:05.
const GOLDEN_INVITED: &str =
    "flatend-join-1-AgADYToxAwAIAAAAAGsNrIUEACAHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHB5osDus";

#[test]
fn golden_with_a_key_and_an_expiry() {
    let token = JoinToken::new(["a:1"], None).expect("it is fine");
    let secret = SecretKey::from_seed([7; 32]);
    let token = token.with_secret(secret.clone()).until(1_796_058_245);
    assert_eq!(token.to_string(), GOLDEN_INVITED);
    let read: JoinToken = GOLDEN_INVITED.parse().expect("a token");
    assert_eq!(read, token);
    assert_eq!(
        (read.secret(), read.expires_s()),
        (Some(&secret), Some(1_796_058_245))
    );
    assert!(!format!("{token:?}").contains(&"07".repeat(4)));
}

#[test]
fn the_network_key_travels_and_is_never_shown() {
    let token = JoinToken::new(["a:1"], None).expect("it is fine");
    let token = token.with_network_key([7; 32]);
    let read: JoinToken = token.to_string().parse().expect("a token");
    assert_eq!(read.network_key(), Some([7; 32]));
    assert_eq!(read, token);
    let shown = format!("{token:?}");
    assert!(
        !shown.contains("7, 7") && !shown.contains("0707"),
        "{shown}"
    );
    let addr: (u8, &[u8]) = (ADDR, b"a:1");
    let short = with(&[addr, (NETWORK, &[7; 31])]);
    assert!(refused(&short).contains("a network key of 31 bytes"));
    let twice = with(&[addr, (NETWORK, &[7; 32]), (NETWORK, &[7; 32])]);
    assert!(refused(&twice).contains("two network keys"));
}

#[test]
fn a_token_is_good_until_its_time_and_no_second_longer() {
    let token = JoinToken::new(["a:1"], None).expect("it is fine");
    assert_eq!(token.good_at(u64::MAX), Ok(()), "it has no time");
    let token = token.until(1_796_058_245);
    assert_eq!(token.good_at(1_796_058_244), Ok(()));
    let error = token.good_at(1_796_058_245).expect_err("expired");
    assert!(
        error
            .to_string()
            .contains("expired at 2026-11-30 17:04:05 UTC"),
        "{error}"
    );
}

#[test]
fn a_copy_that_is_cut_changed_or_broken_into_lines() {
    for end in 0..GOLDEN.len() {
        let why = refused(&GOLDEN[..end]);
        assert!(
            why.contains("flatend invite") || why.contains("later"),
            "{end}: {why}"
        );
    }
    for at in PREFIX.len()..GOLDEN.len() {
        let mut bytes = GOLDEN.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(bytes).expect("it is ASCII");
        assert!(refused(&text).contains("not whole"), "{at}");
    }
    let lines = format!("  {}\r\n {}\n", &GOLDEN[..30], &GOLDEN[30..]);
    assert!(lines.parse::<JoinToken>().is_ok());
    assert!(refused("hello").contains("does not begin"));
    assert!(refused(&GOLDEN.replace("join-1", "join-2")).contains("later version"));
    assert!(refused(&"x".repeat(JOIN_BYTES_MAX + 1)).contains("at most"));
}

#[test]
fn odd_kinds_are_skipped_and_even_ones_refuse_the_token() {
    let addr: (u8, &[u8]) = (ADDR, b"a:1");
    let skipped = with(&[(77, b"later"), addr]);
    assert!(skipped.parse::<JoinToken>().is_ok());
    assert!(refused(&with(&[(78, b"later"), addr])).contains("field 78"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert!(refused(&with(&[])).contains("no address"));
    assert!(refused(&with(&[(ADDR, b"\xff")])).contains("not text"));
    let names: [(u8, &[u8]); 2] = [(NAME, b"a"), (NAME, b"b")];
    assert!(refused(&with(&names)).contains("two names"));
    let (addr, seed, time) = ((ADDR, &b"a:1"[..]), [1; 32], [1; 8]);
    for (fields, why) in [
        ([addr, (SECRET, &seed[..31]), addr], "a key of 31 bytes"),
        ([addr, (SECRET, &seed), (SECRET, &seed)], "two keys"),
        ([addr, (EXPIRES, &time[..7]), addr], "a time of 7 bytes"),
        ([addr, (EXPIRES, &time), (EXPIRES, &time)], "twice"),
    ] {
        assert!(refused(&with(&fields)).contains(why), "{why}");
    }
    for addr in [
        "",
        "a",
        "a:",
        "a:0",
        "a:65536",
        ":1",
        "::1:9000",
        "a b:1",
        "a:+1",
        "[x]:1",
        "a:1#",
        "0.0.0.0:1",
        "[::]:1",
    ] {
        assert!(JoinToken::new([addr], None).is_err(), "{addr}");
    }
    let pinned = format!("0.0.0.0:1#{}", "07".repeat(32));
    let error = JoinToken::new([pinned], None).expect_err("nobody can dial it");
    assert!(error.to_string().contains("all addresses"), "{error}");
    for addr in ["a:1", "10.0.0.1:65535", "[::1]:9000", "a-b.example_c:9"] {
        assert!(JoinToken::new([addr], None).is_ok(), "{addr}");
    }
    assert!(JoinToken::new(vec!["a:1"; JOIN_ADDRS_MAX], None).is_ok());
    assert!(JoinToken::new(vec!["a:1"; JOIN_ADDRS_MAX + 1], None).is_err());
    let name = "n".repeat(JOIN_NAME_BYTES_MAX);
    assert!(JoinToken::new(["a:1"], Some(&name)).is_ok());
    for name in ["", "\n", &format!("{name}n")] {
        assert!(JoinToken::new(["a:1"], Some(name)).is_err());
    }
}

#[test]
fn the_largest_token_fits_the_limit() {
    let host = "h".repeat(253);
    let addr = format!("{host}:65535#{}", "07".repeat(32));
    let addrs = vec![addr; JOIN_ADDRS_MAX];
    let token = JoinToken::new(addrs, Some(&"n".repeat(JOIN_NAME_BYTES_MAX)));
    let token = token.expect("it is fine").until(u64::MAX);
    let token = token.with_secret(SecretKey::from_seed([1; 32]));
    let text = token.with_network_key([1; 32]).to_string();
    assert!(text.len() <= JOIN_BYTES_MAX, "{}", text.len());
    assert!(text.parse::<JoinToken>().is_ok());
}
