//! The nearest known name to one that was mistyped.
//!
//! Owns the distance and where it is too far to be helpful: a wrong suggestion is worse than none.

/// What other proxies and people call a thing, and our word for it.
const OTHER_WORDS: [(&str, &str); 20] = [
    ("adress", "addr"),
    ("address", "addr"),
    ("adres", "addr"),
    ("listen", "addr"),
    ("bind", "addr"),
    ("port", "addr"),
    ("root", "static"),
    ("dir", "static"),
    ("files", "static"),
    ("proxy_pass", "proxy"),
    ("reverse_proxy", "proxy"),
    ("upstream", "proxy"),
    ("backend", "proxy"),
    ("retries", "retry"),
    ("tries", "retry"),
    ("secret", "secret_key"),
    ("threads", "shards"),
    ("workers", "shards"),
    ("websockets", "websocket"),
    ("server_name", "host"),
];

/// The candidate that `word` means or is nearest to, if one is near enough: at most a third of the letters wrong.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let meant = OTHER_WORDS.iter().find(|(other, _)| *other == word);
    if let Some(found) = meant.and_then(|(_, ours)| candidates.iter().find(|one| *one == ours)) {
        return Some(found);
    }
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|&(distance, candidate)| {
            distance <= (word.chars().count().max(candidate.len()) / 3).max(1)
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_fingers_are_found() {
        assert_eq!(
            nearest("servce", ["path", "service", "services"]),
            Some("service")
        );
        assert_eq!(nearest("ADDR", ["addr", "addrs"]), Some("addr"));
        assert_eq!(nearest("adrr", ["addr", "addrs"]), Some("addr"));
        assert_eq!(
            nearest("read-header", ["read", "read_header"]),
            Some("read_header")
        );
        assert_eq!(nearest("GTE", ["GET", "POST"]), Some("GET"));
    }

    #[test]
    fn words_of_other_proxies_lead_to_ours_where_it_is_possible() {
        assert_eq!(nearest("adress", ["addr", "addrs"]), Some("addr"));
        assert_eq!(nearest("proxy_pass", ["path", "proxy"]), Some("proxy"));
        assert_eq!(nearest("proxy_pass", ["addr"]), None);
    }

    #[test]
    fn the_far_is_not_suggested() {
        assert_eq!(nearest("colour", ["path", "service"]), None);
        assert_eq!(nearest("x", ["path", "grpc"]), None);
        assert_eq!(nearest("anything", []), None);
        // The twin pair at the limit: two of six letters, three of six.
        assert_eq!(nearest("sxxtic", ["static"]), Some("static"));
        assert_eq!(nearest("sxxxic", ["static"]), None);
    }
}
