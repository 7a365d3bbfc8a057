//! Query parameters.
//!
//! Owns the split of a query into names and values and the rule "the first of repeated names".
//! Refuses more than [`QUERY_PARAMETERS_MAX`] of them, since repeated names are found by
//! comparison. Invariant: a pair is yielded or it is an error; nothing is dropped but empty pairs.

use std::borrow::Cow;

use crate::error::RequestError;
use crate::limits::QUERY_PARAMETERS_MAX;
use crate::percent::decode_form;

/// A name and its value, decoded; any bytes.
pub type Parameter<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Iterates over all pairs of `a=b&c`, decoded, in order. `+` is a space; a name without `=` has
/// an empty value; empty pairs are skipped. `;` is an ordinary character.
///
/// # Errors
/// An item is 400 for a bad escape.
pub fn pairs(query: &str) -> impl Iterator<Item = Result<Parameter<'_>, RequestError>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_form(name)?, decode_form(value)?))
        })
}

/// The parameters in their order, as [`pairs`], no more than a server takes.
///
/// An item is 400 for a bad escape, or for the first of more than [`QUERY_PARAMETERS_MAX`] pairs.
pub fn limited(query: &str) -> impl Iterator<Item = Result<Parameter<'_>, RequestError>> {
    pairs(query).enumerate().map(|(index, pair)| {
        if index == QUERY_PARAMETERS_MAX {
            return Err(RequestError::limit(
                400,
                "The query has more parameters than the server takes",
                "query_parameters_max",
                QUERY_PARAMETERS_MAX as u64,
            ));
        }
        pair
    })
}

/// The parameters by name, the first of repeated ones, in order of first appearance.
///
/// # Errors
/// 400 for a bad escape anywhere in the query, or for more than [`QUERY_PARAMETERS_MAX`] pairs.
pub fn first_of_each(query: &str) -> Result<Vec<Parameter<'_>>, RequestError> {
    let mut found: Vec<Parameter<'_>> = Vec::new();
    for pair in limited(query) {
        let (name, value) = pair?;
        if !found.iter().any(|(other, _)| *other == name) {
            found.push((name, value));
        }
    }
    Ok(found)
}
