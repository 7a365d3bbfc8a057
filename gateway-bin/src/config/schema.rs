//! Every key of every section, and the message for a key that does not stand where it may.
//!
//! Owns the lists that unknown keys are compared with. The invariant that a change is likeliest to break: a key
//! that is read somewhere and missing here would be refused before it is read; `Section::entry` asserts it.

use super::suggest;

/// A kind of table in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// How messages name it.
    pub(super) title: &'static str,
    /// Its keys, sub-tables included.
    pub(super) keys: &'static [&'static str],
}

pub(super) const TOP: Kind = Kind {
    title: "the top of the file",
    keys: &[
        "addr",
        "public_addr",
        "secret_key",
        "bootstrap",
        "state_dir",
        "shards",
        "relay",
        "receive_budget",
        "congestion",
        "legacy",
        "network_key",
        "peers",
        "offers",
        "legacy_services",
        "http",
        "services",
    ],
};

pub(super) const HTTP: Kind = Kind {
    title: "`[[http]]`",
    keys: &[
        "addr",
        "addrs",
        "https",
        "domain",
        "domains",
        "cert",
        "key",
        "redirect_trailing_slash",
        "redirect_fixed_path",
        "access_log",
        "access_log_format",
        "congestion",
        "timeout",
        "min",
        "max",
        "routes",
    ],
};

pub(super) const TIMEOUT: Kind = Kind {
    title: "`[http.timeout]`",
    keys: &["read", "read_header", "idle", "write", "shutdown"],
};

pub(super) const MIN: Kind = Kind {
    title: "`[http.min]`",
    keys: &["body_size", "rate"],
};

pub(super) const MAX: Kind = Kind {
    title: "`[http.max]`",
    keys: &["header_size", "body_size"],
};

pub(super) const ROUTE: Kind = Kind {
    title: "`[[http.routes]]`",
    keys: &[
        "path",
        "host",
        "service",
        "services",
        "static",
        "nocache",
        "listing",
        "fallback",
        "redirect",
        "status",
        "proxy",
        "health",
        "health_interval",
        "websocket",
        "grpc",
        "timeout",
        "hold",
        "retry",
        "max_in_flight",
        "min",
        "max",
    ],
};

pub(super) const ROUTE_MIN: Kind = Kind {
    title: "`[http.routes.min]`",
    keys: &["body_size"],
};

pub(super) const ROUTE_MAX: Kind = Kind {
    title: "`[http.routes.max]`",
    keys: &["body_size"],
};

pub(super) const SERVICE: Kind = Kind {
    title: "`[[services]]`",
    keys: &["name", "upstream", "health", "health_interval", "timeout"],
};

/// Kinds that a stray key may belong to, the likeliest first.
const ALL: [&Kind; 9] = [
    &TOP, &HTTP, &ROUTE, &TIMEOUT, &MAX, &MIN, &SERVICE, &ROUTE_MAX, &ROUTE_MIN,
];

/// Every key with the section that it stands in.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let named = |kind: &'static Kind| {
        let title = kind.title.trim_matches('`');
        kind.keys.iter().map(move |key| (title, *key))
    };
    ALL.into_iter().flat_map(named)
}

/// Words that other servers use, where they stand here: word, section, what to write.
const ALIASES: [(&str, &Kind, &str); 21] = [
    ("address", &TOP, "`addr`"),
    ("listen", &TOP, "`addr`"),
    ("bind", &TOP, "`addr`"),
    ("port", &TOP, "`addr`, such as addr = \":9000\""),
    ("address", &HTTP, "`addr`"),
    ("adress", &HTTP, "`addr`"),
    ("addresses", &HTTP, "`addrs`"),
    ("listen", &HTTP, "`addr`"),
    ("bind", &HTTP, "`addr`"),
    ("port", &HTTP, "`addr`, such as addr = \":3000\""),
    ("host", &HTTP, "`addr`, or `host` in `[[http.routes]]`"),
    ("max_body_size", &HTTP, "`body_size` under `[http.max]`"),
    ("tls", &HTTP, "`https = true`, or `cert` and `key`"),
    ("certificate", &HTTP, "`cert`"),
    ("route", &HTTP, "`[[http.routes]]`"),
    (
        "method",
        &ROUTE,
        "it in `path`, such as path = \"GET /hello\"",
    ),
    ("url", &ROUTE, "`path`"),
    ("pattern", &ROUTE, "`path`"),
    ("root", &ROUTE, "`static`"),
    ("dir", &ROUTE, "`static`"),
    ("upstream", &ROUTE, "`proxy`"),
];

/// The message for `key`, which is not a key of `kind`.
pub(super) fn unknown_key(key: &str, kind: &Kind) -> String {
    let shown = shorten(key);
    if let Some((_, _, instead)) = ALIASES
        .iter()
        .find(|(alias, at, _)| *alias == key && *at == kind)
    {
        return format!("`{shown}` is not a key of {}: write {instead}", kind.title);
    }
    if let Some(other) = ALL
        .iter()
        .find(|other| other.keys.contains(&key) && **other != kind)
    {
        let place = if other.title == TOP.title {
            "move it above the first section".to_owned()
        } else {
            format!("write it under {}", other.title)
        };
        // Near misses inside the section come first: `addrs` at the top is meant as `addr`.
        return match suggest::nearest(key, kind.keys.iter().copied()) {
            Some(near) => format!(
                "`{shown}` is not a key of {}: write `{near}`, or {place}",
                kind.title
            ),
            None => format!("`{shown}` is not a key of {}: {place}", kind.title),
        };
    }
    if let Some(near) = suggest::nearest(key, kind.keys.iter().copied()) {
        return format!("`{shown}` is not a key of {}: write `{near}`", kind.title);
    }
    for other in ALL {
        if let Some(near) = suggest::nearest(key, other.keys.iter().copied()) {
            return format!(
                "`{shown}` is not a key of {}: `{near}` is one of {}; write that there, or remove it",
                kind.title, other.title
            );
        }
    }
    format!(
        "`{shown}` is not a key of {}: remove it; the keys here are {}",
        kind.title,
        kind.keys.join(", ")
    )
}

/// At most forty characters of what a user wrote, with line breaks and the like escaped: messages are one line.
pub(super) fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_names_the_nearest_key() {
        assert_eq!(
            unknown_key("servce", &ROUTE),
            "`servce` is not a key of `[[http.routes]]`: write `service`"
        );
    }

    #[test]
    fn a_key_of_another_section_says_where_it_belongs() {
        assert_eq!(
            unknown_key("state_dir", &HTTP),
            "`state_dir` is not a key of `[[http]]`: move it above the first section"
        );
        assert_eq!(
            unknown_key("addrs", &TOP),
            "`addrs` is not a key of the top of the file: write `addr`, or write it under `[[http]]`"
        );
    }

    #[test]
    fn a_slip_of_another_sections_key_is_found_too() {
        assert!(
            unknown_key("read_heder", &HTTP).contains("`read_header` is one of `[http.timeout]`")
        );
    }

    #[test]
    fn words_of_other_servers_are_understood() {
        assert_eq!(
            unknown_key("listen", &HTTP),
            "`listen` is not a key of `[[http]]`: write `addr`"
        );
        for (alias, kind, _) in ALIASES {
            assert!(!kind.keys.contains(&alias), "{alias} is a key itself");
        }
    }

    #[test]
    fn what_nothing_resembles_lists_the_keys() {
        assert!(unknown_key("zzzzzz", &SERVICE)
            .ends_with("the keys here are name, upstream, health, health_interval, timeout"));
    }

    #[test]
    fn what_is_quoted_is_one_short_line() {
        assert_eq!(shorten("a\nb"), "a\\nb");
        assert_eq!(shorten(&"x".repeat(40)), "x".repeat(40));
        assert_eq!(shorten(&"x".repeat(41)), format!("{}…", "x".repeat(40)));
    }
}
