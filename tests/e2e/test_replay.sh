#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: test_replay.sh PAYLOAD SMP-PAYLOAD
# Recordings of guests, Debian's boot among them, are replayed without a difference; a recording
# that is cut or edited is refused.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
payload=$1 smp=$2

recorded() { # NAME OPTION...
    run 60 run --no-reboot --grace 0 --record "$work/$1.rec" "${@:2}"
    check "$1_is_recorded" test "$got" -eq 0 -a -s "$work/$1.rec"
}
replayed() { # NAME
    run 60 replay "$work/$1.rec"
    cp "$work/out" "$work/replayed"
    check "$1_is_replayed" test "$got" -eq 0
    check "$1_has_no_difference" says 'no difference until the end of the recording'
}
more_than() { # COUNT: exits were replayed
    local exits
    exits=$(sed -n 's/.*of them \([0-9]*\) exits.*/\1/p' "$work/replayed")
    [[ ${exits:-0} -gt $1 ]]
}

recorded one -k "$payload"
replayed one
check one_has_all_exits more_than 1000
recorded two -k "$smp" -c 2
replayed two
if on qemu; then # on the other machine each vCPU has a CPU of its own
    recorded shared -k "$smp" -c 2 --pcpus 1 --time-slice 1
    replayed shared
fi

guest --record "$work/debian.rec" <<'S'
nproc; cat /proc/interrupts >/dev/null; echo done
S
check debian_is_recorded answers done
replayed debian
check debian_has_a_boots_exits more_than 2000
echo "debian: $(head -1 "$work/replayed"), $(stat -c %s "$work/debian.rec") bytes"

# Damage.
refuses() { # NAME WORDS FILE
    run 30 replay "$3"
    if [[ $got -eq 1 ]] && complains "$2"; then ok "$1"; else bad "$1" "status $got" "$(cat "$work/err")"; fi
}
size=$(stat -c %s "$work/one.rec")
head -c $((size / 2)) "$work/one.rec" >"$work/bad"
refuses a_cut_recording 'it is cut' "$work/bad"
cp "$work/one.rec" "$work/bad"
printf 'edited' | dd of="$work/bad" bs=1 seek=$((size / 2)) conv=notrunc status=none
refuses an_edited_recording "recording '$work/bad'" "$work/bad"
refuses a_text 'is no recording' "$0"
refuses a_missing_file 'No such file' "$work/none"
run 10 replay
check replay_needs_a_file test "$got" -eq 2
refused a_recording_that_cannot_be_written 1 '/nonexistent/x' -k "$payload" --record /nonexistent/x
exit $failed
