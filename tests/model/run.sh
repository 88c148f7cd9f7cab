#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: tests/model/run.sh
#
# Has Spin search all states of the models: the protocol as it is must
# hold in every scenario, and with any one part taken out it must fail as said here.
# A model that cannot fail proves nothing.
set -euo pipefail
models=$(cd -- "$(dirname -- "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$models"/*.pml .
failed=0
model=ring
wrong='reads a wrong message' # what an assertion says

# check VERDICT [SCENARIO] [FAULT]
check() {
    local verdict=$1 defines=() optimize=-O1 output got
    shift
    defines=("${@/#/-D}")
    [[ $verdict == holds ]] || optimize=-O0 # an error is found at once
    spin -a "${defines[@]}" "$model.pml" >spin.log 2>&1 || { cat spin.log; exit 1; }
    "${CC:-cc}" $optimize -w -DSAFETY -DCOLLAPSE -o pan pan.c
    output=$(./pan -m20000 -w20 2>&1) || true
    case $output in
    *"max search depth too small"* | *"out of memory"* | *"aborting"*) got="search not finished" ;;
    *"pan:1: invalid end state"*) got="sleeps for ever" ;;
    *"pan:1: assertion violated"*) got=$wrong ;;
    *"errors: 0"*) got=holds ;;
    *) got="no verdict" ;;
    esac
    if [[ $got == "$verdict" ]]; then
        printf 'ok: %s: %s (%s states)\n' "$model $*" "$got" \
            "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' <<<"$output")"
    else
        printf 'FAILED: %s: expected "%s", got "%s"\n%s\n' "$model $*" "$verdict" "$got" "$output"
        failed=1
    fi
}

for scenario in STREAM MANY EXCHANGE; do
    check holds "$scenario"
    check "sleeps for ever" "$scenario" NO_PRODUCER_FENCE
    check "sleeps for ever" "$scenario" NO_CONSUMER_FENCE
done
check "sleeps for ever" STREAM NO_SECOND_LOOK
check holds IDLE
check "sleeps for ever" IDLE NO_PRODUCER_FENCE
check "sleeps for ever" IDLE NO_IDLE_FENCE
check "reads a wrong message" STREAM NO_RELEASE
check "reads a wrong message" STREAM NO_ACQUIRE
check "reads a wrong message" STREAM NO_TAIL_RELEASE

model=attach
wrong='an instruction or an interrupt does not count once'
check holds
check "sleeps for ever" NO_COMMAND_SEQ
for fault in NO_JOURNAL_FIRST NO_SEQ NO_UNDO NO_DECISION NO_DROP NO_RUN_AT NO_RETRACT_FIRST NO_ANSWER_FIRST \
    NO_PUT_BACK NO_FORGET; do
    check "$wrong" "$fault"
done

model=sgi
wrong='a word is not 0 without its vCPU'
check holds
check "$wrong" TAKES_FIRST
check "$wrong" NO_ATOMIC
check "sleeps for ever" KICKS_FIRST
check "sleeps for ever" NO_LOOK

model=ack
for driver in ONCE TWICE UNTIL; do
    check holds "$driver"
done
for fault in NO_LOOK NO_DEVICE_FENCE NO_STUB_FENCE TRUSTS NO_TELL EDGE_FIRST QUEUE_FIRST; do
    check "sleeps for ever" ONCE "$fault"
done
check "sleeps for ever" TWICE COUNTS_ONE
exit "$failed"
