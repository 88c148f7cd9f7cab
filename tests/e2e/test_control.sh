#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The commands for guests that run, with Debian in the guest: it stands still while it is paused
# and misses no time, and sees a disk grow, a cable that is pulled, memory that goes.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
export RINGVISOR_RUN_DIR=$work/run
make_payloads
truncate -s 64M "$work/disk.img"
pause_seconds=6

# tick UPTIME SECTORS CARRIER MEMORY-IN-KIB, about twice a second
cat >"$work/script" <<'S'
while true; do
    read -r up _ </proc/uptime
    echo "tick $up $(cat /sys/block/vda/size) $(cat /sys/class/net/eth0/carrier) $(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
    sleep 0.5
done
S
"$root/tools/guest-exec" --timeout "$(limit 160)" --vmm "$vmm" --name deb --net user --balloon=deflate-on-oom=off \
    --disk "$work/disk.img,format=raw" -- \
    sh -c "$(cat "$work/script")" >"$work/console" 2>"$work/messages" &
guest=$!
touch "$work/said"
ticks() { grep -c '^tick' "$work/console" || true; }
has_ticked() { [[ $(ticks) -ge $1 ]]; }
# last SECTORS CARRIER: the last tick has these.
last() { tail -n 1 "$work/console" | grep -q "^tick [^ ]* $1 $2 "; }
has_less_memory() {
    local kib
    kib=$(sed '$d' "$work/console" | tail -n 1 | cut -d' ' -f5) # the last line may not be whole yet
    [[ $kib =~ ^[0-9]+$ && $kib -lt 400000 ]]
}
# does NAME WORDS ARGUMENT...: `vmm ARGUMENT...` succeeds and says the words.
does() {
    local name=$1 words=$2
    shift 2
    got=0
    timeout "$(limit 60)" "$vmm" "$@" >"$work/said" 2>&1 || got=$?
    check "$name" eval '[[ $got -eq 0 ]] && { [[ -z $words ]] || grep -qF -- "$words" "$work/said"; }'
}
waits 60 has_ticked 2 || true
check the_guest_is_up test "$(ticks)" -ge 2

does ps_shows_it running ps
refused a_second_guest_of_the_name_is_refused 1 "a VM of the name 'deb' runs already" \
    -k "$work/off.elf" --name deb
does pause_works '"paused"' pause --json deb
before=$(ticks)
kill -9 "$("$vmm" ps --json | grep -oE '"worker": *[0-9]+' | grep -oE '[0-9]+')"
sleep "$pause_seconds"
does another_vmm_finds_it_paused paused ps
check the_guest_stands_still test "$(ticks)" -le $((before + 1)) # one may have been on its way
does resume_works '"running"' resume --json deb
waits 60 has_ticked $((before + 3)) || true
# The longest time between two ticks, by the guest's own clock.
gap=$(awk '$1 == "tick" { if (last && $2 - last > most) most = $2 - last; last = $2 } END { print int(most) }' "$work/console")
check the_guest_goes_on test "$(ticks)" -ge $((before + 3))
check the_guest_misses_no_time test "$gap" -lt "$pause_seconds"

does disk_resize_works '134217728' disk --json resize deb 128M
check the_guest_sees_the_disk_grow waits 60 last 262144 1
does link_goes_down '"down"' net --json link deb down
check the_guest_sees_no_carrier waits 60 last 262144 0
does link_goes_up '' net link deb up
check the_guest_sees_the_carrier waits 60 last 262144 1
does balloon_works '' balloon deb 300M
check the_guest_gives_memory waits 60 has_less_memory
does balloon_tells_what_the_guest_has total balloon deb
does stat_counts_what_the_guest_did '"sent"' stat --json deb
# get PATH ACCEPT: what a program gets, or a browser.
get() {
    timeout "$(limit 10)" python3 - "$RINGVISOR_RUN_DIR/deb.sock" "$@" >"$work/said" 2>&1 <<'P' || true
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(b"GET %s HTTP/1.0\r\nAccept: %s\r\n\r\n" % (sys.argv[2].encode(), sys.argv[3].encode()))
print(s.makefile().read())
P
}
get / text/html
check a_browser_gets_the_page says '<!DOCTYPE html>' "$work/said"
get /metrics '*/*'
check metrics_count_exits grep -qE '^ringvisor_exits_total\{kind="data abort"\} [0-9]{3}' "$work/said"
does kill_works '' kill deb
got=0
wait "$guest" || got=$?
check the_guest_is_gone eval '[[ $got -ne 0 && $(ls "$RINGVISOR_RUN_DIR") == "" ]]'
exit $failed
