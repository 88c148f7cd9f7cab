#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Networks with Debian's virtio_net: the user network as anybody, ports of the host that
# lead into the guest, a tap interface in a namespace of the test's, two guests on a cable.
# NET_MEGABYTES (default 64): what is sent through the tap each way, with a checksum.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
programs=$("$root/tools/guest-programs" iperf3)
make_payloads
megabytes=${NET_MEGABYTES:-64}
namespace=
trap '[[ -z $namespace ]] || ip netns del "$namespace" 2>/dev/null || true; end_all' EXIT

# A page of the host's, on a port that is free.
mkdir "$work/www"
head -c 3000000 /dev/urandom >"$work/www/page"
python3 -u - "$work/www" >"$work/port" <<'P' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port)
server.serve_forever()
P
waits 10 test -s "$work/port" || true
port=$(cat "$work/port")
page=$(sha256sum <"$work/www/page" | cut -c 1-64)

# The user network, and a connection from the host into the guest.
free=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
{
    # The guest accepts one connection: a client that gives up too early on a busy host has used it.
    for _ in {1..600}; do
        answer=$(timeout "$(limit 60)" bash -c "exec 3<>/dev/tcp/127.0.0.1/$free && cat <&3" 2>/dev/null) && [[ $answer ]] && break
        sleep 0.1
    done
    echo "$answer" >"$work/answer"
} &
client=$!
guest --net "user,hostfwd=tcp:127.0.0.1:$free-:23,hostname=carol,mac=52:54:00:ab:cd:ef" <<S
echo "mac \$(cat /sys/class/net/eth0/address)"
echo "address \$(ip -4 -o addr show dev eth0 | sed 's/.*inet \([^ ]*\).*/\1/')"
echo "name \$(hostname)"
grep -q 10.0.2.3 /etc/resolv.conf && echo 'dns is set'
echo "page \$(wget -q -O- http://10.0.2.2:$port/page | sha256sum | cut -c 1-64)"
fails 'no such page' wget -q -O- http://10.0.2.2:$port/absent
echo 'from the guest' | nc -l -p 23
for n in 1 2 3 4 5 6 7 8 9 10; do
    ip -6 -o addr show dev eth0 | grep -q 'inet6 fec0:' && echo 'IPv6 address' && break
    sleep 1
done
S
wait "$client" || true
check the_guest_has_an_address_by_dhcp says 'address 10.0.2.15/24'
check the_guest_has_the_mac_that_was_given says 'mac 52:54:00:ab:cd:ef'
check the_guest_has_the_name_that_was_given says 'name carol'
check the_guest_has_a_name_server says 'dns is set'
check a_page_of_the_host_arrives says "page $page"
check an_error_of_the_server_arrives matches 'no such page: .*404'
check the_host_reaches_the_guests_port grep -q '^from the guest$' "$work/answer"
check the_guest_has_an_ipv6_address says 'IPv6 address'

# As an ordinary user, and with the host out of reach.
ordinary=(env)
if [[ $(id -u) -eq 0 ]]; then
    ordinary=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs)
    mkdir "$work/cache" "$work/tmp"
    image=$("$root/tools/guest-image" 2>/dev/null)
    cp -r "$(dirname -- "$(dirname -- "$image")")"/{guest,packages} "$work/cache/"
    touch "$work/cache/lock"
    chmod -R a+rwX "$work"
    chmod 755 "$work"
fi
if "${ordinary[@]}" test -x "$vmm" -a -r "$root/tools/guest-exec"; then
    as=("${ordinary[@]}" env TMPDIR="$work/tmp" HOME="$work/tmp" RINGVISOR_CACHE="$work/cache")
    [[ $(id -u) -eq 0 ]] || as=(env)
    guest --net user <<S
echo "page \$(wget -q -O- http://10.0.2.2:$port/page | sha256sum | cut -c 1-64)"
S
    check it_needs_no_privileges says "page $page"
    as=(env)
else
    echo "note: this checkout cannot be read by an ordinary user: not tried as one"
fi
# That wget works is shown above; that this one ran, and found a network, here.
guest --net user,restrict=on <<S
echo "address \$(ip -4 -o addr show dev eth0 | sed 's/.*inet \([^ ]*\).*/\1/')"
timeout 10 wget -q -O /tmp/page http://10.0.2.2:$port/page
echo "wget ended with \$?"
[ -s /tmp/page ] && echo 'something came' || echo 'nothing came'
S
check restrict_leaves_the_guest_its_network says 'address 10.0.2.15/24'
check restrict_keeps_the_host_out_of_reach says 'nothing came'
check wget_has_tried_and_failed matches '^wget ended with (1|124|143)'

# What cannot be.
net_refused() { refused "$1" 1 "$2" -k "$work/off.elf" -m 64M --net "$3"; }
net_refused a_port_that_is_taken "cannot listen on port $port" "user,hostfwd=tcp:127.0.0.1:$port-:22"
net_refused a_port_that_is_none 'give tcp:' 'user,hostfwd=tcp:127.0.0.1:0-:22'
net_refused an_unknown_back_end 'user, tap, socket' 'bridge'
net_refused a_wrong_mac '52:54:00:12:34:56' 'user,mac=1:2:3'
net_refused a_tap_without_a_name 'ifname=' 'tap'
net_refused a_descriptor_that_is_no_tap "fd: descriptor 0 of '77'" 'tap,fd=77'
net_refused more_queues_than_there_are 'no more than 1' 'user,queues=2'
net_refused a_socket_without_a_path 'path=' 'socket'
net_refused a_socket_where_a_file_is "$work/www/page" "socket,path=$work/www/page"
net_refused a_path_that_is_too_long '107 characters' "socket,path=/$(printf 'x%.0s' {1..120})"

# A tap interface. Two CPUs and two pairs of queues.
tap() {
    namespace=rvtest$$
    ip netns add "$namespace"
    ip -n "$namespace" link set lo up
    ip -n "$namespace" tuntap add tap0 mode tap vnet_hdr multi_queue
    ip -n "$namespace" addr add 192.168.77.1/24 dev tap0
    ip -n "$namespace" link set tap0 up
    local inside=(ip netns exec "$namespace")
    "${inside[@]}" iperf3 -s -D --pidfile "$work/iperf3.pid" >/dev/null
    head -c "${megabytes}M" /dev/urandom >"$work/bulk"
    "${inside[@]}" python3 -u -c '
import socket, sys
listener = socket.create_server(("192.168.77.1", 5000))
for name, mode in ((sys.argv[1], "rb"), (sys.argv[2], "wb")):
    peer = listener.accept()[0]
    with peer, open(name, mode) as file:
        if mode == "rb":
            peer.sendfile(file)
        else:
            while data := peer.recv(1 << 20):
                file.write(data)
' "$work/bulk" "$work/back" 2>"$work/bulk.err" &
    local bulk=$!
    {
        waits 90 grep -qs 'delete it' "$work/out" || true
        ip -n "$namespace" link del tap0
    } &
    local deleter=$!
    as=("${inside[@]}")
    guest -c 2 -m "$((1024 + 4 * megabytes))M" --net tap,ifname=tap0,queues=2,mtu=4000 --disk "$programs,ro" <<'S'
mount -o ro /dev/vda /mnt && for d in dev proc sys tmp; do mount --bind /$d /mnt/$d; done
echo "mtu $(cat /sys/class/net/eth0/mtu)"
echo "queues $(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)"
ip addr add 192.168.77.2/24 dev eth0 && ip link set eth0 up
chroot /mnt iperf3 -t 1 -P 2 -c 192.168.77.1 >/tmp/log 2>&1 && echo 'sends' || cat /tmp/log
chroot /mnt iperf3 -t 1 -P 2 -R -c 192.168.77.1 >/tmp/log 2>&1 && echo 'receives' || cat /tmp/log
nc 192.168.77.1 5000 </dev/null >/tmp/bulk
echo "bulk $(sha256sum </tmp/bulk | cut -c 1-64)"
nc 192.168.77.1 5000 </tmp/bulk
echo "carrier $(cat /sys/class/net/eth0/carrier)"
echo 'delete it'
for n in $(seq 100); do [ "$(cat /sys/class/net/eth0/carrier)" = 0 ] && break; sleep 0.1; done
echo "carrier $(cat /sys/class/net/eth0/carrier), and on it goes"
S
    wait "$bulk" "$deleter" || true
    as=(env)
    check the_mtu_is_announced says 'mtu 4000'
    check there_are_two_pairs_of_queues says 'queues 2'
    check iperf3_sends says 'sends'
    check iperf3_receives says 'receives'
    check what_the_host_sends_arrives_unchanged says "bulk $(sha256sum <"$work/bulk" | cut -c 1-64)"
    check what_the_guest_sends_arrives_unchanged cmp "$work/bulk" "$work/back"
    check a_tap_that_is_deleted_is_a_link_that_is_down says 'carrier 0, and on it goes'
    check the_message_names_the_tap complains "'tap0' is gone"
    got=0
    "${inside[@]}" ip tuntap add tap1 mode tap vnet_hdr
    "${inside[@]}" timeout "$(limit 30)" "$vmm" run -k "$work/off.elf" -m 64M --net tap,ifname=tap1,queues=2 \
        >"$work/out" 2>"$work/err" </dev/null || got=$?
    check a_tap_with_one_queue_is_refused_where_two_are_wanted complains 'multi_queue'
    tap_idle
    tap_passed
}

# A guest of one CPU uses one of two pairs of queues, and the host begins: a flow that the
# kernel has for the other would get no answer. Frames of 9000 bytes, with no offloads.
tap_idle() {
    ip -n "$namespace" tuntap add tap2 mode tap vnet_hdr multi_queue
    ip -n "$namespace" addr add 192.168.78.1/24 dev tap2
    ip -n "$namespace" link set tap2 up mtu 9000
    "${inside[@]}" python3 -u - "$work/out" >"$work/flows" 2>&1 <<'P' &
import socket, sys, time
for _ in range(1000):
    if b"listening" in open(sys.argv[1], "rb").read():
        break
    time.sleep(0.1)
answered = 0
for n in range(16):
    try:
        socket.create_connection(("192.168.78.2", 9), 3)
    except ConnectionRefusedError:
        answered += 1
    except OSError:
        pass
print("answered", answered)
for n in range(10):
    try:
        socket.create_connection(("192.168.78.2", 7), 2).close()
        break
    except OSError:
        time.sleep(0.2)
P
    local flows=$!
    : >"$work/out"
    as=("${inside[@]}")
    guest --net tap,ifname=tap2,queues=2,offload=off <<'S'
ip addr add 192.168.78.2/24 dev eth0 && ip link set eth0 up mtu 9000
for n in $(seq 20); do ping -c 1 -W 1 192.168.78.1 >/dev/null 2>&1 && break; done
ping -c 4 -s 8900 192.168.78.1 | grep -o '.* packets received'
echo listening
timeout 60 nc -l -p 7 </dev/null
S
    as=(env)
    wait "$flows" || true
    check every_flow_of_the_host_reaches_a_guest_with_fewer_queues grep -qx 'answered 16' "$work/flows"
    check frames_longer_than_1500_bytes_arrive_without_offloads says '4 packets received'
}

# Descriptors that another program opened; a second vmm gets them as the first left them.
tap_passed() {
    got=0
    "${inside[@]}" timeout "$(limit 60)" python3 - "$vmm" "$work/off.elf" >"$work/out" 2>"$work/err" <<'P' || got=$?
import fcntl, os, struct, subprocess, sys
TUNSETIFF, TAP, NO_PI, MULTI_QUEUE, VNET_HDR = 0x400454CA, 0x2, 0x1000, 0x100, 0x4000
fds = [os.open("/dev/net/tun", os.O_RDWR) for _ in range(2)]
for fd in fds:
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"tap3", TAP | NO_PI | MULTI_QUEUE | VNET_HDR))
words = [sys.argv[1], "run", "-k", sys.argv[2], "-m", "64M", "--net", "tap,queues=2,fd=%d:%d" % tuple(fds)]
for _ in range(2):
    subprocess.run(words, pass_fds=fds, stdin=subprocess.DEVNULL, check=True)
P
    check passed_descriptors_serve_one_vmm_after_another test "$got" -eq 0
    "${inside[@]}" timeout "$(limit 60)" python3 - "$vmm" "$work/off.elf" >"$work/out" 2>"$work/err" <<'P' || true
import fcntl, os, struct, subprocess, sys
fd = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"tap4", 0x2 | 0x1000))
for name in ("tap4", "lo"):
    subprocess.run([sys.argv[1], "run", "-k", sys.argv[2], "-m", "64M", "--net", "tap,ifname=" + name], stdin=subprocess.DEVNULL)
P
    check a_tap_that_another_program_has_is_refused complains "'tap4': cannot attach to it: Device or resource busy"
    check an_interface_that_is_no_tap_is_refused complains "'lo': cannot attach to it: Invalid argument: it is no tap"
}
if [[ $(id -u) -eq 0 && -e /dev/net/tun ]] && ip netns add "rvtry$$" 2>/dev/null; then
    ip netns del "rvtry$$"
    tap
else
    echo 'note: a tap interface is only tried as root, with /dev/net/tun and network namespaces'
fi

# Two guests on a cable. The first goes, and one that comes later has its place.
other() { # ADDRESS SCRIPT
    "$root/tools/guest-exec" --timeout "$(limit 120)" --net "socket,path=$work/cable" -- sh -c \
        "ip addr add 10.1.1.$1/24 dev eth0; ip link set eth0 up; $2"
}
other 1 'for n in $(seq 200); do ping -c 1 -W 1 10.1.1.2 >/dev/null 2>&1 && break; done; echo seen
    echo hello | nc -l -p 7 >/dev/null; sleep 1' >"$work/first" 2>&1 &
first=$!
waits 10 test -S "$work/cable" || true
other 2 'for n in $(seq 200); do ping -c 1 -W 1 10.1.1.1 >/dev/null 2>&1 && break; done
    for n in $(seq 50); do nc 10.1.1.1 7 </dev/null && break; sleep 0.2; done
    for n in $(seq 100); do [ "$(cat /sys/class/net/eth0/carrier)" = 0 ] && echo unplugged && break; sleep 0.1; done' \
    >"$work/out" 2>"$work/err" || true
wait "$first" || true
check two_guests_reach_each_other says hello
check a_guest_that_ends_is_a_link_that_is_down says unplugged
check the_socket_is_gone_with_the_last test ! -e "$work/cable"
exit $failed
