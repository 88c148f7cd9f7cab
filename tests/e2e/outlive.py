#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""outlive.py KILLS VMM ARGUMENT...: a Debian guest whose worker is killed again and again.

Meanwhile its shell answers, its disk is written and read back, and its clock is compared
with the host's. Prints the distribution of the pauses, as the keeper tells them on stderr.
"""
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time

kills = int(sys.argv[1])
said = tempfile.TemporaryFile()
vmm = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said)
output = b""
news = threading.Condition()


def read():
    global output
    while data := os.read(vmm.stdout.fileno(), 65536):
        with news:
            output += data
            news.notify_all()


def await_text(pattern, seconds):
    """The first match of the pattern in what comes from now on, or the end of the test."""
    end = time.time() + seconds
    with news:
        while not (found := re.search(pattern, output[start:])):
            if time.time() > end or vmm.poll() is not None:
                said.seek(0)
                sys.exit(f"FAILED: no {pattern} within {seconds} s; the last output:\n"
                         f"{output[-800:].decode(errors='replace')}\n{said.read()[-800:].decode()}")
            news.wait(0.2)
    return found


def command(text, pattern, seconds=20):
    global start
    start = len(output)
    vmm.stdin.write(text.encode() + b"\n")
    vmm.stdin.flush()
    return await_text(pattern, seconds)


def pauses():
    return [int(us) / 1000 for us in re.findall(rb"goes on after (\d+) us", os.pread(said.fileno(), 1 << 20, 0))]


def kill():
    """One that takes over is let do so: killed in the middle of that it counts as a crash."""
    for n in range(1, kills + 1):
        time.sleep(random.uniform(0.05, 0.4))
        worker = subprocess.run(["pgrep", "-P", str(vmm.pid), "vmm-worker"], capture_output=True, text=True)
        os.kill(int(worker.stdout), 9)
        end = time.time() + 10
        while len(pauses()) < n and time.time() < end:
            time.sleep(0.01)


random.seed(17)
start = 0
threading.Thread(target=read, daemon=True).start()
await_text(rb"# ", 100)
uptime = float(command("cut -d' ' -f1 /proc/uptime; echo is''up", rb"([0-9.]+)\s+isup")[1])
began = time.time()
killer = threading.Thread(target=kill)
killer.start()
rounds = 0
while killer.is_alive():
    rounds += 1
    command(f"dd if=/dev/urandom of=/tmp/d bs=64k count=8 2>/dev/null; "
            f"dd if=/tmp/d of=/dev/vda bs=64k seek={rounds % 100 * 8} conv=fsync 2>/dev/null; "
            f"echo 3 >/proc/sys/vm/drop_caches; "
            f"dd if=/dev/vda bs=64k skip={rounds % 100 * 8} count=8 2>/dev/null | cmp - /tmp/d && "
            f"echo same''{rounds}.", rb"same%d\." % rounds)
killer.join()
passed = time.time() - began
went = float(command("cut -d' ' -f1 /proc/uptime; echo is''up", rb"([0-9.]+)\s+isup")[1]) - uptime
vmm.stdin.write(b"poweroff -f\n")
vmm.stdin.flush()
status = vmm.wait(30)
took = sorted(pauses())
print(f"{len(took)} pauses of {took[0]:.0f} to {took[-1]:.0f} ms, median {took[len(took) // 2]:.0f}; "
      f"{rounds} writes; the guest's clock {went:.1f} s of {passed:.1f}")
for name, good in (("each_worker_that_was_killed_had_a_successor", len(took) == kills),
                   ("the_guest_read_what_it_wrote", rounds > 2),
                   ("the_guests_clock_went_on", abs(went - passed) < 2),
                   ("the_guest_powers_off_in_the_end", status == 0)):
    print("ok:" if good else "FAILED:", name)
    if not good:
        sys.exit(1)
