//! A script of operations out of any bytes: what a fuzzer found plays again wherever it is replayed.

pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte; zeros behind the end.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    /// A length: mostly short, sometimes beyond every limit of a message.
    pub fn length(&mut self) -> usize {
        match self.byte() {
            short @ 0..=191 => usize::from(short),
            long => usize::from(long - 191) * 1_100,
        }
    }

    /// Up to `count` bytes, as many as are left.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
