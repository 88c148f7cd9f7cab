#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Commands at the same time, and clients that go: the guest, which makes exits all the time, runs on.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
export RINGVISOR_RUN_DIR=$work/run
make_payloads
mkdir "$work/snapshots"
"$vmm" run -k "$work/chat.elf" -m 64M --name races --snapshots "$work/snapshots" \
    >"$work/console" 2>"$work/err" </dev/null &
guest=$!
waits 60 is_running races || true
python3 "$(dirname -- "$0")/races.py" "$work/run/races.sock" "$work/snapshots" "$(limit 60)" || { failed=1; kill -TERM "$guest"; }
got=0
wait "$guest" || got=$?
check the_guest_has_ended_as_it_was_told test "$got" -eq 0
check nothing_is_wrong_with_the_vmm eval '! grep -E "Sanitizer|sandbox: refused|has died" "$work/err"'
exit $failed
