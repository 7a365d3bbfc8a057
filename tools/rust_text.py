"""Just enough of Rust's lexical grammar to tell code from comments, literals and tests.

Owns: blanking out what is not code, keeping every line break, so that line numbers hold.
Refuses: parsing. Invariant: the result has as many lines as the input.
"""

import re

TOKEN = re.compile(
    r"""(?P<line>//[^\n]*)
      | (?P<block>/\*)
      | (?P<raw>\b(?:r|br|cr)(?P<hashes>\#*)")
      | (?P<string>\b[bc]?"|")
      | (?P<char>b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[0-9a-fA-F_]+\}|.)|[^\\'\n])')""",
    re.X,
)


def _block_end(text, at):
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(text, at):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(text)


def code_only(text):
    """`text` with comments and literals blanked."""
    out, at = [], 0
    while match := TOKEN.search(text, at):
        out.append(text[at : match.start()])
        end = match.end()
        if match["block"]:
            end = _block_end(text, match.start())
        elif match["raw"]:
            close = text.find('"' + match["hashes"], end)
            end = len(text) if close < 0 else close + 1 + len(match["hashes"])
        elif match["string"]:
            close = re.compile(r'(?:[^"\\]|\\.)*"', re.S).match(text, end)
            end = close.end() if close else len(text)
        out.append(re.sub(r"[^\n]", " ", text[match.start() : end]))
        at = end
    return "".join(out) + text[at:]


def without_tests(code):
    """`code` (of `code_only`) with every `#[cfg(test)]` item that has a body in braces blanked."""
    for match in reversed(list(re.finditer(r"#\s*\[\s*cfg\s*\(\s*test\s*\)\s*\]", code))):
        brace = re.compile(r"[{;]").search(code, match.end())
        if not brace:
            continue
        end, depth = brace.end(), 1 if brace[0] == "{" else 0
        while depth and end < len(code):
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        code = code[: match.start()] + re.sub(r"[^\n]", " ", code[match.start() : end]) + code[end:]
    return code
