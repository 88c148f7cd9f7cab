# SPDX-License-Identifier: BSD-2-Clause
"""The machine `linux` beside KVM with Debian's QEMU: the same guests on the same kernel in one
emulated Arm computer, by turns. Each round boots a computer for each kind of guest."""

import os
import re
import shutil
import statistics
import subprocess
import tempfile

import bench_io
from bench_common import Failure, payload_figures, run, say
from bench_io import Row, fio_figures, fio_jobs, net_figures, net_script
from bench_rounds import each, rounds, taken

HERE = os.path.dirname(os.path.realpath(__file__))
TOOLS = os.path.dirname(HERE)
ROOT = os.path.dirname(TOOLS)
WHOS = ("KVM", "ringvisor")
COMPUTER_TIMEOUT = 600
COMPUTER_CPUS = 3  # a guest with two vCPUs leaves one to its host
PACKAGES = ("fio", "iperf3", "iproute2", "iputils-ping", "qemu-system-arm")
INIT = b"""#!/bin/sh
echo 'bench: userspace is reached'
exec /init.guest
"""

EXIT_ROWS = (
    Row("mmio-read-rtc", "MMIO read that user space answers", "us", 1e-3, inverse=True),
    Row("posted-write", "MMIO write, posted", "us", 1e-3, inverse=True),
    Row("hvc", "HVC (PSCI_VERSION)", "us", 1e-3, inverse=True),
    Row("mmio-read-gicd", "GICD read", "us", 1e-3, inverse=True),
)
INTERRUPT_ROWS = (
    Row("ipi", "SGI, until its answer is seen", "us", 1e-3, inverse=True),
    Row("timer", "timer, late, on a busy CPU", "us", 1e-3, inverse=True),
    Row("timer-wfi", "timer, late, after WFI", "us", 1e-3, inverse=True),
)
DISK_JOBS = (("randread-1", "randread", "4k", 1), ("randwrite-1", "randwrite", "4k", 1), ("read", "read", "1M", 4))
BOOT_ROW = Row("boot", "boot to userspace", "s", inverse=True)
DISK_ROWS = (BOOT_ROW, *(row for row in bench_io.DISK_ROWS if row.name in {job[0] for job in DISK_JOBS}))
NET_ROWS = tuple(row for row in bench_io.NET_ROWS if row.name in ("send", "receive", "ping"))
ROWS = {"exits": EXIT_ROWS, "interrupts": INTERRUPT_ROWS, "disk": DISK_ROWS, "net": NET_ROWS}
# The bare-metal guests of each, and how many vCPUs they have.
BARE = {"exits": (("exits", 1),), "interrupts": (("timer", 1), ("ipi", 2))}
TITLES = {"exits": "Exits of a bare-metal guest", "interrupts": "Interrupts of a bare-metal guest",
          "disk": "Debian's kernel with a disk: a raw file of 64 MiB, fio with direct I/O",
          "net": "Debian's kernel with a card on a tap device, iperf3 with one stream"}

COMMANDS = {"disk": bench_io.PROGRAMS + fio_jobs(DISK_JOBS, "--filename=/dev/$(disk data)"),
            "net": net_script(("mmio",))}


def build_for_arm():
    for command in (["build", "--cross", "arm64"], ["build-module", "--in", os.path.join(ROOT, "build-arm64")]):
        done = subprocess.run([os.path.join(TOOLS, command[0]), *command[1:]], stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise Failure(f"tools/{' '.join(command)} failed")
    return os.path.join(ROOT, "build-arm64")


def archive(folder, files):
    """A cpio archive of {name: (mode, content)}."""
    for name, (mode, content) in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
    names = sorted({os.path.dirname(name) for name in files if "/" in name} | set(files))
    return subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=folder, check=True,
                          input="\n".join(names).encode() + b"\n", stdout=subprocess.PIPE).stdout


def linux_guest(folder, command):
    """The kernel and an initrd whose first words are the boot's end, and which then runs the command."""
    done = subprocess.run([os.path.join(TOOLS, "guest-image")], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failure("the guest's image could not be made")
    image = os.fsdecode(done.stdout).rstrip("\n")
    shutil.copyfile(os.path.join(image, "kernel"), os.path.join(folder, "kernel"))
    with open(os.path.join(HERE, "guest-init"), "rb") as file:
        guest_init = file.read()
    with tempfile.TemporaryDirectory() as parts, open(os.path.join(folder, "initrd"), "wb") as out, \
            open(os.path.join(image, "initrd"), "rb") as base:
        shutil.copyfileobj(base, out)
        out.write(bytes(-out.tell() % 4) + archive(parts, {
            "init": (0o755, INIT), "init.guest": (0o755, guest_init), "exec/nonce": (0o600, b"bench"),
            "exec/command": (0o600, command.encode()),
        }))


def computer(args, build, folder, what, order):
    """{who: what its guests said}"""
    argv = [os.path.join(TOOLS, "arm-computer"), "--cpu", args.kvm_cpu, "-c", str(COMPUTER_CPUS), "-m", "1536M",
            "--timeout", str(COMPUTER_TIMEOUT), *bench_io.programs_disk(bench_io.programs(*PACKAGES)), "--",
            "sh", os.path.join(HERE, "bench-kvm.sh"), build, folder, " ".join(order).lower()]
    status, output, messages = run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # What a guest writes to a UART that is off QEMU sends nevertheless.
    output = output.decode(errors="replace").replace("\r", "").replace("\0", "")
    if status:
        raise Failure(f"kvm: {what}: the computer's command ended with status {status}:\n"
                      + output[-2000:] + messages.decode(errors="replace")[-2000:])
    return {who: re.search(rf"^WHO {who.lower()}\n(.*?)^END {who.lower()}$", output, re.MULTILINE | re.DOTALL)[1]
            for who in WHOS}


def figures(what, output):
    if what in BARE:
        return {kind: statistics.median(samples) for kind, samples in payload_figures(output).items()}
    if what == "net":
        return net_figures(output, ("mmio",))
    boot = re.search(r"^BOOT ([\d.]+) ([\d.]+)$", output, re.MULTILINE)
    if not boot:
        raise Failure(f"kvm: {what}: a guest did not boot:\n{output[-2000:]}")
    return {"boot": float(boot[2]) - float(boot[1]), **fio_figures(output)}


def make_guests(files, folder, what):
    os.mkdir(folder)
    if what in BARE:
        for name, cpus in BARE[what]:
            shutil.copyfile(os.path.join(files.bench, f"bench-{name}-plain.elf"), os.path.join(folder, f"{name}-{cpus}.elf"))
        return
    linux_guest(folder, COMMANDS[what])
    with open(os.path.join(folder, "address"), "w", encoding="ascii") as file:
        file.write(f"{bench_io.NETS['mmio']}.1/24" if what == "net" else "")


def measure_kvm(args, files):
    build = build_for_arm()

    def measure(what):
        guests = os.path.join(folder, what)
        make_guests(files, guests, what)

        def measure_round(number):
            say(f"kvm, {what}: {number + 1} of {args.kvm_rounds}")
            said = computer(args, build, guests, what, WHOS[:: 1 if number % 2 == 0 else -1])
            return {who: bench_io.checked("kvm", ROWS[what], who, figures(what, said[who])) for who in WHOS}

        return bench_io.compared(ROWS[what], rounds(f"kvm, {what}", args.kvm_rounds, measure_round), "KVM")

    with tempfile.TemporaryDirectory(prefix="bench-kvm-", dir=build) as folder:  # the computer sees it there
        return each(args.kvm_guests, measure)


def show_kvm(args, result):
    for what, rows in result.items():
        count = taken(rows[ROWS[what][0].name]["speed"], args.kvm_rounds)
        bench_io.show(f"{TITLES[what]}, in an emulated {args.kvm_cpu} ({count})", ROWS[what], rows, "KVM")


PARTS = {"kvm": (measure_kvm, show_kvm)}
