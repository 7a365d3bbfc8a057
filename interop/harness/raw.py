"""Raw requests, and every byte that comes back until the gateway's FIN; a reset is an error."""

import socket

from .checks import equal, true

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"Hello world!"


def joined(*pieces):
    """Pieces of text and of bytes as the bytes of one request."""
    return b"".join(piece.encode("latin-1") if isinstance(piece, str) else piece for piece in pieces)


def get(target="/hello", fields="", method="GET", version="1.1", host="Host: x\r\n"):
    return joined(f"{method} {target} HTTP/{version}\r\n{host}{fields}\r\n")


def post(target="/sum", fields="", body=b"", length=None):
    length = len(body) if length is None else length
    return joined(f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{fields}\r\n", body)


def chunked(body, target="/sum", fields=""):
    return joined(f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{fields}\r\n", body)


def ask(gateway, data, method="GET"):
    """Sends bytes on a connection of their own; the first answer: (status, fields, body)."""
    with gateway.connect(seconds=10) as connection:
        connection.socket.sendall(data)
        response = connection.response(method)
        return response.status, dict(response.fields), response.body()


def all_of(gateway, data, methods=(), end=True):
    """Sends bytes and, with `end`, FIN; every answer up to the gateway's FIN. A reset is an error."""
    with gateway.connect(seconds=10) as connection:
        connection.socket.sendall(data)
        if end:
            connection.socket.shutdown(socket.SHUT_WR)
        return rest_of(connection, methods)


def rest_of(connection, methods=()):
    """Every answer up to the gateway's FIN; `methods` are those of the requests, GET if none is left."""
    answers, methods = [], list(methods)
    while True:
        first = connection.file.peek(1)
        if not first:
            return answers
        response = connection.response(methods.pop(0) if methods else "GET")
        answers.append((response.status, dict(response.fields), response.body()))


def refused(gateway, data, status, words, method="GET"):
    """One answer that names what refused, says close, and then the end of the connection, not a reset."""
    answers = all_of(gateway, data, [method], end=False)
    equal([answer[0] for answer in answers], [status], f"answers to {data[:80]!r}")
    _, fields, body = answers[0]
    equal(fields.get("connection"), "close", f"connection of the answer to {data[:80]!r}")
    true(words in body.decode(), f"the answer to {data[:80]!r} does not say '{words}': {body!r}")
