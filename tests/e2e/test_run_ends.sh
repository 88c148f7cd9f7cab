#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# However a run ends, nothing of it stays: no process, no file in shared memory, no socket, no
# CPU that is a guest's.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
make_payloads
export RINGVISOR_RUN_DIR=$work/run

online() { cat /sys/devices/system/cpu/online; }

# start ARGUMENT...: a guest that prints "U" and loops; $pid is the vmm, $qemu its machine, if that is a process.
start() {
    rm -f "$work/out"
    cpus=$(online)
    "$vmm" run -k "$work/loop.elf" -m 64M "$@" >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    waits 60 grep -qs U "$work/out" || true
    qemu=$(pgrep -P "$pid" qemu-system || true)
    worker=$(pgrep -P "$pid" vmm-worker || true)
    shm=$(ls /dev/shm)
}

# ended NAME STATUS [WORDS]
ended() {
    local status=0
    wait "$pid" || status=$?
    waits 30 eval '! kill -0 "$qemu" 2>/dev/null && ! kill -0 "$worker" 2>/dev/null && [[ $(online) == "$cpus" ]]' || true
    if ! says U; then
        bad "$1" "the guest did not start: $(cat "$work/err")"
    elif [[ $status -ne $2 ]]; then
        bad "$1" "status $status, wanted $2" "$(cat "$work/err")"
    elif [[ $(online) != "$cpus" ]]; then
        bad "$1" "of the CPUs $cpus there are $(online)"
    elif [[ $qemu ]] && kill -0 "$qemu" 2>/dev/null; then
        bad "$1" "QEMU is left behind"
        kill -9 "$qemu"
    elif [[ -n $worker ]] && kill -0 "$worker" 2>/dev/null; then
        bad "$1" "the worker is left behind"
        kill -9 "$worker"
    elif [[ $(ls /dev/shm) != "$shm" ]]; then
        bad "$1" "something is left in /dev/shm"
    elif ! waits 30 eval '[[ ! $(ls "$RINGVISOR_RUN_DIR") ]]'; then
        bad "$1" "sockets are left: $(ls "$RINGVISOR_RUN_DIR")"
    elif [[ -n ${3-} ]] && ! grep -qF -- "$3" "$work/err"; then
        bad "$1" "stderr, wanted '${3-}':" "$(cat "$work/err")"
    else
        ok "$1"
    fi
}

# Several crashes in a row: the keeper does not try for ever. (A sanitizer makes an exit of SIGSEGV.)
crash() {
    local last=
    for _ in {1..6}; do
        for _ in {1..100}; do
            worker=$(pgrep -P "$pid" vmm-worker || true)
            [[ ! $worker || $worker == "$last" ]] || break
            sleep 0.1
        done
        last=$worker
        sleep 0.5 # it takes over
        kill -ABRT "$worker" 2>/dev/null || break
    done
}

# bash starts background jobs with SIGINT ignored, and vmm then keeps that for itself.
for signal in TERM:143 HUP:129; do
    start
    kill -s "${signal%:*}" "$pid"
    ended "SIG${signal%:*}_ends_it" "${signal#*:}"
done
start -l debug
kill -TERM "$pid"
ended a_debug_log_ends_with_the_exits_by_kind 143 'ns  posted write'
start -l debug
kill -TERM "$pid"
ended a_debug_log_ends_with_the_exits_by_register 143 'posted write of pl011@9000000 + 0x0'
start
kill -9 "$pid"
ended machine_and_worker_do_not_outlive_a_killed_keeper 137
start --keeper off
kill -9 "$pid"
ended the_machine_does_not_outlive_a_killed_vmm 137
start
crash
ended a_worker_that_crashes_again_and_again_ends_the_guest 134 'the 6th time within 10 s'
if on qemu; then
    start
    kill -9 "$qemu"
    ended a_killed_machine_is_reported 1 'killed by signal 9'
    start
    kill -STOP "$qemu"
    kill -TERM "$pid"
    ended a_machine_that_hangs_does_not_keep_the_vmm 143
fi

# On a terminal: Ctrl-a x ends it, and the terminal is as before. SIGINT comes from outside.
cat >"$work/terminal.py" <<'P'
import os, pty, signal, sys, termios, time

def session(how):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], [sys.argv[1], "run", "-k", sys.argv[2], "-m", "64M"])
    before = termios.tcgetattr(fd)
    seen = b""
    while b"U" not in seen:
        seen += os.read(fd, 1000)
    assert termios.tcgetattr(fd) != before, "the terminal was not made raw"
    if how == "help":
        os.write(fd, b"\x01h")
        while b"Ctrl-a x" not in seen:
            seen += os.read(fd, 1000)
        how = "quit"
    if how == "quit":
        os.write(fd, b"\x01x")
    else:
        os.kill(pid, how)
    end = time.time() + int(sys.argv[3])
    status = None
    while status is None and time.time() < end:
        done, value = os.waitpid(pid, os.WNOHANG)
        status = os.waitstatus_to_exitcode(value) if done else None
        time.sleep(0.05)
    return status, termios.tcgetattr(fd) == before

failed = 0
for how, name, want in (("quit", "ctrl_a_x_ends_it", 0), ("help", "ctrl_a_h_lists_the_keys", 0),
                        (signal.SIGINT, "SIGINT_ends_it", 130),
                        (signal.SIGTERM, "SIGTERM_restores_the_terminal", 143),
                        (signal.SIGHUP, "SIGHUP_restores_the_terminal", 129)):
    status, restored = session(how)
    good = status == want and restored
    print("ok:" if good else "FAILED:", name, "" if good else (status, restored), flush=True)
    failed |= not good
sys.exit(failed)
P
python3 "$work/terminal.py" "$vmm" "$work/loop.elf" "$(limit 20)" || failed=1
exit $failed
