#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: test_snapshot_track.sh SNAPSHOT_COMPARE TESTDEV_DIR WRITES_ELF
# Snapshots that have only what was written since another one. A guest writes to memory in every way
# that there is: none of its writes is missing or made twice, and each snapshot has, page by page, what a
# whole one has. So it is also when the vmm was killed or replaced meanwhile. A chain of snapshots that
# is not whole is refused.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
compare=$1 testdev=$2 elf=$3
export RINGVISOR_RUN_DIR=$work/run

# The first one of a guest, and its console; what is typed goes to descriptor 3.
mkfifo "$work/keys"
exec 3<>"$work/keys"
begin() { console=$work/$1 seen=0; shift; "$vmm" "$@" <"$work/keys" >"$console" 2>>"$work/messages" & guest=$!; }
has() { grep -qF -- "$1" "$console"; }
until_said() { waits 60 has "$1" || true; }
does() { got=0; timeout "$(limit 60)" "$vmm" "${@:2}" >"$work/said" 2>&1 || got=$?; check "$1" test "$got" -eq 0; }
refuses() {
    local words=$2
    got=0
    timeout "$(limit 60)" "$vmm" "${@:3}" >"$work/said" 2>&1 || got=$?
    check "$1" eval '[[ $got -eq 1 ]] && says "$words" "$work/said"'
}
kill_worker() {
    local n
    n=$(grep -c 'the guest goes on after' "$work/messages" || true)
    kill -9 "$(pgrep -P $guest vmm-worker)"
    waits 60 went_on "$n" || true
}
went_on() { [[ $(grep -c 'the guest goes on after' "$work/messages") -gt $1 ]]; }
play() { printf r >&3; until_said "ready for round $(($1 + 1))"; }
# is_exact NUMBER: the snapshot since the last one has what a whole one has.
is_exact() { is_exact_since "round_$1" "$work/s$1" "$work/s$(($1 - 1))" "$work/whole-$1"; }
# is_exact_since WHAT NEW BASE WHOLE
is_exact_since() {
    does "$1_pauses" pause track
    does "$1_is_saved" snapshot track "$2" --base "$3"
    does "$1_is_saved_whole" snapshot track "$4"
    does "$1_resumes" resume track
    got=0
    "$compare" "$2" "$4" >"$work/said" 2>&1 || got=$?
    check "$1_has_every_page" test "$got" -eq 0
}

begin console run -k "$elf" -c 2 -m 256M --name track --snapshots "$work" -P "$testdev" --device testdev
until_said 'ready for round 0'
refuses nothing_is_tracked_unasked 'nobody knows what the VM has written' snapshot track "$work/none" --base "$work/s0"
does whole_snapshot_that_tracks snapshot track "$work/s0" --track
for round in 0 1 2 3; do
    [[ $round != 1 ]] || kill_worker
    play "$round"
    [[ $round != 2 ]] || kill_worker
    [[ $round != 3 ]] || does an_upgrade_keeps_what_is_tracked upgrade track
    is_exact $((round + 1))
done
refuses an_older_base_is_refused 'is not the VM'"'"'s last snapshot' snapshot track "$work/none" --base "$work/s2"
refuses a_base_that_is_none_is_refused 'No such file' snapshot track "$work/none" --base "$work/nowhere"
mv "$work/s2" "$work/away"
refuses a_base_whose_own_base_is_gone_is_refused 'builds on what is not there' snapshot track "$work/none" --base "$work/s4"
mv "$work/away" "$work/s2"
# A snapshot that fails is no base, and what it would have had is in the next one.
play 4
prlimit --pid "$(pgrep -P $guest vmm-worker)" --fsize=$(($(stat -c %s "$work/s4/ram") / 2)):unlimited
refuses a_snapshot_without_room_fails 'File too large' snapshot track "$work/none" --base "$work/s4"
prlimit --pid "$(pgrep -P $guest vmm-worker)" --fsize=unlimited:unlimited
play 5
is_exact 5
# is_smaller NAME A WHOLE: where 2 MiB count as written at once, all that this guest has is in a few of them.
is_smaller() {
    on linux || check "$1" test "$(stat -c %s "$2/ram")" -lt "$(stat -c %s "$3/ram")"
}
is_smaller it_is_smaller_than_a_whole_one "$work/s5" "$work/whole-5"
printf q >&3
wait "$guest" || true
check every_write_was_made_once eval 'has DONE && ! has "not ok"'

# The chain is read, at once and while the guest runs, and goes on from the snapshot that was restored.
for how in '' --lazy; do
    begin "restored$how" restore --track $how "$work/s5"
    waits 60 "$vmm" resume track >"$work/said" 2>&1 || true
    play 6
    is_exact_since "restored$how" "$work/s6$how" "$work/s5" "$work/whole-6$how"
    is_smaller "restored${how}_and_saved_it_is_smaller_than_a_whole_one" "$work/s6$how" "$work/whole-6$how"
    printf q >&3
    wait "$guest" || true
    check "restored${how}_goes_on_with_every_write" eval 'has DONE && has "round 6" && ! has "not ok"'
done

# A chain becomes one whole snapshot, which needs none of the others.
does a_chain_is_merged snapshot --merge "$work/s5" "$work/merged"
got=0
"$compare" "$work/merged" "$work/whole-5" >"$work/said" 2>&1 || got=$?
check what_was_merged_has_every_page test "$got" -eq 0
mkdir "$work/alone"
mv "$work/merged" "$work/alone"
begin merged restore --track "$work/alone/merged"
waits 60 "$vmm" resume track >"$work/said" 2>&1 || true
does what_was_merged_is_a_base snapshot track "$work/alone/next" --base "$work/alone/merged"
play 6
printf q >&3
wait "$guest" || true
check what_was_merged_goes_on_with_every_write eval 'has DONE && has "round 6" && ! has "not ok"'
refuses a_merge_replaces_nothing 'File exists' snapshot --merge "$work/s5" "$work/alone"
refuses a_merge_without_a_snapshot_is_refused 'No such file' snapshot --merge "$work/none" "$work/new"
(ulimit -f $(($(stat -c %s "$work/whole-5/ram") / 2048)) && got=0 && run 60 snapshot --merge "$work/s5" "$work/new" && echo "$got" >"$work/got")
check a_merge_without_room_fails eval '[[ $(<"$work/got") -eq 1 ]] && complains "File too large"'

no_restore() { run 60 restore "${@:3}" "$work/s5"; check "$1" test "$got:$(grep -cF -- "$2" "$work/err")" = 1:1; }
mv "$work/s3" "$work/away"
no_restore a_chain_that_misses_a_part_is_refused "its base '../s3': No such file"
cp -r "$work/whole-3" "$work/s3"
no_restore a_chain_with_another_part_is_refused 'is not the snapshot that it was made from'
rm -r "$work/s3"
mv "$work/away" "$work/s3"
truncate -s -1 "$work/s1/ram"
no_restore a_chain_with_a_cut_part_is_refused "snapshot '../s1': its part 'ram' is damaged"
refuses nor_is_it_merged "snapshot '../s1': its part 'ram' is damaged" snapshot --merge "$work/s5" "$work/new"
check a_merge_that_fails_leaves_nothing eval '! compgen -G "$work/new*"'
no_restore also_lazily "snapshot '../s1': its part 'ram' is damaged" --lazy
check no_other_message_was_an_error test "$(grep error: "$work/messages")" = "vmm: error: snapshot '../s3': its base '../s2': No such file or directory"
exit $failed
