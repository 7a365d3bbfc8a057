//! Route patterns: `METHOD /path/:param/*rest`.
//!
//! Owns the syntax of patterns and their translation for matchit. Refuses what could never match
//! or would be ambiguous. Invariant: the shape of a pattern depends on where its parameters are,
//! not on their names, so that routes that take the same paths have equal shapes.

use crate::headers::is_token;
use crate::limits::ROUTE_PARAMETERS_MAX;

use super::RouteError;

/// A piece of a pattern's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Literal bytes, slashes included.
    Literal(String),
    /// `:name`: the rest of a segment, not empty.
    Param,
    /// `*name`: all that follows the slash before it, that slash included.
    CatchAll,
}

/// A parsed pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// As written.
    pub(super) text: String,
    /// A method token, or `ANY`.
    pub(super) method: String,
    pub(super) parts: Vec<Part>,
    /// Names of the parameters in order of their parts.
    pub(super) names: Vec<String>,
}

/// The method name that stands for all of them.
pub(super) const ANY: &str = "ANY";

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, RouteError> {
        let refuse = |reason: &'static str| RouteError::Pattern {
            pattern: text.to_owned(),
            reason,
        };
        let mut words = text.split_ascii_whitespace();
        let (Some(method), Some(path), None) = (words.next(), words.next(), words.next()) else {
            return Err(refuse(
                "write a method and a path, such as \"GET /todos/:id\"",
            ));
        };
        if !is_token(method.as_bytes()) || method.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(refuse(
                "the method is not an upper-case name such as GET or ANY",
            ));
        }
        if method == "CONNECT" || method == "TRACE" {
            return Err(refuse("CONNECT and TRACE are never routed"));
        }
        if !path.starts_with('/') {
            return Err(refuse("the path does not begin with /"));
        }
        if path.contains(['?', '#']) {
            return Err(refuse("routes match on the path alone; leave ? and # out"));
        }
        if !path.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(refuse(
                "the path has a character that clients send percent-encoded",
            ));
        }
        let mut pattern = Pattern {
            text: text.to_owned(),
            method: method.to_owned(),
            parts: Vec::new(),
            names: Vec::new(),
        };
        pattern.parse_path(path).map_err(refuse)?;
        Ok(pattern)
    }

    fn parse_path(&mut self, path: &str) -> Result<(), &'static str> {
        let mut rest = path;
        while let Some(at) = rest.find([':', '*']) {
            let (literal, wild) = rest.split_at(at);
            if !literal.is_empty() {
                self.parts.push(Part::Literal(literal.to_owned()));
            }
            let end = wild.find('/').unwrap_or(wild.len());
            let (wild, tail) = wild.split_at(end);
            let (kind, name) = wild.split_at(1);
            let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
            if name.is_empty() || !name.bytes().all(is_name_byte) {
                return Err("a parameter needs a name of letters, digits, _, - and .");
            }
            if self.names.iter().any(|other| other == name) {
                return Err("two parameters have the same name");
            }
            if self.names.len() == ROUTE_PARAMETERS_MAX {
                return Err("the path has more than 16 parameters");
            }
            self.names.push(name.to_owned());
            if kind == ":" {
                self.parts.push(Part::Param);
            } else if !tail.is_empty() || !literal.ends_with('/') {
                return Err("*name takes all that follows a slash, so it is a segment, the last");
            } else {
                self.parts.push(Part::CatchAll);
            }
            rest = tail;
        }
        if !rest.is_empty() {
            self.parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(())
    }

    pub(super) fn has_catch_all(&self) -> bool {
        self.parts.last() == Some(&Part::CatchAll)
    }

    /// The path in matchit's syntax; `folded` in lower case.
    pub(super) fn shape(&self, folded: bool) -> String {
        self.shape_of(&self.parts, folded)
    }

    /// For a catch-all, the shape of the path that ends with its slash, which matchit does not
    /// count to it.
    pub(super) fn shape_without_rest(&self, folded: bool) -> Option<String> {
        match self.parts.split_last() {
            Some((Part::CatchAll, parts)) => Some(self.shape_of(parts, folded)),
            _ => None,
        }
    }

    fn shape_of(&self, parts: &[Part], folded: bool) -> String {
        let mut shape = String::new();
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Literal(text) => {
                    let text = text.replace('{', "{{").replace('}', "}}");
                    shape.push_str(&if folded {
                        text.to_ascii_lowercase()
                    } else {
                        text
                    });
                }
                Part::Param => shape.push_str(&format!("{{p{index}}}")),
                Part::CatchAll => shape.push_str("{*rest}"),
            }
        }
        shape
    }
}
