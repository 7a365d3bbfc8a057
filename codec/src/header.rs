//! Headers in the wire's own form: `u8 len, name, u16 len, value` each. Owns the bounds (rule B01); refuses to give meaning to
//! names. Invariant: the bytes of a [`HeaderBlock`] or [`HeadersRef`] hold exactly `count` well-formed pairs.

use crate::error::HeaderTooLarge;
use crate::limits::{NAME_BYTES_MAX, VALUE_BYTES_MAX};
use crate::wire::{put_u16, Reader};

/// Headers to send. Encoding a request head is one copy of this block, and the same block can be sent to a second provider.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct HeaderBlock {
    count: u16,
    bytes: Vec<u8>,
}

impl HeaderBlock {
    /// An empty block; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            count: 0,
            bytes: Vec::new(),
        }
    }

    /// An empty block with room for `bytes`, so that pushing a usual head does not allocate again and again.
    #[must_use]
    pub fn with_room(bytes: usize) -> Self {
        Self {
            count: 0,
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// Bytes that the block can hold without allocating.
    #[must_use]
    pub fn room(&self) -> usize {
        self.bytes.capacity()
    }

    /// Replaces what is in the block by received headers; keeps its memory.
    pub fn copy_from(&mut self, headers: HeadersRef<'_>) {
        self.count = headers.count;
        self.bytes.clear();
        self.bytes.extend_from_slice(headers.bytes);
    }

    /// Adds all headers of another block, in one copy.
    ///
    /// # Errors
    /// More than 65,535 headers together. Nothing is added then.
    pub fn append(&mut self, other: &HeaderBlock) -> Result<(), HeaderTooLarge> {
        self.count = self
            .count
            .checked_add(other.count)
            .ok_or(HeaderTooLarge::Count)?;
        self.bytes.extend_from_slice(&other.bytes);
        Ok(())
    }

    /// Empties the block and keeps its memory.
    pub fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }

    /// True if there is no header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many headers.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Bytes of all pairs with their lengths, without the count.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a header.
    ///
    /// # Errors
    /// A name outside of 1 to 255 bytes, a value over 65,535 bytes, a 65,536th header (rule B01). Nothing is added then.
    #[inline]
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderTooLarge> {
        let (name_len, value_len) = self.begin(name.len(), value.len())?;
        self.bytes.push(name_len);
        self.bytes.extend_from_slice(name);
        put_u16(&mut self.bytes, value_len);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Counts a header of these lengths and makes room for it.
    fn begin(
        &mut self,
        name_bytes: usize,
        value_bytes: usize,
    ) -> Result<(u8, u16), HeaderTooLarge> {
        let name_len = u8::try_from(name_bytes)
            .ok()
            .filter(|len| *len > 0 && usize::from(*len) <= NAME_BYTES_MAX)
            .ok_or(HeaderTooLarge::Name { bytes: name_bytes })?;
        let value_len = u16::try_from(value_bytes)
            .ok()
            .filter(|len| usize::from(*len) <= VALUE_BYTES_MAX)
            .ok_or(HeaderTooLarge::Value { bytes: value_bytes })?;
        self.count = self.count.checked_add(1).ok_or(HeaderTooLarge::Count)?;
        self.bytes.reserve(3 + name_bytes + value_bytes);
        Ok((name_len, value_len))
    }

    /// Adds a header whose name and value come in parts, joined without a separator.
    ///
    /// # Errors
    /// As [`push`](Self::push), for the joined lengths.
    #[inline]
    pub fn push_parts(&mut self, name: &[&[u8]], value: &[&[u8]]) -> Result<(), HeaderTooLarge> {
        let name_bytes: usize = name.iter().map(|part| part.len()).sum();
        let value_bytes: usize = value.iter().map(|part| part.len()).sum();
        let (name_len, value_len) = self.begin(name_bytes, value_bytes)?;
        self.bytes.push(name_len);
        for part in name {
            self.bytes.extend_from_slice(part);
        }
        put_u16(&mut self.bytes, value_len);
        for part in value {
            self.bytes.extend_from_slice(part);
        }
        Ok(())
    }

    /// The headers in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.as_ref().iter()
    }

    /// The value of the first header of this name; names are compared byte by byte.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.as_ref().get(name)
    }

    /// A view of the block, as received headers are seen.
    #[must_use]
    pub fn as_ref(&self) -> HeadersRef<'_> {
        HeadersRef {
            count: self.count,
            bytes: &self.bytes,
        }
    }

    /// A copy of received headers.
    #[must_use]
    pub fn from_ref(headers: HeadersRef<'_>) -> Self {
        Self {
            count: headers.count,
            bytes: headers.bytes.to_vec(),
        }
    }

    /// The block in two pieces, without the first header of this name, and its value.
    pub(crate) fn without(&self, name: &[u8]) -> Without<'_> {
        let mut reader = Reader::new(&self.bytes);
        loop {
            let at = self.bytes.len() - reader.rest().len();
            let (Some(found), Some(value)) = (reader.name(), reader.value()) else {
                return Without {
                    value: None,
                    count: self.count,
                    before: &self.bytes,
                    behind: &[],
                };
            };
            if found == name {
                return Without {
                    value: Some(value),
                    count: self.count - 1,
                    before: self.bytes.get(..at).unwrap_or_default(),
                    behind: reader.rest(),
                };
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// A block without one of its headers.
pub(crate) struct Without<'a> {
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) count: u16,
    pub(crate) before: &'a [u8],
    pub(crate) behind: &'a [u8],
}

impl Without<'_> {
    pub(crate) fn byte_len(&self) -> usize {
        self.before.len() + self.behind.len()
    }
}

/// Received headers, already bounds-checked: iterating cannot fail.
#[derive(Copy, Clone, Debug)]
pub struct HeadersRef<'a> {
    count: u16,
    bytes: &'a [u8],
}

impl<'a> HeadersRef<'a> {
    /// `u16 m`, m pairs. `None` if the input ends before they do; the reader stands behind them otherwise.
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Option<Self> {
        let mut ahead = *reader;
        let count = ahead.u16()?;
        let (rest, mut at) = (ahead.rest(), 0);
        for _ in 0..count {
            let name = rest.get(at)?;
            at += 1 + usize::from(*name);
            let value = rest.get(at..)?.first_chunk::<2>()?;
            at += 2 + usize::from(u16::from_be_bytes(*value));
        }
        // Each length was within its bounds, and what the last one says is too.
        let bytes = ahead.take(at)?;
        *reader = ahead;
        Some(Self { count, bytes })
    }

    /// How many headers.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// True if there is no header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all pairs with their lengths, without the count.
    #[must_use]
    pub const fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The headers in order, repeated names included.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || Some((reader.name()?, reader.value()?)))
    }

    /// The value of the first header of this name; names are compared byte by byte.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter()
            .find_map(|(candidate, value)| (candidate == name).then_some(value))
    }

    /// A copy that outlives the input.
    #[must_use]
    pub fn to_block(&self) -> HeaderBlock {
        HeaderBlock::from_ref(*self)
    }

    /// `content-length` (any case) if it is there and is one valid number. Services write it as they like, so it is a promise to be
    /// checked (rules B02, B03).
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        let (_, value) = self
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(b"content-length"))?;
        let text = std::str::from_utf8(value).ok()?.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushed_headers_come_back_in_order_and_the_first_of_a_name_is_found() {
        let mut block = HeaderBlock::new();
        block.push(b"a", b"1").unwrap();
        block
            .push_parts(&[b"query.", b"x"], &[b"2", b"", b"3"])
            .unwrap();
        block.push(b"a", b"").unwrap();
        let pairs: Vec<_> = block.iter().collect();
        assert_eq!(
            pairs,
            [(&b"a"[..], &b"1"[..]), (b"query.x", b"23"), (b"a", b"")]
        );
        assert_eq!(block.get(b"a"), Some(&b"1"[..]));
        assert_eq!(block.get(b"A"), None);
        assert_eq!(block.count(), 3);
        assert_eq!(block.as_ref().to_block(), block);
        block.clear();
        assert!(block.is_empty() && block.byte_len() == 0);
    }

    #[test]
    fn a_refused_header_leaves_the_block_as_it_was() {
        let mut block = HeaderBlock::new();
        assert_eq!(
            block.push(b"", b"v"),
            Err(HeaderTooLarge::Name { bytes: 0 })
        );
        assert_eq!(
            block.push(&[b'n'; 256], b"v"),
            Err(HeaderTooLarge::Name { bytes: 256 })
        );
        assert_eq!(
            block.push(b"n", &vec![0; 65_536]),
            Err(HeaderTooLarge::Value { bytes: 65_536 })
        );
        assert!(block.is_empty() && block.byte_len() == 0);
        block.push(&[b'n'; 255], &vec![0; 65_535]).unwrap();
        for _ in 1..65_535 {
            block.push(b"n", b"").unwrap();
        }
        assert_eq!(block.push(b"n", b""), Err(HeaderTooLarge::Count));
        assert_eq!(block.count(), 65_535);
    }

    #[test]
    fn a_count_that_the_bytes_do_not_hold_is_refused_without_allocation() {
        assert!(HeadersRef::decode(&mut Reader::new(&[0xff, 0xff])).is_none());
        assert!(HeadersRef::decode(&mut Reader::new(&[0, 1, 1, b'a', 0, 1])).is_none());
        let mut reader = Reader::new(&[0, 1, 1, b'a', 0, 1, b'b', 9]);
        let headers = HeadersRef::decode(&mut reader).unwrap();
        assert_eq!(headers.get(b"a"), Some(&b"b"[..]));
        assert_eq!(reader.rest(), &[9]);
    }

    #[test]
    fn content_length_is_one_valid_number_or_nothing() {
        for (value, expected) in [
            (&b"12"[..], Some(12)),
            (b" 7 ", Some(7)),
            (b"+7", None),
            (b"-1", None),
            (b"", None),
            (b"99999999999999999999999", None),
            (b"1, 1", None),
            (b"\xff", None),
        ] {
            let mut block = HeaderBlock::new();
            block.push(b"Content-Length", value).unwrap();
            assert_eq!(block.as_ref().content_length(), expected, "{value:?}");
        }
    }
}
