#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Sockets between host and guest with Debian's driver: many at once, files with checksums,
# half-closed, slow and vanishing peers.
# Usage: test_vsock.sh GUEST-PROGRAM. VSOCK_MEGABYTES (default 16): of the files.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
program=$1
host=$(dirname -- "$0")/vsock_host.py
make_payloads
said() { grep -qF -- "$1" "$work/said"; }
until_said() { waits 60 grep -qs -- "$1" "$work/out"; }

head -c "${VSOCK_MEGABYTES:-16}M" /dev/urandom >"$work/file"
sum=$(sha256sum <"$work/file" | cut -c 1-64)
python3 "$host" "$work/v" serve "$work/file" "$work/result" >"$work/serving" 2>&1 &
waits 10 test -s "$work/serving" || true
mapfile -t encoded < <(gzip -9 <"$program" | base64 -w 100000)
cat >"$work/script" <<'S'
printf %s "$@" | base64 -d | gunzip >/run/vsock && chmod +x /run/vsock && cd /run
./vsock many 1000 200
head -c 409600 /dev/urandom >/run/small
./vsock send 1004 </run/small && echo "late $(sha256sum </run/small | cut -c 1-64)"
./vsock receive 1002 >/tmp/file && echo "received $(sha256sum </tmp/file | cut -c 1-64)"
./vsock send 1001 </tmp/file && echo 'sent'
./vsock send 1003 </tmp/file && echo 'sent slowly'
echo "slow $(./vsock slow 1002 | sha256sum | cut -c 1-64)"
./vsock refused 1999
./vsock echo 77
S
# The host's turn, when the guest listens.
{
    until_said '^listening'
    python3 "$host" "$work/v" many 77 200
    python3 "$host" "$work/v" bulk 77 "$work/file"
    python3 "$host" "$work/v" words 'CONNECT 78\n'
    python3 "$host" "$work/v" words 'CONNECT x\n'
    python3 "$host" "$work/v" words 'hello, is anybody there, and who are you?'
    python3 "$host" "$work/v" words 'CONNECT 4294967296\n'
    # Peers that go without a word, in the middle of something.
    for _ in {1..20}; do
        timeout -s KILL 0.2 python3 "$host" "$work/v" bulk 77 "$work/file" >/dev/null 2>&1 || true
    done
    python3 "$host" "$work/v" many 77 50
    waits 20 test -e "$work/result.late" || true
    pkill -f "^$vmm run.*$work/v" || echo 'the vmm is gone'
} >"$work/said" 2>&1 &
turn=$!
got=0
"$root/tools/guest-exec" -v --timeout "$(limit 150)" --vsock "cid=3,path=$work/v" -- \
    sh -c "$(cat "$work/script")" sh "${encoded[@]}" >"$work/out" 2>"$work/err" || got=$?
wait "$turn" || true
check the_guest_has_200_connections_at_once says '200 of 200 echoed'
check a_file_of_the_hosts_arrives says "received $sum"
check a_file_of_the_guests_arrives cmp "$work/file" "$work/result"
waits 5 test -e "$work/result.slow" || true
check a_host_that_reads_late_gets_all cmp "$work/file" "$work/result.slow"
# The guest's driver has given the connection up by then: it waits for 8 s.
all_came_late() {
    [[ $(stat -c %s "$work/result.late") -eq 409600 ]] &&
        says "late $(sha256sum <"$work/result.late" | cut -c 1-64)"
}
check a_host_that_reads_after_the_guests_last_word_gets_all all_came_late
check a_guest_that_reads_late_gets_all says "slow $sum"
check a_port_that_nobody_listens_to_is_reset_at_once says 'reset after no time'
check the_host_has_200_connections_at_once said '200 of 200 echoed'
check a_file_goes_both_ways_at_the_same_time said 'bulk is the same'
check what_cannot_be_is_a_closed_door test "$(grep -c "^b''$" "$work/said")" -eq 4
check after_peers_that_vanished_all_is_well said '50 of 50 echoed'
check the_socket_is_gone_with_the_vmm test ! -e "$work/v"

refused no_such_address 1 '3 to 4294967294' -k "$work/off.elf" -m 64M --vsock "cid=2,path=$work/v"
refused no_path 1 'path' -k "$work/off.elf" -m 64M --vsock cid=3
refused a_path_that_is_too_long 1 '96 characters' -k "$work/off.elf" -m 64M \
    --vsock "cid=3,path=/$(printf 'x%.0s' {1..100})"
refused a_path_that_is_a_file 1 "$work/file" -k "$work/off.elf" -m 64M --vsock "cid=3,path=$work/file"
refused a_socket_that_is_in_use 1 'another program listens' -k "$work/off.elf" -m 64M \
    --vsock "cid=3,path=$work/v_1000"
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$work/stale"
run 30 run -k "$work/off.elf" -m 64M --vsock "cid=3,path=$work/stale"
check a_socket_that_was_left_behind_is_replaced test "$got" -eq 0
exit $failed
