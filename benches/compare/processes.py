"""Processes that are started here, what they cost, and their end."""

import os
import signal
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = sorted(os.sched_getaffinity(0))


class Failed(Exception):
    """Something that the comparison needs did not happen; says what."""


class Process:
    """A program in a process group of its own, with all that it starts."""

    def __init__(self, command, folder, name, cpus=None, environment=None, standard_input=None):
        self.name = name
        self.said = folder / f"{name}.out"
        with open(self.said, "wb") as out, open(folder / f"{name}.err", "wb") as err:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=standard_input or subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
            )
        self.errors = folder / f"{name}.err"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def end(self, seconds):
        """Asks it to end by itself, which lets it write what it writes at its end."""
        self.child.terminate()
        try:
            self.child.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"{self.name} does not end within {seconds} s of SIGTERM") from late

    def stop(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()

    def must_run(self):
        if self.child.poll() is not None:
            raise Failed(f"{self.name} has ended:\n{self.errors.read_text(errors='replace')[-3000:]}")

    def processes(self):
        """It and all below it."""
        found, left = [], [self.child.pid]
        while left:
            process = left.pop()
            found.append(process)
            for task in Path(f"/proc/{process}/task").glob("*/children"):
                left.extend(int(child) for child in task.read_text().split())
        return found

    def cpu_seconds(self):
        """User and system time of all threads, as the kernel accounts it."""
        user = system = 0
        for process in self.processes():
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            user, system = user + int(fields[11]), system + int(fields[12])
        return user / TICKS, system / TICKS

    def resident_bytes(self):
        """Resident memory, shared pages divided by their sharers."""
        total = 0
        for process in self.processes():
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        return total

    def forget_peak(self):
        for process in self.processes():
            Path(f"/proc/{process}/clear_refs").write_text("5")

    def peak_bytes(self):
        """The most resident memory since forget_peak."""
        total = 0
        for process in self.processes():
            for line in Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    total += int(line.split()[1]) * 1024
        return total


def run(command, seconds):
    """What a program prints that ends by itself, in so many seconds at most."""
    command = [str(part) for part in command]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        text=True, start_new_session=True,
    )
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{' '.join(command)} took longer than {seconds} s") from late
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {child.returncode}:\n{out[-1000:]}{err[-2000:]}")
    return out


def until(what, seconds, condition, pause=0.001):
    """Waits until the condition is true, and returns what it was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise Failed(f"{what} did not happen within {seconds} s")
