"""A look at the sockets of another process, which the case started.

Owns nothing: each socket is borrowed (pidfd_getfd(2)) and closed again.
"""

import ctypes
import errno
import os
import socket

from .checks import Failed

PIDFD_GETFD = 438


def congestion(pid, local_port=None, peer_port=None):
    """The congestion control of each connection of the process that has this port of its own, or this port at its peer."""
    names = []
    process = os.pidfd_open(pid)
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            try:
                if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
                    continue
            except FileNotFoundError:
                continue  # closed meanwhile
            sock = borrowed(process, int(number))
            if sock is None:
                continue  # closed meanwhile
            with sock:
                if sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.type != socket.SOCK_STREAM:
                    continue
                try:
                    peer = sock.getpeername()[1]
                except OSError:
                    continue  # a listener
                if sock.getsockname()[1] == local_port or peer == peer_port:
                    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
                    names.append(name.split(b"\0")[0].decode())
    finally:
        os.close(process)
    return names


def borrowed(process, number):
    """A descriptor of ours that names the same socket; None if the process has closed its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(PIDFD_GETFD, process, number, 0)
    if fd < 0 and ctypes.get_errno() == errno.EBADF:
        return None
    if fd < 0:
        raise Failed(f"pidfd_getfd: {os.strerror(ctypes.get_errno())}")
    return socket.socket(fileno=fd)
