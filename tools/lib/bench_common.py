# SPDX-License-Identifier: BSD-2-Clause
"""What the parts of tools/bench share."""

import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time

END_TIMEOUT = 20
PAYLOAD_TIMEOUT = 120


class Failure(Exception):
    pass


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def summary(samples):
    """Median and quartiles of the samples, and the samples."""
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    return {"median": middle, "q1": low, "q3": high, "samples": samples}


def shown(numbers, digits):
    return f"{numbers['median']:.{digits}f} [{numbers['q1']:.{digits}f} {numbers['q3']:.{digits}f}]"


def payload_figures(text):
    """A bare-metal guest's measurements: {kind: nanoseconds of one, for each batch}. Several guests may
    follow each other, each with its own frequency and batch."""
    frequency = batch = None
    result = {}
    for words in map(str.split, text.splitlines()):
        if len(words) != 3 or words[0] != "#":
            continue
        if words[1] == "frequency":
            frequency = int(words[2])
        elif words[1] == "batch":
            batch = int(words[2])
        else:
            result.setdefault(words[1], []).append(int(words[2]) * 1e9 / frequency / batch)
    return result


def run(argv, **options):
    """subprocess.run() of a program that tidies up when it is told to end: (status, stdout, stderr)."""
    with subprocess.Popen(argv, **options) as process:
        try:
            output, messages = process.communicate()
        except BaseException:
            process.terminate()
            try:
                process.communicate(timeout=END_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
    return process.returncode, output, messages


class Process:
    """A guest's process. It ends with this object, and what it started ends with it."""

    def __init__(self, argv, cpus=None):
        self.argv = argv
        self.output = bytearray()
        self.searched = 0  # up to here nobody looks for a marker any more
        self.messages = tempfile.TemporaryFile()
        self.start = time.monotonic()
        try:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.messages,
                start_new_session=True,
                preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None)
        except OSError as error:
            raise Failure(f"{argv[0]}: {error.strerror}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(5)
                except subprocess.TimeoutExpired:
                    pass
        self.process.stdout.close()
        self.messages.close()

    def read_until(self, marker, seconds):
        """Seconds from the start to the marker, behind the one before (None: to the end of the output)."""
        fd, deadline = self.process.stdout.fileno(), self.start + seconds
        now = time.monotonic() - self.start
        while True:
            at = self.output.find(marker, self.searched) if marker else -1
            if at >= 0:
                self.searched = at + len(marker)
                return now
            self.searched = max(self.searched, len(self.output) - len(marker or b""))
            if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
                self.fail(f"not done after {seconds} s")
            data = os.read(fd, 65536)
            now = time.monotonic() - self.start
            self.output += data
            if not data:
                if marker:
                    self.fail("ended early")
                return now

    def end(self):
        """The guest powers off."""
        while select.select([self.process.stdout], [], [], END_TIMEOUT)[0]:
            if not os.read(self.process.stdout.fileno(), 65536):
                break
        try:
            status = self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.fail(f"did not end within {END_TIMEOUT} s of the guest's power-off")
        if status:
            self.fail(f"ended with status {status}")

    def fail(self, why):
        self.messages.seek(0)
        for text in (self.messages.read(), bytes(self.output)):
            for line in text.decode(errors="replace").splitlines()[-15:]:
                print(f"  | {line.rstrip()}", file=sys.stderr)
        raise Failure(f"{' '.join(self.argv)}: {why}")


def run_payload(argv, cpus=None):
    """A bare-metal guest's measurements: {kind: nanoseconds of one, for each batch}."""
    with Process(argv, cpus) as process:
        process.read_until(None, PAYLOAD_TIMEOUT)
        # What a guest writes to a UART that is off QEMU sends nevertheless.
        text = process.output.decode(errors="replace").replace("\0", "")
        if "not ok " in text or "DONE" not in text.splitlines():
            process.fail("the guest failed")
        process.end()
    return payload_figures(text)
