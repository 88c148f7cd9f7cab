#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Snapshots of Debian under load, with two vCPUs and a disk: it goes on from each of them in
# another process, again and again, with memory, disk and clock as they were. What is damaged, or
# would not fit, is refused, and nothing is changed by that.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
export RINGVISOR_RUN_DIR=$work/run
truncate -s 32M "$work/disk.img"

# "tick N UPTIME SECONDS disk memory", about four times a second; a word other than these is bad.
# Block N % 512 of the disk has N, past the page cache; the memory is hashed by the other CPU, too.
cat >"$work/script" <<'S'
dd if=/dev/urandom of=/run/data bs=1M count=4 status=none
sha256sum /run/data >/run/sum
(while sha256sum -c /run/sum >/dev/null 2>&1; do :; done; echo changed >/run/bad) &
n=0
while true; do
    n=$((n + 1)) memory=memory disk=disk
    printf '%-4096d' "$n" | dd of=/dev/vda bs=4096 seek=$((n % 512)) conv=notrunc oflag=direct iflag=fullblock status=none
    for back in 0 1 2 3; do
        [ "$n" -le "$back" ] && continue
        read -r got _ <<G
$(dd if=/dev/vda bs=4096 skip=$(((n - back) % 512)) count=1 iflag=direct status=none)
G
        [ "$got" = $((n - back)) ] || disk="block-$((n - back))-has-$got"
    done
    [ ! -e /run/bad ] || memory=changed
    read -r up _ </proc/uptime
    echo "tick $n $up $(date +%s) $disk $memory"
    sleep 0.1
done
S
touch "$work/said"
console=$work/console
ticks() { grep -cE '^tick .* (memory|changed)' "$console" || true; }
has_ticks() { [[ $(ticks) -ge $1 ]]; }
until_ticks() { waits 90 has_ticks "$1"; }
last() { grep -E '^tick .* memory' "$console" | tail -n 1 | cut -d' ' -f2; }
# The uptime of the first or last tick, in seconds.
uptime_of() { grep -E '^tick .* memory' "$console" | "$1" -n 1 | cut -d' ' -f3 | cut -d. -f1; }
# All ticks of the console follow each other, with all well, and no clock goes backwards.
is_smooth() {
    awk '$1 == "tick" && NF == 6 {
        if ($5 != "disk" || $6 != "memory") exit bad = 1
        if (n && ($2 != n + 1 || $3 < up || $4 < s)) exit bad = 1
        n = $2; up = $3; s = $4; count++
    } END { exit bad || count < 3 }' "$console"
}
# does NAME ARGUMENT...: `vmm ARGUMENT...` succeeds.
does() { got=0; timeout "$(limit 100)" "$vmm" "${@:2}" >"$work/said" 2>&1 || got=$?; check "$1" test "$got" -eq 0; }
# restore DIR OPTION...: in the background; its console is in $console.
restore() {
    console=$work/console-$((++round))
    "$vmm" restore "${@:2}" "$1" >"$console" 2>"$work/messages-$round" </dev/null &
    guest=$!
}
# no_restore NAME WORDS DIR OPTION...: it is refused, and says the words.
no_restore() {
    run 60 restore "${@:4}" "$3"
    check "$1" test "$got:$(grep -cF -- "$2" "$work/err")" = 1:1
}
the_end() { timeout 60 "$vmm" kill snap >"$work/said" 2>&1; wait "$guest" || true; }
round=0

"$root/tools/guest-exec" --timeout "$(limit 250)" --vmm "$vmm" --name snap -c 2 -m 256M \
    --disk "$work/disk.img,format=raw" --snapshots "$work" -- sh -c "$(cat "$work/script")" >"$console" 2>"$work/messages" &
guest=$!
until_ticks 4 || true
check the_guest_is_up test "$(ticks)" -ge 4

# Its writes end at 1 MiB, as on a disk that is full; the guest's are below.
pid=$("$vmm" ps --json | sed -n 's/.*"worker": \([0-9]*\).*/\1/p')
prlimit --pid "$pid" --fsize=1048576:unlimited
got=0; timeout "$(limit 60)" "$vmm" snapshot snap "$work/none" >"$work/said" 2>&1 || got=$?
check a_snapshot_without_room_fails eval '[[ $got -eq 1 ]] && says "File too large" "$work/said"'
check nothing_is_left_of_it test -z "$(ls -d "$work"/none* 2>/dev/null)"
prlimit --pid "$pid" --fsize=unlimited:unlimited
before=$(last)
until_ticks $((before + 2)) || true
check the_guest_goes_on_without_it test "$(last)" -ge $((before + 2))

until_ticks $(($(last) + 1)) || true
seen=$(date +%s) before=$(last) uptime=$(uptime_of tail)
does snapshot_works snapshot snap "$work/one"
saved=$(date +%s)
until_ticks $((before + 2)) || true
check the_guest_goes_on is_smooth
got=0; timeout "$(limit 60)" "$vmm" snapshot snap "$work/one" >"$work/said" 2>&1 || got=$?
check a_snapshot_replaces_nothing eval '[[ $got -eq 1 ]] && says "already" "$work/said"'
no_restore a_disk_that_runs_is_not_reverted 'in use' "$work/one" --revert-disks --control off
the_end

sum=$(sha256sum <"$work/disk.img")
cp "$work/disk.img" "$work/disk.was"
no_restore a_disk_that_has_changed_is_refused '--revert-disks' "$work/one"
! on qemu || no_restore another_cpu_is_refused 'of another CPU' "$work/one" --revert-disks -M qemu,cpu=cortex-a72
no_restore another_size_is_refused 'bytes of memory' "$work/one" --revert-disks -m 512M
cp -r "$work/one" "$work/bad"
truncate -s -1 "$work/bad/ram"
no_restore a_cut_snapshot_is_refused "its part 'ram' is damaged" "$work/bad" --revert-disks
cp "$work/one/ram" "$work/bad/ram"
printf 'damaged' | dd of="$work/bad/ram" bs=1 conv=notrunc seek=$(($(stat -c %s "$work/bad/ram") - 8)) status=none
no_restore memory_that_is_found_damaged_late_ends_the_guest "its part 'ram' is damaged" "$work/bad" --lazy --revert-disks
cp "$work/disk.was" "$work/disk.img"
sed -i 's/"memory": "0x/"memory": "0x1/' "$work/bad/manifest.json"
no_restore an_edited_manifest_is_refused 'was changed after it was written' "$work/bad" --revert-disks
check no_refusal_has_touched_the_disk test "$(sha256sum <"$work/disk.img")" = "$sum"

for name in first second; do
    started=$(date +%s)
    lazy=()
    [[ $name == first ]] || lazy=(--lazy)
    restore "$work/one" --revert-disks "${lazy[@]}"
    until_ticks 1 || true
    # The guest has had no more time than there was while it was there, however busy the host is.
    spent=$(($(uptime_of head) - uptime)) most=$((saved - seen + $(date +%s) - started + 2))
    check "${name}_restore_misses_the_time_between" test "$spent" -ge 0 -a "$spent" -le "$most"
    until_ticks 3 || true
    check "${name}_restore_goes_on" is_smooth
    check "${name}_restore_begins_where_it_was_saved" \
        test "$(grep -m1 '^tick .* memory' "$console" | cut -d' ' -f2)" -le $((before + 3))
    [[ $name == second ]] || the_end
done
does snapshot_of_a_restored_guest_works snapshot --stop snap "$work/two"
wait "$guest" || true
before=$(last)
restore "$work/two" # nothing has written to the disk
until_ticks 1 || true
rm -r "$work/two"
kill -9 "$(pgrep -P $guest vmm-worker)"
until_ticks $(($(ticks) + 3)) || true
check a_restored_guest_outlives_its_vmm says 'another one takes over' "$work/messages-$round"
check third_restore_goes_on is_smooth
check third_restore_begins_where_it_was_saved \
    test "$(grep -m1 '^tick .* memory' "$console" | cut -d' ' -f2)" -le $((before + 2))
the_end
check no_message_was_an_error eval '! grep -h error "$work"/messages-*'
exit $failed
