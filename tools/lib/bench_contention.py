# SPDX-License-Identifier: BSD-2-Clause
"""A boot, exits and a disk while other work wants the host's processors, beside plain QEMU beside the same."""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile

from bench_boot import BOOTERS, CMDLINE, boot_image, boot_once, boot_qemu, machine_option, plain_qemu
from bench_common import run_payload
from bench_rounds import each, taken
from bench_io import PROGRAMS, Guest, Row, fio_figures, fio_jobs, in_turns, make_disk, programs, programs_disk, show

BUSY_LOOPS = (0, 1, 2, 4)
JOBS = (("randread-1", "randread", "4k", 1), ("randwrite-1", "randwrite", "4k", 1), ("randread-32", "randread", "4k", 32))
ROWS = (
    Row("boot", "boot, full console", "s", inverse=True),
    Row("mmio-read-rtc", "MMIO read (RTCMIS)", "ns", inverse=True),
    Row("posted-write", "MMIO write (UARTDR)", "ns", inverse=True),
    Row("hvc", "HVC (PSCI_VERSION)", "ns", inverse=True),
    Row("randread-1", "4k random read, depth 1", "1000/s", 1e-3),
    Row("randwrite-1", "4k random write, depth 1", "1000/s", 1e-3),
    Row("randread-32", "4k random read, depth 32", "1000/s", 1e-3),
)


@contextlib.contextmanager
def busy(argvs):
    """Processes that run meanwhile."""
    processes = []
    try:
        for argv in argvs:
            processes.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                              stderr=subprocess.DEVNULL, start_new_session=True))
        yield
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def exits(args, files, who):
    """Median nanoseconds of each kind: of the bare-metal guest that runs on any board."""
    elf = os.path.join(files.bench, "bench-exits-plain.elf")
    argv = {"QEMU": plain_qemu(args, "64M", elf),
            "ringvisor": [files.vmm, "run", "-M", machine_option(args), "-m", "64M", "-k", elf]}[who]
    return {kind: statistics.median(samples) for kind, samples in run_payload(argv).items()}


def measure_contention(args, files):
    guest, tools = Guest(args, files), programs("fio")
    script = PROGRAMS + fio_jobs(JOBS, "--filename=/dev/$(disk data)")
    with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder:
        kernel, initrd = boot_image(folder)
        options = ["--disk", f"{make_disk(folder)},serial=data", *programs_disk(tools)]

        def measure(who):
            boot = boot_once(BOOTERS[who](args, files, kernel, initrd, CMDLINE))
            return {"boot": boot, **exits(args, files, who), **fio_figures(guest.run(who, options, script))}

        loop = [sys.executable, "-c", "while True: pass"]
        second = ["bash", "-c", 'while "$@"; do :; done', "guest", *boot_qemu(args, files, kernel, initrd, CMDLINE)]
        besides = {f"{n} busy loops": [loop] * n for n in BUSY_LOOPS} | {"a second guest": [second]}

        def measure_beside(title):
            with busy(besides[title]):
                return in_turns(f"contention, {title}", args, ROWS, measure)

        return each(besides, measure_beside)


def show_contention(args, result):
    for title, rows in result.items():
        show(f"Beside {title} ({taken(rows['boot']['speed'], args.io_rounds)}, {args.cpu}, {args.memory})", ROWS, rows)


PARTS = {"contention": (measure_contention, show_contention)}
