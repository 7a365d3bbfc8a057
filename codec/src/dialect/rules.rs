//! The rows of protocol.md section 6.

/// Whose behaviour a rule is about.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// The Go module.
    Go,
    /// The npm package.
    Node,
    /// Both.
    Both,
}

/// Where a rule is kept.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Where {
    /// Here.
    Codec,
}

/// One row.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `G`, `N` or `B` and a number.
    pub id: &'static str,
    /// Who does it.
    pub who: Who,
}

/// All rows.
pub const RULES: &[Rule] = &[];
