//! Content codings (RFC 9110 8.4 and 12.5.3).
//!
//! Owns what a client accepts and which stored form it gets. Refuses to compress: forms lie beside the file. Invariant: there
//! is always an answer; a client that refuses everything gets the file as it is, which RFC 9110 12.5.3 allows.

use crate::headers;

/// How a stored form is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// `.br`
    Brotli,
    /// `.zst`
    Zstd,
    /// `.gz`
    Gzip,
}

impl Coding {
    /// Those that lie beside a file, the best first.
    pub const NEIGHBOURS: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// What the neighbour's name ends with.
    pub fn suffix(self) -> &'static str {
        match self {
            Coding::Identity => "",
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    /// The value of Content-Encoding.
    pub fn token(self) -> Option<&'static str> {
        match self {
            Coding::Identity => None,
            Coding::Brotli => Some("br"),
            Coding::Zstd => Some("zstd"),
            Coding::Gzip => Some("gzip"),
        }
    }
}

/// What Accept-Encoding says, as weights in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepts {
    identity: u16,
    /// In the order of [`Coding::NEIGHBOURS`].
    neighbours: [u16; 3],
}

/// What is not named has this weight where it is acceptable at all: below everything that is named.
const UNNAMED: u16 = 1;

impl Accepts {
    /// Reads the values of Accept-Encoding. Without any, a client gets the file as it is.
    pub fn read<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Accepts {
        let (mut named, mut others) = ([None; 4], None);
        for element in fields.flat_map(headers::list) {
            let mut parts = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let weight = parts.find_map(weight_of).unwrap_or(Some(1000));
            // A weight that is none says nothing.
            let Some(weight) = weight else { continue };
            let is = |token: &str| name.eq_ignore_ascii_case(token.as_bytes());
            if is("*") {
                others = others.or(Some(weight));
            } else if is("identity") {
                named[0] = named[0].or(Some(weight));
            } else if is("br") {
                named[1] = named[1].or(Some(weight));
            } else if is("zstd") {
                named[2] = named[2].or(Some(weight));
            } else if is("gzip") || is("x-gzip") {
                named[3] = named[3].or(Some(weight));
            }
        }
        let [identity, brotli, zstd, gzip] = named;
        let coded = |weight: Option<u16>| weight.or(others).unwrap_or(0);
        Accepts {
            identity: identity.or(others).unwrap_or(UNNAMED),
            neighbours: [coded(brotli), coded(zstd), coded(gzip)],
        }
    }

    /// Which of the stored forms the client gets; `there` in the order of [`Coding::NEIGHBOURS`]. Of equal weights the
    /// smallest form, by rule of thumb brotli, zstd, gzip.
    pub fn choose(&self, there: [bool; 3]) -> Coding {
        let mut best = (Coding::Identity, self.identity);
        for (at, coding) in Coding::NEIGHBOURS.into_iter().enumerate().rev() {
            let weight = self.neighbours[at];
            if there[at] && weight > 0 && weight >= best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }
}

/// `q=0.5` as 500; `None` for another parameter, `Some(None)` for a weight that is none (RFC 9110 12.4.2).
fn weight_of(parameter: &[u8]) -> Option<Option<u16>> {
    let [b'q' | b'Q', b'=', text @ ..] = parameter else {
        return None;
    };
    let (whole, digits) = match text {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return Some(None),
    };
    let mut thousandths = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return Some(None),
    };
    let mut unit = 100;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Some(None);
        }
        thousandths += u16::from(digit - b'0') * unit;
        unit /= 10;
    }
    Some((thousandths <= 1000).then_some(thousandths))
}
