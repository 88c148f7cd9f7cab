# SPDX-License-Identifier: BSD-2-Clause
# What the end-to-end tests share. Sourced by bash, after `set -euo pipefail`.
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
vmm=${RINGVISOR_VMM:?names the vmm to test}
work=$(mktemp -d)
failed=0

# Nothing of a test outlives it, whatever its end: no guest that a failed check left, and no daemon.
export RINGVISOR_TEST=$work # the environment of all that it starts
end_all() {
    local environ pid found
    for _ in {1..20}; do # a keeper may start a worker meanwhile
        found=false
        for environ in /proc/[0-9]*/environ; do
            pid=${environ//[!0-9]/}
            if [[ $pid -ne $$ ]] && grep -qszxF -- "RINGVISOR_TEST=$work" "$environ"; then
                found=true
                kill -KILL "$pid" 2>/dev/null || true
            fi
        done
        $found || break
    done
    rm -rf "$work"
}
trap end_all EXIT

# on MACHINE: is it the one that guests run on? It is qemu, and linux in tools/arm-test.
on() { [[ ${RINGVISOR_MACHINE:-qemu} == "$1" ]]; }

# limit SECONDS: that long, or so many times as long where all takes longer, as in tools/arm-test.
patience=${RINGVISOR_PATIENCE:-1}
limit() { echo $(($1 * patience)); }

# waits SECONDS COMMAND...: until the command succeeds. False: it did not in time.
waits() {
    local end=$((SECONDS + $1 * patience))
    shift
    until "$@"; do
        [[ $SECONDS -lt $end ]] || return 1
        sleep 0.1
    done
}

# is_running NAME: does `vmm ps` show the guest, and that it runs?
is_running() { "$vmm" ps | grep -q "^$1 .* running"; }

# finds ARGUMENT...: grep -q that reads all. What writes to it is not cut off, which would be an error.
finds() {
    local all
    all=$(cat)
    grep -q "$@" <<<"$all"
}

# ok NAME, bad NAME [LINE...]: what came out of a check. The test ends by `exit $failed`.
ok() { echo "ok: $1"; }
bad() { echo "FAILED: $1"; failed=1; shift; [[ $# -eq 0 ]] || printf '  %s\n' "$@"; }

# run LIMIT ARGUMENT...: vmm with a time limit; status in $got, output in $work/out and err.
run() {
    local seconds=$1
    shift
    got=0
    timeout -k 5 "$(limit "$seconds")" "$vmm" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
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

# check NAME COMMAND...: what was seen last is shown if the command fails.
check() {
    if "${@:2}"; then
        ok "$1"
    else
        bad "$1" "wanted: ${*:2}; status ${got-of nothing}; the last lines that were seen:" \
            "$(tail -n 40 "$work"/{out,console,peer,said,err} 2>/dev/null)"
    fi
}

# What a run has said. An expectation of what is *not* said holds only for a run that ended
# well: a crash says nothing either.
says() { grep -qF -- "$1" "${2:-$work/out}"; }
says_not() { [[ $got -eq 0 && -s $work/out ]] && ! grep -qF -- "$1" "$work/out"; }
matches() { grep -qE -- "$1" "${2:-$work/out}"; }
complains() { says "$1" "$work/err"; }
answers() { [[ $got -eq 0 ]] && matches "$1"; } # the last command succeeded, and printed it
counts() { [[ $(grep -cE -- "$2" "$work/out") -eq $1 ]]; }

# guest OPTION...: the script on stdin runs in a guest, by guest-exec through the command
# ${as[@]}; status in $got. The script may call `fails NAME COMMAND...`, which prints "NAME: "
# and what the command complained of: a command that crashes complains of nothing.
as=(env)
guest_seconds=120
guest() {
    local prelude='fails() {
        name=$1; shift
        if said=$("$@" 2>&1 >/dev/null); then echo "$name: it succeeded"; else echo "$name: $said" | tr "\n" " "; echo; fi
    }'
    got=0
    { printf '%s\n' "$prelude" && cat; } >"$work/script"
    "${as[@]}" "$root/tools/guest-exec" -v --timeout "$(limit "$guest_seconds")" "$@" -- \
        sh -c "$(cat "$work/script")" >"$work/out" 2>"$work/err" || got=$?
}

# talk LIMIT OPTION... with what to type on stdin: `vmm run OPTION...`, its status in $got, its
# console in $work/console, its messages in $work/err. What follows a line "@TEXT" is typed when
# the console has the text, behind the one before; "<FILE" types a file, all at once; "!SIGNAL" goes
# to the vmm, and "~N" waits for N seconds. $enter ends a line that is typed.
enter=$'\n'
talk() {
    local seconds=$1 line seen=0 at i child=
    shift
    : >"$work/console"
    rm -f "$work/keys"
    mkfifo "$work/keys"
    timeout -k 5 "$(limit "$seconds")" "$vmm" run "$@" <"$work/keys" >"$work/console" 2>"$work/err" &
    local timeout_pid=$!
    {
        while IFS= read -r line; do
            case $line in
            @*)
                for ((i = 0; i < 900 * patience; i++)); do
                    at=$(tail -c "+$((seen + 1))" "$work/console" | LC_ALL=C grep -aobF -- "${line#@}" | head -n 1) || true
                    [[ ! $at ]] || { seen=$((seen + ${at%%:*} + ${#line} - 1)); break; }
                    kill -0 "$timeout_pid" 2>/dev/null || break
                    sleep 0.1
                done
                ;;
            !*)
                [[ $child ]] || child=$(pgrep -P "$timeout_pid")
                kill "-${line#!}" "$child" ;;
            '<'*) cat "${line#<}" ;;
            '~'*) sleep "${line#\~}" ;;
            *) printf '%s%s' "$line" "$enter" ;;
            esac
        done
        wait_end "$timeout_pid"
    } >"$work/keys"
    got=0
    wait "$timeout_pid" || got=$?
}
wait_end() { while kill -0 "$1" 2>/dev/null && [[ $(ps -o stat= -p "$1") != Z* ]]; do sleep 0.1; done; }

# A payload that never ends by itself, and one that powers off. Where a compiler takes long, they
# are there already.
make_payloads() {
    if [[ ${RINGVISOR_PAYLOADS-} ]]; then
        cp "$RINGVISOR_PAYLOADS"/*.elf "$work/"
        return
    fi
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
    cat >"$work/chat.s" <<'S'
        .global _start
_start: ldr x1, =0x09000000
        ldr x3, =0x08000000
1:      ldr w2, [x3]
        mov w2, #0x301
        str w2, [x1, #0x30]
        b 1b
S
    for name in loop off chat; do
        aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n \
            -Wl,-Ttext=0x40080000 -o "$work/$name.elf" "$work/$name.s"
    done
}
