//! The tables of `published_cases.rs`.

pub(crate) mod bodies;
pub(crate) mod requests;
pub(crate) mod smuggling;

/// A [`Case`](crate::Case) in one line.
macro_rules! case {
    ($input:expr, $verdict:expr, $why:expr) => {
        crate::Case {
            input: $input,
            verdict: $verdict,
            why: $why,
        }
    };
}
pub(crate) use case;
