//! Preconditions and ranges of a file (RFC 9110 13 and 14): what a request with these fields gets.

use flatend_http::files::{Conditions, Multipart, Span, Validators, Verdict};
use flatend_http::h1::{parse_head, FieldScratch, Parsed};
use flatend_http::limits::{Limits, RANGES_MAX, RANGE_FIELD_BYTES_MAX};

const ETAG: &str = "\"abc\"";
/// Sun, 06 Nov 1994 08:49:37 GMT
const MODIFIED: u64 = 784_111_777;
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn form(bytes: u64) -> Validators<'static> {
    Validators {
        etag: Some(ETAG),
        modified: Some(MODIFIED),
        bytes,
    }
}

fn judge_with(fields: &str, is_get: bool, form: &Validators<'_>, now: u64) -> Verdict {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let mut scratch = FieldScratch::new();
    let parsed = parse_head(request.as_bytes(), &Limits::default(), &mut scratch);
    let Ok(Parsed::Head(head, _)) = parsed else {
        panic!("{parsed:?}")
    };
    match Conditions::read(head.fields) {
        None => Verdict::Whole,
        Some(conditions) => conditions.judge(is_get, form, now),
    }
}

/// For a file of 100 bytes, long after it was changed.
fn judge(fields: &str) -> Verdict {
    judge_with(fields, true, &form(100), MODIFIED + 1_000)
}

fn part(from: u64, len: u64) -> Verdict {
    Verdict::Part(Span { from, len })
}

fn parts(spans: &[(u64, u64)]) -> Verdict {
    Verdict::Parts(
        spans
            .iter()
            .map(|&(from, len)| Span { from, len })
            .collect(),
    )
}

#[test]
fn each_condition_by_itself() {
    use Verdict::{Failed, NotModified, Whole};
    for (fields, want) in [
        ("", Whole),
        ("Range-Unit: x\r\nIf-Nothing: y\r\n", Whole),
        // 13.1.1: strong comparison.
        ("If-Match: \"abc\"\r\n", Whole),
        ("If-Match: *\r\n", Whole),
        ("If-Match: \"x\", \"abc\"\r\n", Whole),
        ("If-Match: \"x\"\r\nIf-Match: \"abc\"\r\n", Whole),
        ("If-Match: \"x\"\r\n", Failed),
        ("If-Match: W/\"abc\"\r\n", Failed),
        ("If-Match: abc\r\n", Failed),
        ("If-Match: \"ab\r\n", Failed),
        ("If-Match:\r\n", Failed),
        ("If-Match: \"abc\", \"x\r\n", Whole),
        ("If-Match: \"a,b\", ,, \"abc\"\r\n", Whole),
        ("If-Match: \"abc\" \"x\"\r\n", Whole),
        ("If-Match: \"x\" \"abc\"\r\n", Failed),
        ("If-Match: \"ABC\"\r\n", Failed),
        // 13.1.2: weak comparison.
        ("If-None-Match: \"abc\"\r\n", NotModified),
        ("If-None-Match: W/\"abc\"\r\n", NotModified),
        ("If-None-Match: *\r\n", NotModified),
        ("If-None-Match: W/\"x\",W/\"abc\"\r\n", NotModified),
        (
            "If-None-Match: \"x\"\r\nif-none-match: \"abc\"\r\n",
            NotModified,
        ),
        ("If-None-Match: \"x\"\r\n", Whole),
        ("If-None-Match: w/\"abc\"\r\n", Whole),
        ("If-None-Match: abc\r\n", Whole),
        ("If-None-Match:\r\n", Whole),
    ] {
        assert_eq!(judge(fields), want, "{fields}");
    }
    for (date, since, unmodified) in [
        (BEFORE, Whole, Failed),
        (DATE, NotModified, Whole),
        (AFTER, NotModified, Whole),
        ("Sunday, 06-Nov-94 08:49:37 GMT", NotModified, Whole),
        ("Sun Nov  6 08:49:37 1994", NotModified, Whole),
        ("yesterday", Whole, Whole),
        ("784111777", Whole, Whole),
        ("", Whole, Whole),
    ] {
        assert_eq!(
            judge(&format!("If-Modified-Since: {date}\r\n")),
            since,
            "{date}"
        );
        let fields = format!("If-Unmodified-Since: {date}\r\n");
        assert_eq!(judge(&fields), unmodified, "{date}");
    }
    let twice = format!("If-Modified-Since: {DATE}\r\nIf-Modified-Since: {DATE}\r\n");
    assert_eq!(judge(&twice), Whole, "a date may stand once");
}

/// 13.2.2, each pair that differs.
#[test]
fn the_order_of_precedence() {
    use Verdict::{Failed, NotModified, Whole};
    for (fields, want) in [
        (
            format!("If-Match: \"abc\"\r\nIf-Unmodified-Since: {BEFORE}\r\n"),
            Whole,
        ),
        (
            format!("If-Match: \"x\"\r\nIf-Unmodified-Since: {AFTER}\r\n"),
            Failed,
        ),
        (
            format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {AFTER}\r\n"),
            Whole,
        ),
        (
            format!("If-None-Match: \"abc\"\r\nIf-Modified-Since: {BEFORE}\r\n"),
            NotModified,
        ),
        (
            "If-Match: \"x\"\r\nIf-None-Match: \"abc\"\r\n".to_owned(),
            Failed,
        ),
        (
            "If-Match: \"abc\"\r\nIf-None-Match: \"abc\"\r\n".to_owned(),
            NotModified,
        ),
        (
            format!("If-Unmodified-Since: {BEFORE}\r\nIf-None-Match: \"abc\"\r\n"),
            Failed,
        ),
        (
            "If-None-Match: \"abc\"\r\nRange: bytes=0-1\r\n".to_owned(),
            NotModified,
        ),
        (
            "If-None-Match: \"abc\"\r\nRange: bytes=500-\r\n".to_owned(),
            NotModified,
        ),
        (
            "If-Match: \"x\"\r\nRange: bytes=500-\r\n".to_owned(),
            Failed,
        ),
        (
            "If-None-Match: \"x\"\r\nRange: bytes=0-1\r\n".to_owned(),
            part(0, 2),
        ),
        (
            "If-None-Match: \"x\"\r\nRange: bytes=500-\r\n".to_owned(),
            Verdict::Unsatisfiable,
        ),
        ("If-Range: \"x\"\r\nRange: bytes=500-\r\n".to_owned(), Whole),
    ] {
        assert_eq!(judge(&fields), want, "{fields}");
    }
}

#[test]
fn a_part_only_of_what_the_client_has_already() {
    let whole = Verdict::Whole;
    for (if_range, want) in [
        (ETAG, part(10, 10)),
        ("W/\"abc\"", whole.clone()),
        ("\"x\"", whole.clone()),
        ("\"abc\", \"x\"", whole.clone()),
        ("*", whole.clone()),
        (DATE, part(10, 10)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", part(10, 10)),
        (BEFORE, whole.clone()),
        (AFTER, whole.clone()),
        ("nonsense", whole.clone()),
        ("", whole.clone()),
    ] {
        let fields = format!("Range: bytes=10-19\r\nIf-Range: {if_range}\r\n");
        assert_eq!(judge(&fields), want, "{if_range}");
    }
    // Within the second that the date names the file may change again unseen: the date is weak.
    let fields = format!("Range: bytes=10-19\r\nIf-Range: {DATE}\r\n");
    for (now, want) in [
        (MODIFIED, whole.clone()),
        (MODIFIED + 1, whole.clone()),
        (MODIFIED + 2, part(10, 10)),
    ] {
        assert_eq!(judge_with(&fields, true, &form(100), now), want, "{now}");
    }
    assert_eq!(
        judge(&format!("If-Range: {ETAG}\r\n")),
        whole,
        "without a range it means nothing"
    );
}

#[test]
fn ranges() {
    use Verdict::{Unsatisfiable, Whole};
    for (range, want) in [
        ("bytes=0-0", part(0, 1)),
        ("bytes=0-99", part(0, 100)),
        ("bytes=99-99", part(99, 1)),
        ("bytes=90-", part(90, 10)),
        ("bytes=90-1000", part(90, 10)),
        ("bytes=90-99999999999999999999999999", part(90, 10)),
        ("bytes=-1", part(99, 1)),
        ("bytes=-100", part(0, 100)),
        ("bytes=-1000", part(0, 100)),
        ("BYTES=0-0", part(0, 1)),
        (" bytes=0-0 ", part(0, 1)),
        ("bytes=0-0,", part(0, 1)),
        ("bytes=, ,0-0", part(0, 1)),
        ("bytes=0000-0007", part(0, 8)),
        // Nothing of it is there.
        ("bytes=100-", Unsatisfiable),
        ("bytes=100-200", Unsatisfiable),
        ("bytes=-0", Unsatisfiable),
        ("bytes=100-,-0,200-300", Unsatisfiable),
        ("bytes=99999999999999999999999999-", Unsatisfiable),
        // Only what is there counts.
        ("bytes=500-600, 5-6", part(5, 2)),
        // Malformed, or another unit: as if it were not there.
        ("bytes=", Whole),
        ("bytes=-", Whole),
        ("bytes=5-4", Whole),
        ("bytes=a-b", Whole),
        ("bytes=0-0, x", Whole),
        ("bytes=0-0;1-1", Whole),
        ("bytes=+1-2", Whole),
        ("bytes=1-+2", Whole),
        ("bytes=--1", Whole),
        ("bytes=0 - 1", Whole),
        ("bytes = 0-1", Whole),
        ("bytes:0-1", Whole),
        ("bytes0-1", Whole),
        ("0-1", Whole),
        ("", Whole),
        ("lines=0-1", Whole),
        ("bytes=0-1-2", Whole),
    ] {
        assert_eq!(judge(&format!("Range: {range}\r\n")), want, "{range}");
    }
    let twice = "Range: bytes=0-1\r\nRange: bytes=2-3\r\n";
    assert_eq!(judge(twice), Whole, "a range field may stand once");
    let fields = "Range: bytes=0-1\r\n";
    assert_eq!(
        judge_with(fields, false, &form(100), 0),
        Whole,
        "HEAD has no ranges"
    );
    for range in ["bytes=0-", "bytes=-5", "bytes=0-0"] {
        let empty = judge_with(&format!("Range: {range}\r\n"), true, &form(0), 0);
        assert_eq!(empty, Whole, "an empty file, {range}");
    }
}

#[test]
fn several_ranges_are_joined_where_they_meet_and_are_few() {
    let judge = |range: &str| {
        let form = form(10_000);
        judge_with(&format!("Range: bytes={range}\r\n"), true, &form, 0)
    };
    for (range, want) in [
        ("0-9,1000-1009", parts(&[(0, 10), (1000, 10)])),
        ("1000-1009,0-9", parts(&[(1000, 10), (0, 10)])),
        ("0-9,-10", parts(&[(0, 10), (9990, 10)])),
        ("0-9,10-19", part(0, 20)),
        ("0-9,5-14", part(0, 15)),
        ("5-14,0-9", part(0, 15)),
        ("0-,0-,0-,0-", part(0, 10_000)),
        // A gap shorter than a part's own head is sent along.
        ("0-9,90-99", part(0, 100)),
        ("0-9,91-99", parts(&[(0, 10), (91, 9)])),
        // One that joins two others takes the place of the first.
        (
            "1000-1009,5000-5009,1300-1309,1000-1400",
            parts(&[(1000, 401), (5000, 10)]),
        ),
        ("0-9,400-409,0-500", part(0, 501)),
    ] {
        assert_eq!(judge(range), want, "{range}");
    }
    let many = |count: usize| {
        let ranges: Vec<String> = (0..count).map(|at| format!("{0}-{0}", at * 200)).collect();
        judge(&ranges.join(","))
    };
    assert!(matches!(many(RANGES_MAX), Verdict::Parts(spans) if spans.len() == RANGES_MAX));
    assert_eq!(many(RANGES_MAX + 1), Verdict::Whole);
    let padded = |bytes: usize| {
        let lead = "0-0,";
        judge(&format!(
            "{lead}{}",
            " ".repeat(bytes - "bytes=".len() - lead.len() - 1) + ","
        ))
    };
    assert_eq!(padded(RANGE_FIELD_BYTES_MAX), part(0, 1));
    assert_eq!(padded(RANGE_FIELD_BYTES_MAX + 1), Verdict::Whole);
}

#[test]
fn without_validators_only_what_needs_none_holds() {
    let bare = Validators {
        etag: None,
        modified: None,
        bytes: 100,
    };
    let judge = |fields: &str| judge_with(fields, true, &bare, MODIFIED + 1_000);
    assert_eq!(judge("If-None-Match: \"abc\"\r\n"), Verdict::Whole);
    assert_eq!(judge("If-None-Match: *\r\n"), Verdict::NotModified);
    assert_eq!(judge("If-Match: \"abc\"\r\n"), Verdict::Failed);
    assert_eq!(judge("If-Match: *\r\n"), Verdict::Whole);
    assert_eq!(
        judge(&format!("If-Modified-Since: {AFTER}\r\n")),
        Verdict::Whole
    );
    assert_eq!(
        judge("Range: bytes=0-1\r\nIf-Range: \"abc\"\r\n"),
        Verdict::Whole
    );
    assert_eq!(judge("Range: bytes=0-1\r\n"), part(0, 2));
}

#[test]
fn a_multipart_body_is_as_long_as_it_says() {
    let spans = [Span { from: 0, len: 10 }, Span { from: 90, len: 10 }];
    let frame = Multipart::new(&spans, 100, "text/plain", "\"a.b-c\"");
    assert_eq!(
        frame.content_type(),
        "multipart/byteranges; boundary=flatend.a.b-c"
    );
    let body = format!(
        "{}0123456789{}abcdefghij{}",
        frame.heads[0], frame.heads[1], frame.tail
    );
    assert_eq!(
        body,
        "--flatend.a.b-c\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-9/100\r\n\r\n0123456789\r\n\
         --flatend.a.b-c\r\ncontent-type: text/plain\r\ncontent-range: bytes 90-99/100\r\n\r\nabcdefghij\r\n--flatend.a.b-c--\r\n"
    );
    assert_eq!(frame.bytes, body.len() as u64);
}
