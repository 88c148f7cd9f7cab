#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A snapshot on a computer that does not have what its options name, as far as the guest does not need it.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
export RINGVISOR_RUN_DIR=$work/run
make_payloads
mkdir -m 700 "$RINGVISOR_RUN_DIR"
mkdir "$work/home" "$work/home/snapshots" "$work/home/sockets"
runs() { "$vmm" ps --json 2>/dev/null | grep -q '"running"'; }

# start COMMAND...: in the background, as process $guest, with its messages in $work/err.
start() { "$@" </dev/null >"$work/out" 2>"$work/err" & guest=$!; }

cd "$work/home"
start "$vmm" run -k "$work/loop.elf" -m 64M -n one --snapshots snapshots --control sockets/one
waits 60 says U
got=0
"$vmm" snapshot --stop "$work/home/sockets/one" "$work/home/snapshots/one" >"$work/said" 2>&1 || got=$?
check it_is_saved test "$got" -eq 0
wait "$guest" || true
mv snapshots/one "$work/one"
cd "$work"

rm -r home/snapshots home/sockets
start "$vmm" restore "$work/one"
waits 60 runs || true
check it_goes_on_without_its_folders runs
check it_says_which_folder_for_snapshots_is_missing complains "--snapshots 'snapshots'"
check it_says_where_the_control_socket_is_not complains "--control 'sockets/one'"
check each_is_said_once test "$(grep -c 'is not there' "$work/err")" -eq 2
got=0
"$vmm" snapshot one "$work/two" >"$work/said" 2>&1 || got=$?
check it_cannot_be_saved_and_says_why eval '[[ $got -ne 0 ]] && says "--snapshots DIR" "$work/said"'
"$vmm" kill one >"$work/said" 2>&1
wait "$guest" || true

# Nor the folder where it was started. Another worker goes on without them, too.
rmdir home
mkdir new
start "$vmm" restore --snapshots "$work/new" "$work/one"
waits 60 runs || true
check it_goes_on_without_the_folder_where_it_was_started runs
check which_is_said_once test "$(grep -c 'where the VM was started' "$work/err")" -eq 1
rmdir new
kill -9 "$(pgrep -P "$guest" vmm-worker)"
waits 60 complains 'another one takes over' || true
waits 60 runs || true
check its_next_worker_does_not_need_the_folder_for_snapshots runs
"$vmm" kill one >"$work/said" 2>&1
got=0
wait "$guest" || got=$?
check it_ends_when_it_is_told_to test "$got" -eq 0

run 30 restore --snapshots "$work/none" "$work/one"
check a_folder_that_is_asked_for_now_has_to_be_there eval '[[ $got -eq 1 ]] && complains "$work/none"'
exit $failed
