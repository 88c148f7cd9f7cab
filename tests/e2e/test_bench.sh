#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The parts of tools/bench that need nothing but the build and the demo's guest measure each of
# their rows. The figures are of a sanitizer's build beside other tests: only that they are there counts.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
build=$(dirname "$(dirname "$(realpath "$vmm")")")

# bench ARGUMENT...
bench() {
    got=0
    timeout 400 "$root/tools/bench" --build "$build" --rounds 1 --pairs 1 "$@" >"$work/out" 2>"$work/err" || got=$?
}
# has_figures NUMBER TITLE...: there are so many rows of a figure with quartiles; each title is there.
has_figures() {
    local number=$1
    shift
    [[ $got -eq 0 && $(grep -cE '[0-9]+ \[[0-9.]+ [0-9.]+\]' "$work/out") -eq $number ]] || return 1
    for title; do says "$title" || return 1; done
}

bench exits --json "$work/exits.json" --plot "$work/exits.svg"
check exits_has_all_rows has_figures 13 'a cache line, there and back' 'exit: MMIO write, posted' 'beside a second vCPU'
check the_file_has_the_samples python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["exits"]' "$work/exits.json"
check the_picture_is_one says '<svg' "$work/exits.svg"
bench watch
check watch_has_all_rows has_figures 8 'nobody looks on' 'traced for Perfetto'
bench ipi flood
check ipi_and_flood_have_all_rows has_figures 7 'SGI, until its answer is seen' 'timer interrupts of its own'
bench boot
check boot_has_all_rows has_figures 2 'quiet console' 'full console'
bench console --io-rounds 1
check console_has_all_rows has_figures 2 'virtio-console, kB/s' "the board's UART, kB/s"
# What ends the bench early leaves the rounds that were whole.
# begun NUMBER ARGUMENT...: the bench, when so many of a thousand rounds have begun; it goes on as $bench.
begun() {
    local number=$1
    shift
    timeout 400 "$root/tools/bench" --build "$build" --rounds 1000 "$@" >"$work/out" 2>"$work/err" &
    bench=$!
    waits 120 complains ": $number of 1000"
}
ended() { got=0; wait "$bench" || got=$?; }
# ended_in PART BY: so says the file, which has two rounds or more of it.
ended_in() {
    python3 - "$work/early.json" "$@" <<'PYTHON'
import json, sys
run = json.load(open(sys.argv[1]))
assert run["ended_early"]["part"] == sys.argv[2] and sys.argv[3] in run["ended_early"]["by"], run["ended_early"]
assert len(run[sys.argv[2]]["ratio"]["ipi"]["samples"]) >= 2
assert "flood" not in run
PYTHON
}
ln -s "$vmm" "$work/vmm"
begun 3 ipi flood --json "$work/early.json" --vmm "$work/vmm" || true
pkill -INT -P "$bench" || true # if it has ended, the check says what it said
ended
check an_interrupted_bench_says_so test "$got" -eq 130
check what_was_measured_is_shown matches 'From one vCPU to another, .* of 1000 rounds'
check that_it_is_not_all_is_said says 'ENDED EARLY, in the part ipi'
check what_was_measured_is_in_the_file ended_in ipi SIGINT
check no_guest_of_it_is_left waits 10 eval '! pgrep -f "^$work/vmm "'
printf '#!/bin/sh\necho >>"$0.runs"\n[ "$(wc -l <"$0.runs")" -le 5 ] || exit 9\nexec "%s" "$@"\n' "$vmm" >"$work/fails"
chmod +x "$work/fails"
bench ipi --rounds 1000 --json "$work/early.json" --vmm "$work/fails"
check a_failure_in_a_later_round_is_one test "$got" -eq 1
check the_rounds_before_it_are_shown says '2 of 1000 rounds'
check the_rounds_before_it_are_in_the_file ended_in ipi "$work/fails run"
bench ipi --json "$work"
check a_folder_as_the_file_is_refused_before_anything_is_measured eval '[[ $got -eq 2 ]] && complains "this is a folder"'
bench exits --build "$work"
check a_folder_that_is_no_build_is_refused test "$got" -eq 1
check and_what_is_missing_is_said complains 'is this a build with -Dbench=true?'
bench nothing
check a_part_that_there_is_not_is_refused eval '[[ $got -eq 2 ]] && complains "there are boot,"'
exit $failed
