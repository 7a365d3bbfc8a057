//! Lists that a peer sent, seen in place: service names and node ids. Bounds are checked once, when the list is made.

use crate::node_id::NodeId;
use crate::wire::Reader;

/// Received service names, bounds-checked: iterating cannot fail. Names are bytes; nothing says that they are UTF-8.
#[derive(Copy, Clone, Debug)]
pub struct NamesRef<'a> {
    count: u8,
    bytes: &'a [u8],
}

impl<'a> NamesRef<'a> {
    /// `u8 n`, n × (`u8 len`, bytes).
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Option<Self> {
        let count = reader.u8()?;
        let start = reader.rest();
        for _ in 0..count {
            reader.name()?;
        }
        let bytes = start.get(..start.len() - reader.rest().len())?;
        Some(Self { count, bytes })
    }

    /// How many names.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// True if there is no name.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The names in the order of preference that the caller gave them.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || reader.name())
    }
}

/// Received node ids, bounds-checked: iterating cannot fail. Entries with port 0 are skipped: Node passes on what it was told.
#[derive(Copy, Clone, Debug)]
pub struct IdsRef<'a> {
    count: u8,
    bytes: &'a [u8],
}

impl<'a> IdsRef<'a> {
    /// `u8 n`, n × ID.
    pub(crate) fn decode(reader: &mut Reader<'a>) -> Option<Self> {
        let count = reader.u8()?;
        let start = reader.rest();
        let mut valid = 0u8;
        for _ in 0..count {
            let raw = NodeId::take_raw(reader)?;
            valid += u8::from(NodeId::from_raw(raw).is_ok());
        }
        let bytes = start.get(..start.len() - reader.rest().len())?;
        Some(Self {
            count: valid,
            bytes,
        })
    }

    /// How many valid ids.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// True if there is no valid id.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The ids in the order sent.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + 'a {
        let mut reader = Reader::new(self.bytes);
        std::iter::from_fn(move || NodeId::take_raw(&mut reader))
            .filter_map(|raw| NodeId::from_raw(raw).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_believed_only_as_far_as_bytes_go() {
        assert!(NamesRef::decode(&mut Reader::new(&[255])).is_none());
        assert!(IdsRef::decode(&mut Reader::new(&[1, 0, 0])).is_none());
        let names = NamesRef::decode(&mut Reader::new(&[2, 1, b'a', 0])).unwrap();
        assert_eq!(names.iter().collect::<Vec<_>>(), [&b"a"[..], b""]);
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn an_id_with_port_zero_is_skipped_and_its_neighbours_stay() {
        let good = NodeId::new([1; 32], ([10, 0, 0, 1], 9000).into());
        let mut bytes = vec![3];
        good.encode(&mut bytes);
        NodeId::new([2; 32], ([10, 0, 0, 2], 0).into()).encode(&mut bytes);
        good.encode(&mut bytes);
        let ids = IdsRef::decode(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(ids.len(), 2);
        assert!(ids.iter().all(|id| id == good));
    }
}
