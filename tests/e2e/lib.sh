# SPDX-License-Identifier: BSD-2-Clause
# What the end-to-end tests share. Sourced by bash, after `set -euo pipefail`.
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
vmm=${RINGVISOR_VMM:?names the vmm to test}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# result NAME: says whether the command before it succeeded.
ok() { echo "ok: $1"; }
bad() { echo "FAILED: $1"; failed=1; shift; [[ $# -eq 0 ]] || printf '  %s\n' "$@"; }

# run LIMIT ARGUMENT...: vmm with a time limit; status in $got, output in $work/out and err.
run() {
    local limit=$1
    shift
    got=0
    timeout -k 5 "$limit" "$vmm" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
}

# refused NAME STATUS WORDS ARGUMENT...: `vmm run ARGUMENT...` ends so, and says the words.
refused() {
    local name=$1 status=$2 words=$3
    shift 3
    run 30 run "$@"
    if [[ $got -ne $status ]] || { [[ -n $words ]] && ! grep -qF -- "$words" "$work/err"; }; then
        bad "$name" "status $got, wanted $status; stderr, wanted '$words':" "$(head -c 1000 "$work/err")"
    else
        ok "$name"
    fi
}

# A payload that never ends by itself, and one that powers off.
make_payloads() {
    cat >"$work/loop.s" <<'S'
        .global _start
_start: ldr x1, =0x09000000
        mov w2, #'U'
        strb w2, [x1]
        mov w2, #'\n'
        strb w2, [x1]
1:      b 1b
S
    cat >"$work/off.s" <<'S'
        .global _start
_start: ldr x0, =0x84000008
        hvc #0
1:      b 1b
S
    for name in loop off; do
        aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n \
            -Wl,-Ttext=0x40080000 -o "$work/$name.elf" "$work/$name.s"
    done
}
