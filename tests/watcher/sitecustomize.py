"""Writes down what a process unpickles, connects to, looks up, starts and opens for writing, and lets nothing go out.

Python imports this when it starts with this folder on PYTHONPATH, and forked processes keep it. A line of JSON goes to
the file that WATCHED names: process, event, its arguments as text, the file of the code that caused it. Whatever would
leave this machine fails as it does without a network.
"""

import errno
import json
import os
import socket
import sys

LOOPBACK = ("127.0.0.1", "::1", "localhost", "", "None")
OUTWARD = {  # event -> where its arguments name the other side
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.getnameinfo": 0,
}
OTHERS = ("pickle.find_class", "subprocess.Popen", "os.posix_spawn", "os.exec", "os.system")


def watch(event, arguments):
    """Record an event, and refuse one that would leave this machine."""
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if not (writes or event in OUTWARD or event in OTHERS):
        return
    shown = arguments[0] if writes else arguments[OUTWARD[event]] if event in OUTWARD else arguments[:2]
    note(event, shown)
    if event in OUTWARD and not is_local(shown):
        if "connect" in event or "send" in event:
            raise OSError(errno.ENETUNREACH, "watched: nothing goes out")
        raise socket.gaierror(socket.EAI_AGAIN, "watched: nothing is looked up")


def is_local(address):
    """Whether an address is a path or of this machine alone."""
    host = address[0] if isinstance(address, tuple) else address
    return (isinstance(address, bytes | str) and "/" in str(address)) or decoded(host) in LOOPBACK


def decoded(text):
    return os.fsdecode(text) if isinstance(text, bytes) else str(text)


def note(event, shown):
    """Append a line, in one write, so that processes do not mix theirs."""
    frame = sys._getframe(1)
    while frame and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    caller = frame.f_code.co_filename if frame else ""
    parts = [decoded(part) for part in shown] if isinstance(shown, tuple) else [decoded(shown)]
    os.write(FILE, json.dumps([os.getpid(), event, parts, caller]).encode() + b"\n")


if "WATCHED" in os.environ:
    FILE = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    note("start", " ".join(sys.orig_argv))
    os.register_at_fork(after_in_child=lambda: note("fork", str(os.getppid())))
    sys.addaudithook(watch)
