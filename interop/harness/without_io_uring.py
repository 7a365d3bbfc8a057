"""Runs a command with io_uring forbidden, as container runtimes do by default: `without_io_uring.py COMMAND…`."""

import ctypes
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP = 425  # the same on every architecture
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 1  # EPERM


def forbid():
    """Installs a filter that answers io_uring_setup with EPERM, for this process and what it becomes."""
    steps = [
        struct.pack("HBBI", LOAD_WORD, 0, 0, 0),  # the number of the system call
        struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP),
        struct.pack("HBBI", RETURN, 0, 0, REFUSE),
        struct.pack("HBBI", RETURN, 0, 0, ALLOW),
    ]
    program = ctypes.create_string_buffer(b"".join(steps))
    filter_ = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
