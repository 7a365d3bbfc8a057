//! Route patterns: `"METHOD /path/:param/*rest"`.
//!
//! Owns the grammar, which is the seed's router's: one space, the method in any case, `:name` up to the next
//! slash, `*name` as the last part alone. Patterns match the raw path, so they are written percent-encoded.
//! Which patterns cannot stand side by side is the router's to say (`clash`).

use super::model::Method;
use super::schema::shorten;
use super::suggest;
use crate::limits::{PARAM_NAME_BYTES_MAX, ROUTE_PARAMS_MAX, ROUTE_PATH_BYTES_MAX};

/// A route pattern, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// `None` for `ANY`.
    pub(super) method: Option<Method>,
    pub(super) path: String,
}

impl Pattern {
    /// The pattern as the router takes it.
    pub(super) fn text(&self) -> String {
        format!(
            "{} {}",
            self.method.map_or("ANY", Method::as_str),
            self.path
        )
    }

    /// The names of the parameters, as written.
    pub(super) fn params(&self) -> impl Iterator<Item = &str> {
        params_of(&self.path).map(|(_, _, name, _)| name)
    }
}

/// Reads `"METHOD /path"`.
///
/// # Errors
/// A sentence that says what is wrong and what to write instead, to follow the key's name.
pub(super) fn parse(text: &str) -> Result<Pattern, String> {
    let shown = shorten(text);
    let mut fields = text.split_whitespace();
    let (method, path) = match (fields.next(), fields.next(), fields.next()) {
        (Some(method), Some(path), None) => (method, path),
        (Some(only), None, None) if only.starts_with('/') => {
            return Err(format!("is \"{shown}\", which has no method: write \"GET {shown}\", or \"ANY {shown}\" for every method"));
        }
        (Some(_), Some(_), Some(_)) => {
            return Err(format!("is \"{shown}\", which has more than two parts: write \"METHOD /path\", a space in the path as %20"));
        }
        _ => {
            return Err(format!(
                "is \"{shown}\": write method and path, such as \"GET /hello\""
            ))
        }
    };
    let method = parse_method(method)?;
    check_path(path)?;
    Ok(Pattern {
        method,
        path: path.to_owned(),
    })
}

fn parse_method(text: &str) -> Result<Option<Method>, String> {
    let upper = text.to_ascii_uppercase();
    if upper == "ANY" {
        return Ok(None);
    }
    if let Some(method) = Method::ALL
        .into_iter()
        .find(|method| method.as_str() == upper)
    {
        return Ok(Some(method));
    }
    let shown = shorten(text);
    if let "CONNECT" | "TRACE" = upper.as_str() {
        return Err(format!(
            "names the method {upper}, which the gateway always refuses: remove the route"
        ));
    }
    let names = Method::ALL.map(Method::as_str);
    match suggest::nearest(&upper, names.into_iter().chain(["ANY"])) {
        Some(near) => Err(format!(
            "names the method \"{shown}\", which is not known: write {near}"
        )),
        None => Err(format!(
            "names the method \"{shown}\", which is not known: write {} or ANY",
            names.join(", ")
        )),
    }
}

fn check_path(path: &str) -> Result<(), String> {
    let shown = shorten(path);
    if !path.starts_with('/') {
        return Err(format!(
            "has the path \"{shown}\", which does not begin with a slash: write \"/{shown}\""
        ));
    }
    if path.len() > ROUTE_PATH_BYTES_MAX {
        return Err(format!(
            "has a path of {} bytes: write at most {ROUTE_PATH_BYTES_MAX}",
            path.len()
        ));
    }
    if let Some(odd) = path.chars().find(|c| !c.is_ascii_graphic()) {
        let encoded: String = odd
            .to_string()
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        return Err(format!("has the path \"{shown}\", but paths are matched percent-encoded: write {encoded} for '{}'", odd.escape_debug()));
    }
    if let Some(odd) = path.chars().find(|c| matches!(c, '?' | '#')) {
        return Err(format!(
            "has the path \"{shown}\", but a route matches the path alone: remove what begins with '{odd}' (query parameters reach the service as `query.NAME`)"
        ));
    }
    if let Some(odd) = path
        .chars()
        .find(|c| matches!(c, '{' | '}' | '"' | '<' | '>' | '\\' | '^' | '`' | '|'))
    {
        return Err(match odd {
            '{' | '}' => format!(
                "has the path \"{shown}\": write a parameter as \":name\" and a rest as \"*name\""
            ),
            odd => format!(
                "has the path \"{shown}\", in which '{odd}' cannot stand: write %{:02X}",
                u32::from(odd)
            ),
        });
    }
    check_escapes(path).map_err(|escape| {
        format!("has the path \"{shown}\", in which \"{}\" is not an escape: write % and two hex digits, %25 for a percent sign", shorten(escape))
    })?;
    check_params(path, &shown)
}

fn check_escapes(path: &str) -> Result<(), &str> {
    let mut rest = path;
    while let Some(percent) = rest.find('%') {
        rest = &rest[percent..];
        let digits = rest.as_bytes().get(1..3).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(rest.get(..3).unwrap_or(rest));
        }
        rest = &rest[3..];
    }
    Ok(())
}

fn check_params(path: &str, shown: &str) -> Result<(), String> {
    let mut names: Vec<String> = Vec::new();
    for (sign, literal, name, is_last) in params_of(path) {
        let shown_name = shorten(name);
        if sign == '*' && !is_last {
            return Err(format!("has the path \"{shown}\", but \"*{shown_name}\" takes the whole rest: write it last"));
        }
        if sign == '*' && !literal.is_empty() {
            return Err(format!(
                "has the path \"{shown}\", but '*' begins a part: write \"/*name\", or %2A for the character"
            ));
        }
        if name.is_empty() {
            return Err(format!(
                "has the path \"{shown}\", in which a parameter has no name: write one, such as \"{sign}name\", or %{:02X} for the character",
                u32::from(sign)
            ));
        }
        if name.len() > PARAM_NAME_BYTES_MAX {
            return Err(format!(
                "has a parameter name of {} bytes: write at most {PARAM_NAME_BYTES_MAX}",
                name.len()
            ));
        }
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        {
            return Err(format!(
                "has the path \"{shown}\", whose parameter \"{shown_name}\" has odd characters: write letters, digits, '_', '-' and '.'"
            ));
        }
        // Services see `params.NAME` in lower case, so names that differ in case alone are one.
        let lower = name.to_ascii_lowercase();
        if names.contains(&lower) {
            return Err(format!(
                "has the path \"{shown}\", which names the parameter \"{shown_name}\" twice: write two names"
            ));
        }
        names.push(lower);
        if names.len() > ROUTE_PARAMS_MAX {
            return Err(format!("has more than {ROUTE_PARAMS_MAX} parameters: write fewer, or take the rest with \"*name\""));
        }
    }
    Ok(())
}

/// The parameters of a path: sign, what stands before it in its part, name, and whether its part is the last.
fn params_of(path: &str) -> impl Iterator<Item = (char, &str, &str, bool)> {
    let last = path.split('/').count() - 1;
    path.split('/')
        .enumerate()
        .filter_map(move |(index, part)| {
            let at = part.find([':', '*'])?;
            let (literal, param) = part.split_at(at);
            let sign = if param.starts_with('*') { '*' } else { ':' };
            Some((sign, literal, &param[1..], index == last))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read() {
        for (text, method, path) in [
            ("GET /", Some(Method::Get), "/"),
            ("get /hello", Some(Method::Get), "/hello"),
            ("  POST   /:id ", Some(Method::Post), "/:id"),
            ("ANY /files/*rest", None, "/files/*rest"),
            ("OPTIONS /a/:b/c/:d", Some(Method::Options), "/a/:b/c/:d"),
            ("GET /caf%C3%A9", Some(Method::Get), "/caf%C3%A9"),
            ("GET /a//b/", Some(Method::Get), "/a//b/"),
            ("GET /v:version/a", Some(Method::Get), "/v:version/a"),
        ] {
            assert_eq!(
                parse(text),
                Ok(Pattern {
                    method,
                    path: path.to_owned()
                }),
                "{text}"
            );
        }
        assert_eq!(parse("any  /x").unwrap().text(), "ANY /x");
    }

    #[test]
    fn mistakes_say_what_to_write() {
        for (text, want) in [
            ("", "write method and path"),
            ("GET", "write method and path"),
            ("/hello", "write \"GET /hello\""),
            ("GET /a b", "a space in the path as %20"),
            ("GTE /", "write GET"),
            (
                "FETCH /",
                "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or ANY",
            ),
            ("TRACE /", "always refuses"),
            ("connect /", "always refuses"),
            ("GET hello", "write \"/hello\""),
            ("GET /café", "write %C3%A9 for 'é'"),
            ("GET /a?b=c", "remove what begins with '?'"),
            ("GET /{id}", "write a parameter as \":name\""),
            ("GET /a|b", "write %7C"),
            ("GET /%zz", "\"%zz\" is not an escape"),
            ("GET /%2", "\"%2\" is not an escape"),
            ("GET /%", "\"%\" is not an escape"),
            ("GET /a*b", "'*' begins a part"),
            ("GET /v:a:b", "odd characters"),
            ("GET /*rest/more", "write it last"),
            ("GET /*rest/", "write it last"),
            ("GET /:", "such as \":name\""),
            ("GET /:a/:A", "names the parameter \"A\" twice"),
            ("GET /:a=b", "odd characters"),
        ] {
            let message = parse(text).expect_err(text);
            assert!(message.contains(want), "{text}: {message}");
        }
    }

    #[test]
    fn lengths_at_their_limits() {
        let name = "p".repeat(PARAM_NAME_BYTES_MAX);
        assert!(parse(&format!("GET /:{name}")).is_ok());
        assert!(parse(&format!("GET /:{name}p"))
            .unwrap_err()
            .contains("at most 248"));
        let path = "/".repeat(ROUTE_PATH_BYTES_MAX);
        assert!(parse(&format!("GET {path}")).is_ok());
        assert!(parse(&format!("GET {path}/"))
            .unwrap_err()
            .contains("at most 4096"));
    }

    #[test]
    fn as_many_parameters_as_the_router_takes_and_no_more() {
        let path = |count: usize| {
            (0..count)
                .map(|number| format!("/:p{number}"))
                .collect::<String>()
        };
        assert!(parse(&format!("GET {}", path(ROUTE_PARAMS_MAX))).is_ok());
        assert!(parse(&format!("GET {}", path(ROUTE_PARAMS_MAX + 1)))
            .unwrap_err()
            .contains("more than 16"));
    }
}
