# SPDX-License-Identifier: BSD-2-Clause
"""I/O of a Linux guest, beside plain QEMU: the same guest, virtio device and bus, backing
file or host interface, and options. Both are measured in turns, each in a fresh guest."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from bench_common import Failure, run, say, shown, summary
from bench_rounds import rounds, taken

HERE = os.path.dirname(os.path.realpath(__file__))
TOOLS = os.path.dirname(HERE)
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
GUEST_TIMEOUT = 300
DISK_SIZE = 256 << 20
NETS = {"mmio": "192.168.77", "pci": "192.168.78"}  # .1 is the host, .2 the guest

# In the guest: Debian's programs, from a disk that is told by its serial.
PROGRAMS = r"""
disk() { basename "$(dirname "$(grep -lx "$1" /sys/block/vd*/serial)")"; }
mount -o ro /dev/$(disk programs) /mnt || exit 99
for d in dev proc sys tmp; do mount --bind /$d /mnt/$d; done
"""


class Row:
    """One figure: more is better, or less is (`inverse`)."""

    def __init__(self, name, title, unit, scale=1.0, inverse=False):
        self.name, self.title, self.unit, self.scale, self.inverse = name, title, unit, scale, inverse


class Guest:
    """A command in a guest under one of the two, by guest-exec."""

    def __init__(self, args, files):
        self.vmms = {"QEMU": os.path.join(HERE, "plain-qemu"), "ringvisor": files.vmm}
        self.common = ["--timeout", str(GUEST_TIMEOUT), "-M", f"qemu,cpu={args.cpu.replace(',', ',,')}",
                       "-m", args.memory]

    def run(self, who, options, script, prefix=(), env=None):
        argv = [*prefix, os.path.join(TOOLS, "guest-exec"), "--vmm", self.vmms[who], *self.common, *options,
                "--", "sh", "-c", script]
        status, output, messages = run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env={**os.environ, **(env or {})})
        if status:
            raise Failure(f"{who}: the guest's command ended with status {status}:\n"
                          + (output[-2000:] + messages[-2000:]).decode(errors="replace"))
        return output.decode(errors="replace")


def programs(*packages):
    done = subprocess.run([os.path.join(TOOLS, "guest-programs"), *packages], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failure("the guest's programs could not be fetched")
    return os.fsdecode(done.stdout).rstrip("\n")


def programs_disk(path):
    return ["--disk", f"{path.replace(',', ',,')},ro=on,serial=programs"]


def in_turns(part, args, rows, measure):
    """measure(who) -> {row name: figure}, for each round and both, each first in turn."""

    def measure_both(number):
        figures = {}
        for who in ("QEMU", "ringvisor")[:: 1 if number % 2 == 0 else -1]:
            say(f"{part}: {number + 1} of {args.io_rounds}, {who}")
            figures[who] = checked(part, rows, who, measure(who))
        return figures

    return compared(rows, rounds(part, args.io_rounds, measure_both), "QEMU")


def checked(part, rows, who, figures):
    """A guest's figures, of which none is missing."""
    for row in rows:
        if row.name not in figures:
            raise Failure(f"{part}: {who} gave no figure for '{row.title}'")
    return figures


def compared(rows, done, other):
    """Each row of the rounds ({who: {row name: figure}} each), and ours beside the other's."""
    result = {}
    for row in rows:
        ours, theirs = ([one[who][row.name] for one in done] for who in ("ringvisor", other))
        ratios = [b / a if row.inverse else a / b for a, b in zip(ours, theirs)]
        result[row.name] = {other: summary(theirs), "ringvisor": summary(ours), "speed": summary(ratios)}
    return result


def rounds_of(args, result):
    return taken(next(iter(result.values()))["ringvisor"], args.io_rounds)


def show(title, rows, result, other="QEMU"):
    print(f"\n{title}")
    print(f"{'':34}{other:>26}{'ringvisor':>26}{'speed beside ' + other:>26}")
    for row in rows:
        numbers = result[row.name]
        cells = [shown({k: v * row.scale for k, v in numbers[who].items() if k != "samples"}, 1)
                 for who in (other, "ringvisor")]
        print(f"{row.title + ', ' + row.unit:34}{cells[0]:>26}{cells[1]:>26}{shown(numbers['speed'], 2):>26}")


# --- fio, on a disk or in a folder ------------------------------------------------


FIO = "fio --output-format=json --direct=1 --ioengine=libaio --time_based --runtime=4 --ramp_time=1 --randrepeat=0"


def fio_jobs(jobs, where):
    """A shell script that runs the jobs: name, fio's rw, block size, depth."""
    return "".join(f"echo BEGIN {name}; chroot /mnt {FIO} --name={name} --rw={rw} --bs={size} --iodepth={depth} {where} "
                   "|| exit 98; echo END\n" for name, rw, size, depth in jobs)


def fio_figures(output):
    """Operations a second of each job."""
    figures = {}
    for name, text in re.findall(r"^BEGIN (\S+)\n(.*?)^END$", output.replace("\r", ""), re.MULTILINE | re.DOTALL):
        job = json.loads(text[text.index("{"):])["jobs"][0]
        if job["error"]:
            raise Failure(f"fio: {name}: error {job['error']}")
        figures[name] = job["read"]["iops"] + job["write"]["iops"]
    return figures


# --- disk ------------------------------------------------------------------------


DISK_JOBS = (
    ("randread-1", "randread", "4k", 1), ("randread-32", "randread", "4k", 32),
    ("randwrite-1", "randwrite", "4k", 1), ("randwrite-32", "randwrite", "4k", 32),
    ("read", "read", "1M", 4), ("write", "write", "1M", 4),
)
PCI_JOBS = (("pci-1", "randread", "4k", 1), ("pci-32", "randread", "4k", 32))
DISK_ROWS = (
    Row("randread-1", "4k random read, depth 1", "1000/s", 1e-3),
    Row("randread-32", "4k random read, depth 32", "1000/s", 1e-3),
    Row("randwrite-1", "4k random write, depth 1", "1000/s", 1e-3),
    Row("randwrite-32", "4k random write, depth 32", "1000/s", 1e-3),
    Row("read", "sequential read, 1M", "MiB/s"),
    Row("write", "sequential write, 1M", "MiB/s"),
    Row("pci-1", "on PCI: 4k random read, depth 1", "1000/s", 1e-3),
    Row("pci-32", "on PCI: 4k random read, depth 32", "1000/s", 1e-3),
)


def make_disk(folder):
    """The path of a raw file whose blocks are all there."""
    image = os.path.join(folder, "disk")
    subprocess.run(["dd", "if=/dev/urandom", f"of={image}", "bs=1M", f"count={DISK_SIZE >> 20}", "status=none"], check=True)
    return image


def measure_disk(args, files):
    guest, tools = Guest(args, files), programs("fio")
    with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder:
        image = make_disk(folder)
        other = image + "-pci"
        shutil.copyfile(image, other)
        options = ["--disk", f"{image},serial=data", "--disk", f"{other},serial=pci,bus=pci", *programs_disk(tools)]
        script = (PROGRAMS + fio_jobs(DISK_JOBS, "--filename=/dev/$(disk data)")
                  + fio_jobs(PCI_JOBS, "--filename=/dev/$(disk pci)"))
        return in_turns("disk", args, DISK_ROWS, lambda who: fio_figures(guest.run(who, options, script)))


def show_disk(args, result):
    show(f"Disk: raw file of {DISK_SIZE >> 20} MiB, cache=writeback, fio with direct I/O ({rounds_of(args, result)})",
         DISK_ROWS, result)


# --- net -------------------------------------------------------------------------


NET_ROWS = (
    Row("send", "TCP from the guest", "Gbit/s", 1e-9),
    Row("receive", "TCP to the guest", "Gbit/s", 1e-9),
    Row("ping", "ping-pong", "us", 1e3, inverse=True),
    Row("pci-send", "on PCI: TCP from the guest", "Gbit/s", 1e-9),
    Row("pci-receive", "on PCI: TCP to the guest", "Gbit/s", 1e-9),
    Row("pci-ping", "on PCI: ping-pong", "us", 1e3, inverse=True),
)


@contextlib.contextmanager
def tap_namespace():
    """A network namespace with a tap device for each bus and an iperf3 server: the words that run
    something in it."""
    name = f"rvbench{os.getpid()}"

    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    ip("netns", "add", name)
    server = None
    try:
        ip("-n", name, "link", "set", "lo", "up")
        for bus, net in NETS.items():
            ip("-n", name, "tuntap", "add", f"tap-{bus}", "mode", "tap", "vnet_hdr")
            ip("-n", name, "addr", "add", f"{net}.1/24", "dev", f"tap-{bus}")
            ip("-n", name, "link", "set", f"tap-{bus}", "up")
        inside = ["ip", "netns", "exec", name]
        server = subprocess.Popen([*inside, "iperf3", "-s"], stdout=subprocess.DEVNULL)
        yield inside
    finally:
        if server:
            server.terminate()
            server.wait()
        ip("netns", "del", name)


def net_script(buses):
    """What the guest does on its cards: the one on each of the buses."""
    return PROGRAMS + """
card() { # of the bus
    for card in /sys/class/net/eth*; do
        case $(readlink -f $card) in */pci*) bus=pci ;; *) bus=mmio ;; esac
        [ $bus != $1 ] || basename $card
    done
}
measure() {
    ip addr add $2.2/24 dev $(card $1) && ip link set $(card $1) up && chroot /mnt /usr/bin/ping -q -c 3 -i 0.2 $2.1 >/dev/null || exit 98
    echo BEGIN $1-send; chroot /mnt iperf3 -J -t 5 -O 1 -c $2.1; echo END
    echo BEGIN $1-receive; chroot /mnt iperf3 -J -t 5 -O 1 -R -c $2.1; echo END
    echo BEGIN $1-ping; chroot /mnt /usr/bin/ping -q -i 0.001 -c 3000 $2.1; echo END
}
""" + "".join(f"measure {bus} {NETS[bus]}\n" for bus in buses)


def net_figures(output, buses=tuple(NETS)):
    texts = dict(re.findall(r"^BEGIN (\S+)\n(.*?)^END$", output.replace("\r", ""), re.MULTILINE | re.DOTALL))
    figures = {}
    for bus in buses:
        prefix = "" if bus == "mmio" else f"{bus}-"
        for name in ("send", "receive"):
            result = json.loads(texts[f"{bus}-{name}"])
            figures[prefix + name] = result["end"]["sum_received"]["bits_per_second"]
        figures[prefix + "ping"] = float(re.search(r"min/avg/max/mdev = [\d.]+/([\d.]+)/", texts[f"{bus}-ping"])[1])
    return figures


def measure_net(args, files):
    if os.geteuid() or not os.path.exists("/dev/net/tun"):
        say("net: not measured: a tap device needs root and /dev/net/tun")
        return None
    for tool in ("ip", "iperf3"):
        if shutil.which(tool) is None:
            raise Failure(f"net: {tool} is missing: run tools/install-deps test")
    guest, tools = Guest(args, files), programs("iperf3", "iputils-ping")
    script = net_script(NETS)
    with tap_namespace() as inside:
        options = ["--net", "tap,ifname=tap-mmio", "--net", "tap,ifname=tap-pci,bus=pci", *programs_disk(tools)]
        return in_turns("net", args, NET_ROWS,
                        lambda who: net_figures(guest.run(who, options, script, prefix=inside)))


def show_net(args, result):
    show(f"Network: tap, iperf3 with one stream ({rounds_of(args, result)})", NET_ROWS, result)


# --- console ---------------------------------------------------------------------


CONSOLE_ROWS = (
    Row("virtio", "virtio-console", "kB/s", 1e-3),
    Row("uart", "the board's UART", "kB/s", 1e-3),
)
CONSOLE_SIZES = {"hvc0": ("virtio", 512 << 10), "ttyAMA0": ("uart", 128 << 10)}


def console_script():
    lines = 'yes "A line of text, of which there are many more before and after." | head -c {0} >/tmp/text\n'
    write = ('t0=$(cut -d " " -f 1 /proc/uptime); cat /tmp/text >/dev/{1}\n'
             't1=$(cut -d " " -f 1 /proc/uptime); echo; echo WROTE {2} {0} $t0 $t1\n')
    return "".join((lines + write).format(size, tty, row) for tty, (row, size) in CONSOLE_SIZES.items())


def console_figures(output):
    """Bytes a second."""
    found = re.findall(r"^WROTE (\S+) (\d+) ([\d.]+) ([\d.]+)", output.replace("\r", ""), re.MULTILINE)
    return {row: int(size) / max(float(end) - float(begin), 0.005) for row, size, begin, end in found}


def measure_console(args, files):
    guest, script = Guest(args, files), console_script()
    with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder:
        options = ["--console", f"file:{folder}/console"]
        return in_turns("console", args, CONSOLE_ROWS, lambda who: console_figures(guest.run(who, options, script)))


def show_console(args, result):
    show(f"Console: text from the guest ({rounds_of(args, result)})", CONSOLE_ROWS, result)


# --- share -----------------------------------------------------------------------


SHARE_JOBS = (("share-read", "read", "1M", 1), ("share-write", "write", "1M", 1),
              ("share-randread", "randread", "4k", 1), ("share-randwrite", "randwrite", "4k", 1))
SHARE_ROWS = (
    Row("share-read", "sequential read, 1M", "MiB/s"),
    Row("share-write", "sequential write, 1M", "MiB/s"),
    Row("share-randread", "4k random read, depth 1", "1000/s", 1e-3),
    Row("share-randwrite", "4k random write, depth 1", "1000/s", 1e-3),
    Row("files", "make, stat and remove 1000 files", "ms", 1e3, inverse=True),
)
SHARE_FILES = r"""
t0=$(cut -d ' ' -f 1 /proc/uptime)
mkdir /tmp/share/many && cd /tmp/share/many && chroot /mnt sh -c 'cd /tmp/share/many; i=0; while [ $i -lt 1000 ]; do echo x >f$i; i=$((i+1)); done'
ls -l >/dev/null; cd /; rm -r /tmp/share/many
t1=$(cut -d ' ' -f 1 /proc/uptime)
echo FILES $t0 $t1
"""


@contextlib.contextmanager
def virtiofsd(folder, socket):
    """QEMU's daemon for one guest."""
    process = subprocess.Popen([VIRTIOFSD, f"--socket-path={socket}", "-o", f"source={folder}", "-o", "cache=none"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + 10
        while not os.path.exists(socket):
            if process.poll() is not None or time.monotonic() > until:
                raise Failure(f"{VIRTIOFSD} does not start")
            time.sleep(0.05)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(socket)


def share_figures(output):
    figures = fio_figures(output)
    found = re.search(r"^FILES ([\d.]+) ([\d.]+)", output, re.MULTILINE)
    if found:
        figures["files"] = max(float(found[2]) - float(found[1]), 0.005)
    return figures


# Without the guest's page cache, which would be what is measured. Not by O_DIRECT: Arm's value of it
# means something else to a daemon on another processor, and QEMU's takes it as it comes.
def measure_share(args, files):
    if os.geteuid() or not os.access(VIRTIOFSD, os.X_OK):
        say(f"share: not measured: plain QEMU needs {VIRTIOFSD}, and that root")
        return None
    guest, tools = Guest(args, files), programs("fio")
    script = PROGRAMS + "mkdir /tmp/share && mount -t virtiofs bench /tmp/share && mount --bind /tmp/share /mnt/tmp/share || exit 97\n" \
        + fio_jobs(SHARE_JOBS, "--direct=0 --filename=/tmp/share/data --size=128M") + SHARE_FILES

    def measure(who):
        with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder:
            shared, socket = os.path.join(folder, "shared"), os.path.join(folder, "socket")
            os.mkdir(shared)
            subprocess.run(["dd", "if=/dev/urandom", f"of={shared}/data", "bs=1M", "count=128", "status=none"], check=True)
            options = ["--share", f"{shared},tag=bench,cache=none", *programs_disk(tools)]
            with virtiofsd(shared, socket) if who == "QEMU" else contextlib.nullcontext():
                return share_figures(guest.run(who, options, script, env={"VIRTIOFSD_SOCKET": socket}))

    return in_turns("share", args, SHARE_ROWS, measure)


def show_share(args, result):
    show(f"Shared folder: virtio-fs, cache=none, beside QEMU's with its virtiofsd ({rounds_of(args, result)})", SHARE_ROWS, result)


# --- vsock -----------------------------------------------------------------------


VSOCK_PORT = 5000
VSOCK_BYTES = 256 << 20
VSOCK_ROWS = (
    Row("send", "from the guest", "MiB/s"),
    Row("receive", "to the guest", "MiB/s"),
)


class VsockPeer:
    """The host's end: reads all of one connection, then fills a second. Its figures are MiB/s."""

    def __init__(self, who, folder, cid):
        self.path, self.figures = os.path.join(folder, "vsock"), {}
        if who == "QEMU":
            self.listener = socket.socket(socket.AF_VSOCK)
            self.listener.bind((socket.VMADDR_CID_ANY, VSOCK_PORT))
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(f"{self.path}_{VSOCK_PORT}")
        self.listener.listen(2)
        self.options = ["--vsock", f"cid={cid},path={self.path}"]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        for name in ("send", "receive"):
            peer, done = self.listener.accept()[0], 0
            piece = bytes(1 << 18)
            start = time.monotonic()
            with peer:
                while done < VSOCK_BYTES:
                    if name == "receive":
                        done += peer.send(piece)
                    else:
                        got = len(peer.recv(1 << 18))
                        if not got:
                            break
                        done += got
                if name == "receive":  # until the guest has it all
                    peer.shutdown(socket.SHUT_WR)
                    peer.recv(1)
            self.figures[name] = done / (1 << 20) / (time.monotonic() - start)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def measure_vsock(args, files):
    guest, tools = Guest(args, files), programs("socat")
    whos = ("QEMU", "ringvisor") if os.path.exists("/dev/vhost-vsock") else ("ringvisor",)
    if len(whos) == 1:
        say("vsock: without plain QEMU, whose device is the host kernel's (/dev/vhost-vsock is not here)")
    script = PROGRAMS + f"""
run() {{ chroot /mnt /usr/bin/socat -b 262144 "$@"; }}
run -u OPEN:/dev/zero,readbytes={VSOCK_BYTES} VSOCK-CONNECT:2:{VSOCK_PORT} || exit 97
run -u VSOCK-CONNECT:2:{VSOCK_PORT} OPEN:/dev/null || exit 96
"""

    def measure(who):
        with tempfile.TemporaryDirectory(prefix="ringvisor-bench-") as folder, VsockPeer(who, folder, 77) as peer:
            guest.run(who, [*peer.options, *programs_disk(tools)], script)
            peer.thread.join(10)
            return peer.figures

    if len(whos) == 2:
        return in_turns("vsock", args, VSOCK_ROWS, measure)
    done = rounds("vsock", args.io_rounds, lambda _number: checked("vsock", VSOCK_ROWS, "ringvisor", measure("ringvisor")))
    return {row.name: {"ringvisor": summary([figures[row.name] for figures in done])} for row in VSOCK_ROWS}


def show_vsock(args, result):
    title = f"Sockets between host and guest: {VSOCK_BYTES >> 20} MiB by socat ({rounds_of(args, result)})"
    if "QEMU" in result[VSOCK_ROWS[0].name]:
        show(title, VSOCK_ROWS, result)
        return
    print(f"\n{title}\n{'':34}{'ringvisor':>26}")
    for row in VSOCK_ROWS:
        numbers = result[row.name]["ringvisor"]
        print(f"{row.title + ', ' + row.unit:34}"
              f"{shown({k: v * row.scale for k, v in numbers.items() if k != 'samples'}, 1):>26}")


PARTS = {"disk": (measure_disk, show_disk), "net": (measure_net, show_net), "console": (measure_console, show_console),
         "share": (measure_share, show_share),
         "vsock": (measure_vsock, show_vsock)}

# The rows of each part that is beside plain QEMU.
ROWS = {"disk": DISK_ROWS, "net": NET_ROWS, "console": CONSOLE_ROWS, "share": SHARE_ROWS, "vsock": VSOCK_ROWS}
