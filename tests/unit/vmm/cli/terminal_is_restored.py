#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
However a command at a terminal ends, the terminal is as it was: `vmm top` and `vmm console` in
pseudo-terminals, ended by keys and by signals. In the current folder; $RINGVISOR_RUN_DIR is empty.

    terminal_is_restored.py VMM
"""
import os
import pty
import signal
import socket
import sys
import termios
import time

MODE = termios.ECHO | termios.ICANON
CTRL_C, CTRL_Z, CTRL_BACKSLASH = b"\x03", b"\x1a", b"\x1c"


class Typed:
    """A command of the vmm at a terminal."""

    def __init__(self, *words):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(sys.argv[1], ["vmm", *words])

    def until(self, text):
        while text not in self.seen:
            self.seen += os.read(self.fd, 1000)

    def is_changed(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ECHO

    def stops(self):
        assert os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED)[1])
        self.is_restored()

    def is_restored(self):
        assert termios.tcgetattr(self.fd)[3] & MODE == MODE, "the terminal is not as it was"

    def ends(self, status):
        """By this status, or by a signal if it is negative."""
        got = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert got == status, got
        self.is_restored()
        os.set_blocking(self.fd, False)
        try:
            self.seen += os.read(self.fd, 10000)
        except OSError:
            pass
        assert self.seen.count(b"\033[?25l") <= self.seen.count(b"\033[?25h"), "there is no cursor"
        os.close(self.fd)


def top_that_waits(end, status):
    top = Typed("top", "-d", "3600")
    top.until(b"\033[?25l")
    end(top)
    top.ends(status)


def top_that_asks_a_vm():
    """Ctrl-C while a VM that does not answer is waited for."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.environ["RINGVISOR_RUN_DIR"] + "/silent.sock")
    listener.listen()
    top = Typed("top", "-d", "1")
    peers = [listener.accept()[0] for _ in range(3)]  # two in each round
    top.until(b"\033[?25l")
    os.write(top.fd, CTRL_C)
    top.ends(-signal.SIGINT)
    os.unlink(listener.getsockname())
    for peer in peers:
        peer.close()


def top_that_is_stopped():
    top = Typed("top", "-d", "3600")
    top.until(b"\033[?25l")
    os.write(top.fd, CTRL_Z)
    top.stops()
    os.kill(top.pid, signal.SIGCONT)
    while not top.is_changed():
        time.sleep(0.01)
    os.write(top.fd, b"q")
    top.ends(0)


def console_by_signal(number):
    """Its VM is `talk`, whose console is the socket `uart`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("uart")
    listener.listen()
    console = Typed("console", "talk")
    console.until(b"detaches")
    assert console.is_changed()
    os.kill(console.pid, number)
    console.ends(-number)
    os.unlink("uart")


def main():
    top_that_waits(lambda top: os.write(top.fd, b"q"), 0)
    top_that_waits(lambda top: os.write(top.fd, CTRL_C), -signal.SIGINT)
    top_that_waits(lambda top: os.write(top.fd, CTRL_BACKSLASH), -signal.SIGQUIT)
    for number in (signal.SIGHUP, signal.SIGTERM):
        top_that_waits(lambda top, number=number: os.kill(top.pid, number), -number)
        console_by_signal(number)
    top_that_asks_a_vm()
    top_that_is_stopped()
    print("fine")


main()
