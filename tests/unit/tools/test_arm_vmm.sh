#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Usage: test_arm_vmm.sh SOURCE_ROOT
#
# What tools/lib/arm-vmm makes of the options of `vmm run`: the size of the emulated Arm computer, and
# its own exit status. A tools/arm-computer that only tells its words stands for that one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tools/lib" "$work/cache/guest"
cp "$1"/tools/lib/{arm-vmm,common.sh,guest-apt.sh} "$work/tools/lib/"
cat >"$work/tools/arm-computer" <<'E'
#!/usr/bin/env bash
printf '%s|' "$@" >"${0%/tools/*}/words"
while [[ $# -gt 0 && $1 != --console ]]; do shift; done
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
[[ ! -e $work/made ]] || { echo "FAILED: nothing_is_evaluated"; failed=1; }
exit $failed
