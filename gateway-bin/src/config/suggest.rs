//! The nearest known name to one that was mistyped.
//!
//! Owns the distance and where it is too far to be helpful: a wrong suggestion is worse than none.

/// The candidate nearest to `word`, if one is near enough: at most a third of the letters wrong.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word = word.to_lowercase();
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
    fn the_far_is_not_suggested() {
        assert_eq!(nearest("colour", ["path", "service"]), None);
        assert_eq!(nearest("x", ["path", "grpc"]), None);
        assert_eq!(nearest("anything", []), None);
        // The twin pair at the limit: two of six letters, three of six.
        assert_eq!(nearest("sxxtic", ["static"]), Some("static"));
        assert_eq!(nearest("sxxxic", ["static"]), None);
    }
}
