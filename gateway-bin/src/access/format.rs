//! The two forms of a line (docs/http.md, "Access log"). Owns their fields and order; the names are the same in both.

use flatend_http::h1::Version;
use flatend_http::server::{End, Record, Text};

use super::escape;
use super::stamp::Stamp;

/// Appends the text form: the combined format with a time of RFC 3339, then `name=value`.
pub(super) fn text(out: &mut Vec<u8>, record: &Record<'_>, route: Option<&str>, stamp: &mut Stamp) {
    out.extend_from_slice(record.client.ip.as_bytes());
    out.extend_from_slice(b" - - [");
    stamp.push(out, record.unix_ms);
    out.extend_from_slice(b"] \"");
    escape::pushed(out, record.method);
    if let (Some(target), Some(version)) = (record.target, record.version) {
        out.push(b' ');
        escape::pushed(out, Some(target));
        out.push(b' ');
        out.extend_from_slice(version_text(version));
    }
    out.extend_from_slice(b"\" ");
    number_or(out, record.status.map(u64::from), b"-");
    out.push(b' ');
    number(out, record.response_bytes);
    for value in [record.referer, record.user_agent] {
        out.push(b' ');
        escape::quoted(out, value);
    }
    out.extend_from_slice(b" id=");
    escape::pushed(out, record.request_id);
    for (name, value) in [
        (&b" host="[..], record.host),
        (b" route=", route.map(whole)),
        (b" provider=", record.provider),
    ] {
        out.extend_from_slice(name);
        escape::quoted(out, value);
    }
    for (name, value) in [
        (&b" tries="[..], Some(u64::from(record.tries))),
        (b" bytes_in=", Some(record.request_bytes)),
        (b" duration_ms=", Some(record.duration_ms)),
        (b" upstream_ms=", record.upstream_ms),
    ] {
        out.extend_from_slice(name);
        number_or(out, value, b"-");
    }
    out.extend_from_slice(b" end=");
    out.extend_from_slice(end_text(record.end));
    out.push(b'\n');
}

/// Appends the JSON form: one object, every name in each, unknown values `null`.
pub(super) fn json(out: &mut Vec<u8>, record: &Record<'_>, route: Option<&str>, stamp: &mut Stamp) {
    out.extend_from_slice(b"{\"time\":\"");
    stamp.push(out, record.unix_ms);
    out.extend_from_slice(b"\",\"client\":\"");
    out.extend_from_slice(record.client.ip.as_bytes());
    out.extend_from_slice(b"\",\"port\":");
    number(out, u64::from(record.client.addr.port()));
    let version = record.version.map(|version| Text {
        bytes: version_text(version),
        is_cut: false,
    });
    for (name, value) in [
        (&b",\"id\":"[..], record.request_id),
        (b",\"method\":", record.method),
        (b",\"target\":", record.target),
        (b",\"version\":", version),
        (b",\"host\":", record.host),
        (b",\"route\":", route.map(whole)),
        (b",\"provider\":", record.provider),
        (b",\"referer\":", record.referer),
        (b",\"user_agent\":", record.user_agent),
    ] {
        out.extend_from_slice(name);
        escape::json(out, value);
    }
    for (name, value) in [
        (&b",\"status\":"[..], record.status.map(u64::from)),
        (b",\"bytes_out\":", Some(record.response_bytes)),
        (b",\"tries\":", Some(u64::from(record.tries))),
        (b",\"bytes_in\":", Some(record.request_bytes)),
        (b",\"duration_ms\":", Some(record.duration_ms)),
        (b",\"upstream_ms\":", record.upstream_ms),
    ] {
        out.extend_from_slice(name);
        number_or(out, value, b"null");
    }
    out.extend_from_slice(b",\"end\":\"");
    out.extend_from_slice(end_text(record.end));
    out.extend_from_slice(b"\"}\n");
}

fn whole(text: &str) -> Text<'_> {
    Text {
        bytes: text.as_bytes(),
        is_cut: false,
    }
}

fn version_text(version: Version) -> &'static [u8] {
    match version {
        Version::Http10 => b"HTTP/1.0",
        Version::Http11 => b"HTTP/1.1",
    }
}

fn end_text(end: End) -> &'static [u8] {
    match end {
        End::Complete => b"complete",
        End::Cut => b"cut",
        End::ClientGone => b"client_gone",
    }
}

fn number_or(out: &mut Vec<u8>, value: Option<u64>, otherwise: &[u8]) {
    match value {
        Some(value) => number(out, value),
        None => out.extend_from_slice(otherwise),
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    let start = out.len();
    loop {
        out.push(b'0' + (value % 10) as u8);
        value /= 10;
        if value == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flatend_http::server::Client;

    fn client() -> Client {
        Client {
            addr: "127.0.0.1:4000".parse().unwrap(),
            ip: "127.0.0.1".to_owned(),
        }
    }

    fn unknown(client: &Client) -> Record<'_> {
        Record {
            client,
            unix_ms: 784_111_777_123,
            duration_ms: 1_234,
            upstream_ms: None,
            request_id: None,
            method: None,
            target: None,
            version: None,
            host: None,
            user_agent: None,
            referer: None,
            route: None,
            provider: None,
            tries: 0,
            status: None,
            request_bytes: 0,
            response_bytes: 0,
            end: End::ClientGone,
        }
    }

    fn known(client: &Client) -> Record<'_> {
        Record {
            upstream_ms: Some(3),
            request_id: Some(whole("abc-1")),
            method: Some(whole("GET")),
            target: Some(whole("/hello?a=\"b\"")),
            version: Some(Version::Http11),
            host: Some(whole("a.example:3000")),
            user_agent: Some(whole("curl/8 \n")),
            referer: Some(whole("")),
            route: Some(0),
            provider: Some(whole("127.0.0.1:9000")),
            tries: 1,
            status: Some(200),
            request_bytes: 10,
            response_bytes: u64::MAX,
            end: End::Complete,
            ..unknown(client)
        }
    }

    fn line(
        form: fn(&mut Vec<u8>, &Record<'_>, Option<&str>, &mut Stamp),
        record: &Record<'_>,
    ) -> String {
        let mut out = Vec::new();
        let route = record.route.map(|_| "GET /:name");
        form(&mut out, record, route, &mut Stamp::new());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_text_form() {
        let client = client();
        assert_eq!(
            line(text, &known(&client)),
            "127.0.0.1 - - [1994-11-06T08:49:37.123Z] \"GET /hello?a=\\\"b\\\" HTTP/1.1\" 200 18446744073709551615 \"\" \
             \"curl/8 \\x0a\" id=abc-1 host=\"a.example:3000\" route=\"GET /:name\" provider=\"127.0.0.1:9000\" tries=1 \
             bytes_in=10 duration_ms=1234 upstream_ms=3 end=complete\n"
        );
        assert_eq!(
            line(text, &unknown(&client)),
            "127.0.0.1 - - [1994-11-06T08:49:37.123Z] \"-\" - 0 \"-\" \"-\" id=- host=\"-\" route=\"-\" provider=\"-\" \
             tries=0 bytes_in=0 duration_ms=1234 upstream_ms=- end=client_gone\n"
        );
    }

    #[test]
    fn the_json_form() {
        let client = client();
        assert_eq!(
            line(json, &known(&client)),
            "{\"time\":\"1994-11-06T08:49:37.123Z\",\"client\":\"127.0.0.1\",\"port\":4000,\"id\":\"abc-1\",\
             \"method\":\"GET\",\"target\":\"/hello?a=\\\"b\\\"\",\"version\":\"HTTP/1.1\",\"host\":\"a.example:3000\",\
             \"route\":\"GET /:name\",\"provider\":\"127.0.0.1:9000\",\"referer\":\"\",\"user_agent\":\"curl/8 \\u000a\",\
             \"status\":200,\"bytes_out\":18446744073709551615,\"tries\":1,\"bytes_in\":10,\"duration_ms\":1234,\
             \"upstream_ms\":3,\"end\":\"complete\"}\n"
        );
        assert_eq!(
            line(json, &unknown(&client)),
            "{\"time\":\"1994-11-06T08:49:37.123Z\",\"client\":\"127.0.0.1\",\"port\":4000,\"id\":null,\"method\":null,\
             \"target\":null,\"version\":null,\"host\":null,\"route\":null,\"provider\":null,\"referer\":null,\
             \"user_agent\":null,\"status\":null,\"bytes_out\":0,\"tries\":0,\"bytes_in\":0,\"duration_ms\":1234,\
             \"upstream_ms\":null,\"end\":\"client_gone\"}\n"
        );
    }
}
