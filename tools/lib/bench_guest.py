# SPDX-License-Identifier: BSD-2-Clause
"""What a Linux guest does with its processors alone, beside plain QEMU with the same CPU."""

import re

from bench_io import PROGRAMS, Guest, Row, in_turns, programs, programs_disk, show
from bench_rounds import each, taken

# Row, title, and a command whose time is the figure.
TIMED = (
    ("sha256", "sha256 of 8 MiB", "chroot /mnt sh -c 'dd if=/dev/zero bs=1M count=8 status=none | sha256sum >/dev/null'"),
    ("syscalls", "30,000 reads and writes of 1 byte", "chroot /mnt dd if=/dev/zero of=/dev/null bs=1 count=30000 status=none"),
    ("fork+exec", "fork and exec, 100 times", "chroot /mnt sh -c 'i=0; while [ $i -lt 100 ]; do /usr/bin/true; i=$((i+1)); done'"),
    ("pipe", "4 MiB through a pipe, 512 bytes each", "chroot /mnt sh -c 'dd if=/dev/zero bs=512 count=8192 status=none | dd of=/dev/null bs=512 status=none'"),
)

# stress-ng's stressors whose rates are figures, each for STRESS_SECONDS. Some need two CPUs to say anything.
STRESSORS = ("futex", "membarrier", "icache", "switch", "timer", "fork", "mprotect")
STRESS_SECONDS = 1

ROWS = tuple(Row(name, title, "ms", 1e3, inverse=True) for name, title, _ in TIMED) \
    + tuple(Row(name, f"stress-ng {name}", "1/s") for name in STRESSORS)

SCRIPT = PROGRAMS + "".join(
    f"a=$(cut -d ' ' -f 1 /proc/uptime); {command} || exit 98; b=$(cut -d ' ' -f 1 /proc/uptime); echo TIME {name} $a $b\n"
    for name, _, command in TIMED
) + "".join(
    f"chroot /mnt stress-ng --{name} $(nproc) -t {STRESS_SECONDS} --metrics-brief --stdout --temp-path /tmp || exit 97\n"
    for name in STRESSORS
)


def figures(output):
    found = {name: max(float(end) - float(begin), 0.005)
             for name, begin, end in re.findall(r"^TIME (\S+) ([\d.]+) ([\d.]+)", output, re.MULTILINE)}
    # stressor, bogo ops, real time, user time, system time, bogo ops/s of real time, ...
    for name, rate in re.findall(r"\] (\S+) +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +([\d.]+) +[\d.]+\s*$", output.replace("\r", ""), re.MULTILINE):
        found[name] = float(rate)
    return found


def measure_guest(args, files):
    guest, tools = Guest(args, files), programs("stress-ng")

    def measure(cpus):
        options = ["-c", cpus, *programs_disk(tools)]
        return in_turns(f"guest, {cpus} vCPU", args, ROWS, lambda who: figures(guest.run(who, options, SCRIPT)))

    return each(map(str, args.guest_cpus), measure)


def show_guest(args, result):
    for cpus, rows in result.items():
        show(f"Work in the guest, {cpus} vCPU, {args.cpu} ({taken(rows['sha256']['speed'], args.io_rounds)})", ROWS, rows)


PARTS = {"guest": (measure_guest, show_guest)}
