#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Consoles with Debian's virtio_console: a shell on hvc0, a pty, sockets that come and go,
# a file, and a channel with a name; what is sent arrives byte for byte.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
export RINGVISOR_RUN_DIR=$work/run
image=$("$root/tools/guest-image" 2>/dev/null)
head -c 1000000 /dev/urandom >"$work/data"
sum=$(sha256sum <"$work/data" | cut -c 1-64)

# The other ends, and what they see, from one script: it talks to a guest that serves
# three ports, and ends when all has been said.
cat >"$work/peer.py" <<'P'
import os, socket, sys, time, hashlib
work, patience, data = sys.argv[1], int(sys.argv[2]), open(sys.argv[1] + "/data", "rb").read()
def wait(what, *args):
    for _ in range(900 * patience):
        try:
            return what(*args)
        except (FileNotFoundError, ConnectionRefusedError):
            time.sleep(0.1)
    raise SystemExit("nobody comes")
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.connect(work + "/socket")
    s.settimeout(30 * patience)
    return s
def line(s):
    got = b""
    while not got.endswith(b"\n"):
        more = s.recv(1)
        if not more:
            raise SystemExit("the guest hung up")
        got += more
    return got.decode().strip()
def read_all(fd, size):
    got = b""
    while len(got) < size:
        more = os.read(fd, 65536)
        got += more
    return got

# The named channel, over a socket: an echo of a megabyte, in pieces, from a guest that is slow to read.
s = wait(connect)
print("channel says", line(s), flush=True)
import threading
threading.Thread(target=lambda: s.sendall(data), daemon=True).start()
back = b""
while len(back) < len(data):
    back += s.recv(65536)
print("echoed", hashlib.sha256(back).hexdigest(), flush=True)
s.close()
s = connect()  # again: the guest has seen the first one leave
print("then", line(s), flush=True)
s.close()

# The pty, with the guest's shell behind it.
fd = wait(os.open, work + "/pty", os.O_RDWR | os.O_NOCTTY)
os.write(fd, b"echo pty-$((40+2)); cat /root/big | base64 -w0 | sha256sum\n")
got = b""
while b"pty-42" not in got or b"  -" not in got:
    got += os.read(fd, 4096)
print("pty works", flush=True)
os.close(fd)
fd = os.open(work + "/pty", os.O_RDWR | os.O_NOCTTY)
os.write(fd, b"poweroff -f\n")
time.sleep(1)
P
python3 "$work/peer.py" "$work" "$patience" >"$work/peer" 2>&1 &
peer=$!

# What the guest does is typed on its console, which is a virtio one on stdio.
{
    waits 60 grep -q 'ringvisor:' "$work/out" 2>/dev/null || true
    cat <<'S'
cat /sys/class/tty/console/active
for n in /sys/class/virtio-ports/*; do [ "$(cat $n/name 2>/dev/null)" = org.test.0 ] && port=/dev/${n##*/}; done
echo to-the-file >/dev/hvc1; cat /proc/version >/root/big; cp /root/big /dev/hvc1
setsid sh -c 'exec sh -i </dev/hvc2 >/dev/hvc2 2>&1' &
stty raw -echo </dev/hvc2
serve() { exec 3<>$port; echo hello >&3; head -c 1000000 <&3 >&3; }
(serve); sleep 1; echo again >$port
S
    # Two terminals more at the main console, of which one types.
    timeout "$(limit 90)" "$vmm" console con >"$work/watched" 2>&1 </dev/null &
    echo 'echo typed-$((40+2))' | timeout "$(limit 90)" "$vmm" console con >"$work/typed" 2>&1 &
    while kill -0 "$peer" 2>/dev/null; do sleep 0.2; done
    sleep 5
} | timeout -k 5 "$(limit 100)" "$vmm" run -k "$image/kernel" -i "$image/initrd" -p 'console=hvc0' --name con \
    --device pl011,chardev=null --console "stdio,chardev1=file:$work/file,chardev2=pty:$work/pty" \
    --device "virtio-console,chardev=socket:$work/socket,name=org.test.0" \
    >"$work/out" 2>"$work/err" && got=0 || got=$?
wait "$peer" || true
tr -d '\r' <"$work/out" >"$work/console"
cat "$work/peer" "$work/err" >"$work/messages"
check a_guest_on_a_virtio_console_ends_well test "$got" -eq 0
check its_console_is_hvc0 grep -qx hvc0 "$work/console"
check another_terminal_types_on_it says typed-42 "$work/typed"
check and_another_one_sees_it says typed-42 "$work/watched"
check it_begins_with_what_was_there says 'BusyBox' "$work/watched"
check the_file_has_what_was_written says to-the-file "$work/file"
check the_file_has_all_of_it says 'Linux version' "$work/file"
check a_channel_is_found_by_its_name says 'channel says hello' "$work/peer"
check a_megabyte_goes_both_ways_unchanged says "echoed $sum" "$work/peer"
check the_next_connection_is_served says 'then again' "$work/peer"
check a_shell_on_the_pty_answers says 'pty works' "$work/peer"
check the_pty_is_named_at_the_start says "console 'pty:$work/pty' is /dev/pts/" "$work/messages"
check the_link_and_the_socket_are_gone bash -c "[[ ! -e '$work/socket' && ! -L '$work/pty' ]]"

# What cannot be.
make_payloads
refused no_such_back_end 1 'pty, pty:LINK, socket:PATH' -k "$work/off.elf" --console tcp:1
refused stdio_is_one_devices 1 "'stdio' is used by 'pl011" -k "$work/off.elf" --console stdio
refused a_folder_that_is_not_there 1 '/no/where' -k "$work/off.elf" --console socket:/no/where
: >"$work/plain"
refused a_file_is_not_replaced_by_a_socket 1 "$work/plain" -k "$work/off.elf" --console "socket:$work/plain"
refused ports_are_in_order 1 'chardev1' -k "$work/off.elf" --console null,chardev2=null
[[ $failed -eq 0 ]] || { tail -n 20 "$work/console"; cat "$work/messages"; }
exit "$failed"
