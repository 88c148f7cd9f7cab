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
bench exits --build "$work"
check a_folder_that_is_no_build_is_refused test "$got" -eq 1
check and_what_is_missing_is_said complains 'is this a build with -Dbench=true?'
bench nothing
check a_part_that_there_is_not_is_refused eval '[[ $got -eq 2 ]] && complains "there are boot,"'
exit $failed
