//! A cursor over received bytes. Each method gives `None` where the input is too short and then leaves the cursor where it was.

#[derive(Copy, Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// `u8 len, bytes`
    pub(crate) fn name(&mut self) -> Option<&'a [u8]> {
        let before = *self;
        let len = self.u8()?;
        let taken = self.take(usize::from(len));
        if taken.is_none() {
            *self = before;
        }
        taken
    }

    /// `u16 len, bytes`
    pub(crate) fn value(&mut self) -> Option<&'a [u8]> {
        let before = *self;
        let len = self.u16()?;
        let taken = self.take(usize::from(len));
        if taken.is_none() {
            *self = before;
        }
        taken
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_input_gives_none_and_moves_nothing() {
        let mut reader = Reader::new(&[3, b'a', b'b']);
        assert_eq!(reader.name(), None);
        assert_eq!(reader.rest(), &[3, b'a', b'b']);
        assert_eq!(reader.u32(), None);
        assert_eq!(reader.u16(), Some(0x0361));
        assert_eq!(reader.value(), None);
        assert_eq!(reader.u8(), Some(b'b'));
        assert_eq!(reader.u8(), None);
        assert!(reader.is_empty());
    }

    #[test]
    fn names_and_values_come_back() {
        let mut reader = Reader::new(&[1, b'a', 0, 2, b'b', b'c', 0]);
        assert_eq!(reader.name(), Some(&b"a"[..]));
        assert_eq!(reader.value(), Some(&b"bc"[..]));
        assert_eq!(reader.name(), Some(&b""[..]));
    }
}
