//! Names and values of fields, looked at eight bytes at a time. Owns the three questions that are asked of every field of every
//! message: is it called so, is it sound, how is it in lower case. Refuses to know what a field means. Invariant: each gives what a loop over
//! the bytes would.

/// A byte in each place of a word.
const fn all(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

const LOW_BITS: u64 = all(0x7f);
const HIGH_BITS: u64 = all(0x80);

/// The high bit of each byte from `first` to `last`, both of ASCII.
#[inline(always)]
const fn between(word: u64, first: u8, last: u8) -> u64 {
    let low = word & LOW_BITS;
    let from_first = low + all(0x80 - first);
    let beyond_last = low + all(0x7f - last);
    (from_first ^ beyond_last) & !word & HIGH_BITS
}

/// The high bit of each byte that is `byte`.
#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ all(byte);
    !(((other & LOW_BITS) + LOW_BITS) | other) & HIGH_BITS
}

/// Eight bytes of `bytes` from `at` on, the last eight if there are fewer behind it; padded if there are fewer in all.
#[inline(always)]
fn word_of<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let from = at.min(N.saturating_sub(8));
    match bytes.get(from..).and_then(|rest| rest.first_chunk()) {
        Some(eight) => u64::from_ne_bytes(*eight),
        None => {
            let mut padded = [0; 8];
            for (slot, byte) in padded.iter_mut().zip(bytes) {
                *slot = *byte;
            }
            u64::from_ne_bytes(padded)
        }
    }
}

/// Whether `name` is `lower`, in any case; `lower` is a name in lower case that the compiler knows.
#[inline(always)]
pub(crate) fn is_named<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    let Ok(name) = <&[u8; N]>::try_from(name) else {
        return false;
    };
    let (mut at, mut differs) = (0, 0);
    while at < N {
        let (one, other) = (word_of(name, at), word_of(lower, at));
        // The bit by which cases differ, where there is a letter.
        let case = between(other, b'a', b'z') >> 2;
        differs |= (one ^ other) & !case;
        at += 8;
    }
    differs == 0
}

/// Gives each word of `bytes`, the last one with bytes of the one before, to `sound`; those of less than eight to `each`. Stops at
/// the first `false`.
#[inline(always)]
fn all_sound(bytes: &[u8], sound: impl Fn(u64) -> bool, each: impl Fn(u8) -> bool) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().all(|byte| each(*byte));
    };
    let mut words = bytes.chunks_exact(8).filter_map(<[u8]>::first_chunk);
    words.all(|word| sound(u64::from_ne_bytes(*word))) && sound(u64::from_ne_bytes(*last))
}

/// Whether all bytes are lower-case letters, digits or `-`: a name that nobody need look at twice.
#[inline]
pub(crate) fn is_plain_name(name: &[u8]) -> bool {
    let sound = |word| {
        between(word, b'a', b'z') | between(word, b'0', b'9') | equal(word, b'-') == HIGH_BITS
    };
    let each = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && all_sound(name, sound, each)
}

/// Whether no byte is a control character; the tab is one here.
#[inline]
pub(crate) fn is_plain_value(value: &[u8]) -> bool {
    let sound = |word| between(word, 0, b' ' - 1) | equal(word, 0x7f) == 0;
    all_sound(value, sound, |byte| byte >= b' ' && byte != 0x7f)
}

/// One of [`PLACES`] numbers for a name; those of names that are equal but for their case are equal. From its last eight bytes, for
/// browsers send many that begin alike.
#[inline]
pub(crate) fn place_of(name: &[u8]) -> usize {
    /// Spreads what differs anywhere in the word over its high bits.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let word = match name.last_chunk() {
        Some(last) => u64::from_ne_bytes(*last),
        None => name
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let word = (word | all(0x20)) ^ name.len() as u64;
    (word.wrapping_mul(FACTOR) >> (u64::BITS - PLACES.ilog2())) as usize
}

/// Places of names: few enough to be forgotten for each head.
pub(crate) const PLACES: usize = 512;

/// Appends `name` in lower case.
#[inline]
pub(crate) fn push_lower(out: &mut Vec<u8>, name: &[u8]) {
    let from = out.len();
    out.extend_from_slice(name);
    let Some(new) = out.get_mut(from..) else {
        return;
    };
    let Some(last) = name.last_chunk::<8>() else {
        return new.make_ascii_lowercase();
    };
    let lower = |eight: &[u8; 8]| {
        let word = u64::from_ne_bytes(*eight);
        (word | (between(word, b'A', b'Z') >> 2)).to_ne_bytes()
    };
    for eight in new.chunks_exact_mut(8) {
        if let Some(eight) = eight.first_chunk_mut() {
            *eight = lower(eight);
        }
    }
    if let Some(slot) = new.last_chunk_mut() {
        *slot = lower(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of every length up to 40, of every byte, with another byte at every place.
    fn texts(mut look: impl FnMut(&[u8])) {
        for length in 0..40 {
            let plain: Vec<u8> = b"content-7-length"
                .iter()
                .cycle()
                .take(length)
                .copied()
                .collect();
            look(&plain);
            for at in 0..length {
                for byte in 0..=255 {
                    let mut other = plain.clone();
                    other[at] = byte;
                    look(&other);
                }
            }
        }
    }

    #[test]
    fn lower_case_is_what_each_byte_is_in_lower_case() {
        texts(|text| {
            let mut out = b"before ".to_vec();
            push_lower(&mut out, text);
            assert_eq!(out[7..], text.to_ascii_lowercase());
        });
        let upper = b"CONTENT-LENGTH_AND@THE[REST`OF{IT".as_slice();
        let mut out = Vec::new();
        push_lower(&mut out, upper);
        assert_eq!(out, upper.to_ascii_lowercase());
    }

    #[test]
    fn names_that_differ_in_case_have_one_place_and_those_of_a_browser_have_their_own() {
        texts(|text| {
            let place = place_of(text);
            assert!(place < PLACES);
            assert_eq!(place, place_of(&text.to_ascii_uppercase()), "{text:?}");
            assert_eq!(place, place_of(&text.to_ascii_lowercase()), "{text:?}");
        });
        let mut names = [
            "Host",
            "User-Agent",
            "Accept",
            "Accept-Language",
            "Accept-Encoding",
            "Referer",
            "Connection",
            "Cookie",
            "Upgrade-Insecure-Requests",
            "Sec-Fetch-Dest",
            "Sec-Fetch-Mode",
            "Sec-Fetch-Site",
            "Sec-Fetch-User",
            "Priority",
            "Origin",
            "Content-Type",
            "Content-Length",
            "Authorization",
            "If-None-Match",
            "DNT",
        ]
        .map(|name| place_of(name.as_bytes()));
        names.sort_unstable();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    }

    #[test]
    fn plain_is_what_each_byte_allows() {
        texts(|text| {
            let name = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
            let expected = !text.is_empty() && text.iter().all(name);
            assert_eq!(is_plain_name(text), expected, "{text:?}");
            let expected = !text.iter().any(u8::is_ascii_control);
            assert_eq!(is_plain_value(text), expected, "{text:?}");
        });
    }

    #[test]
    fn a_name_is_itself_in_any_case_and_nothing_else() {
        fn look<const N: usize>(lower: &[u8; N]) {
            assert!(is_named(lower, lower) && is_named(&lower.to_ascii_uppercase(), lower));
            assert!(
                !is_named(&lower[1..], lower) && !is_named(&[lower, &b"x"[..]].concat(), lower)
            );
            for at in 0..N {
                for byte in 0..=255 {
                    let mut other = *lower;
                    other[at] = byte;
                    let expected = other.eq_ignore_ascii_case(lower);
                    assert_eq!(is_named(&other, lower), expected, "{other:?}");
                }
            }
        }
        look(b"te");
        look(b"date");
        look(b"upgrade");
        look(b"x-re-qid");
        look(b"keep-alive");
        look(b"content-length");
        look(b"proxy-connection");
        look(b"transfer-encoding");
    }
}
