"""Clients that take an answer, or send a body, at a trickle, beside those that are measured."""

import subprocess
from contextlib import contextmanager

from processes import Process, until

COUNT = 200


@contextmanager
def beside(setting, proxy, kind):
    """So many `readers` or `senders`, if any kind: open from the start to the end, or it fails."""
    if not kind:
        yield
        return
    command = [setting.program("slow"), proxy.plain, COUNT, kind]
    with Process(command, setting.place.folder, f"slow-{proxy.plain}", standard_input=subprocess.PIPE) as clients:
        until(f"opening {COUNT} slow {kind}", 30, lambda: clients.said.read_text() or clients.must_run(), 0.01)
        yield
        clients.must_run()
