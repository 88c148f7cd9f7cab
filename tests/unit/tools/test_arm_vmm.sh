#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: test_arm_vmm.sh SOURCE_ROOT
#
# What tools/lib/arm-vmm makes of the options of `vmm run`: the size of the emulated Arm computer, and
# its own exit status; and who has Ctrl-C. A tools/arm-computer that only tells its words stands for that one; on
# a terminal, it takes it as QEMU does.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tools/lib" "$work/cache/guest"
cp "$1"/tools/lib/{arm-vmm,common.sh,guest-apt.sh} "$work/tools/lib/"
cat >"$work/tools/arm-computer" <<'E'
#!/usr/bin/env bash
printf '%s|' "$@" >"${0%/tools/*}/words"
while [[ $# -gt 0 && $1 != --console ]]; do shift; done
terminal_is() { until [[ $(stty -a) =~ (^|[[:space:]])$1 ]]; do sleep 0.05; done; }
if [[ -t 0 ]]; then
    stty -isig -icanon -echo
    [[ $COMPUTER_STATUS -eq 0 ]] || exec sleep 1000 # it boots
    terminal_is isig
    echo up >"${2#file:}"
    terminal_is -isig
fi
printf '%s\r\n' "$VMM_STATUS" >"${2#file:}"
exit "$COMPUTER_STATUS"
E
chmod +x "$work/tools/arm-computer"
export RINGVISOR_CACHE=$work/cache RINGVISOR_ARM_BUILD=/build VMM_STATUS=0 COMPUTER_STATUS=0
failed=0

# expect NAME STATUS CPUS MIB PAGES WORD...
expect() {
    local got=0
    "$work/tools/lib/arm-vmm" run "${@:6}" >"$work/out" 2>&1 || got=$?
    if [[ $got -eq $2 && $(<"$work/words") == "--terminal|-c|$3|-m|$4M|"*"hugepages=$5|"*"|${6-}"* ]]; then
        echo "ok: $1"
    else
        echo "FAILED: $1: status $got, and: $(<"$work/words") $(<"$work/out")"
        failed=1
    fi
}

expect a_guest_of_the_default_size 0 3 1296 264
for words in '-m 1G -c 4' '-m1G -c4' '--memory 1G --cpus 4' '--memory=1G --cpus=4' '-p -m9G -m 1G -c 4'; do
    # shellcheck disable=SC2086
    expect "size by: $words" 0 6 1808 520 $words
done
expect the_last_one_counts 0 4 1296 264 -c 1 -c 2
for words in '-M linux,cpus=2-5' '--machine=linux,cpus=1,,5' '-Mlinux,cpus=5'; do
    # shellcheck disable=SC2086
    expect "CPUs that are named are there: $words" 0 7 1296 264 $words
done
expect what_is_no_number_is_for_the_vmm 0 3 1296 264 -m much -c 'x[$(touch "'"$work"'/made")]' -M linux,cpus=99
VMM_STATUS=2 expect the_vmms_status_is_ours 2 3 1296 264
VMM_STATUS='' expect a_computer_that_says_nothing_has_failed 1 3 1296 264
COMPUTER_STATUS=125 expect a_computer_that_fails_is_told 125 3 1296 264
# on_a_terminal NAME STATUS KEY: typed as soon as it makes a signal again.
on_a_terminal() {
    if /usr/bin/python3 - "$2" "$3" "$work/tools/lib/arm-vmm" run <<'P'; then
import os, pty, select, sys, termios, time
status, key = int(sys.argv[1]), sys.argv[2]
pid, terminal = pty.fork()
if pid == 0:
    os.read(0, 1)
    os.execv(sys.argv[3], sys.argv[3:])
def flags():
    return termios.tcgetattr(terminal)[3]
before = flags()
os.write(terminal, b"\n")
raw, got, end = False, None, time.monotonic() + 100
while got is None and time.monotonic() < end:
    if select.select([terminal], [], [], 0.01)[0]:
        try:
            os.read(terminal, 4096)
        except OSError:
            pass
    raw = raw or not flags() & termios.ICANON
    if key and raw and flags() & termios.ISIG:
        os.write(terminal, b"\x03")
        key = ""
    ended, code = os.waitpid(pid, os.WNOHANG)
    if ended:
        got = os.waitstatus_to_exitcode(code)
if got is None:
    os.kill(pid, 15)
print(f"# status {got}, raw {raw}, the terminal's flags {flags():#x}, before {before:#x}")
sys.exit(not (raw and got == status and flags() == before))
P
        echo "ok: $1"
    else
        echo "FAILED: $1"
        failed=1
    fi
}
COMPUTER_STATUS=1 on_a_terminal ctrl_c_ends_a_computer_that_boots 143 ctrl-c
on_a_terminal the_vmm_has_ctrl_c_when_it_is_up 0 ''
said=$("$1/tools/demo" -M linux --help) || true
[[ $said == *'Usage: tools/demo'* ]] || { echo "FAILED: the demo's help: $said"; failed=1; }
said=$("$1/tools/demo" -M linux --kill-vmm 1 2>&1) && failed=1
[[ -e /dev/ringvisor || $said == *'not where the Arm computer is emulated'* ]] || { echo "FAILED: --kill-vmm: $said"; failed=1; }
[[ ! -e $work/made ]] || { echo "FAILED: nothing_is_evaluated"; failed=1; }
exit $failed
