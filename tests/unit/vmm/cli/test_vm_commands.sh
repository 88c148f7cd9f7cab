#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The commands for VMs that run, with a VM that does not exist: control_fake.
#     test_vm_commands.sh VMM CONTROL-FAKE
set -euo pipefail
vmm=$(realpath "$1") fake=$(realpath "$2") here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
cd "$work"
export RINGVISOR_RUN_DIR=$work/run
mkdir -m 700 "$RINGVISOR_RUN_DIR"
failed=0 fakes=()
# shellcheck disable=SC2317
clean_up() {
    for pid in "${fakes[@]}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean_up EXIT

# v NAME STATUS WORDS ARGUMENT...: `vmm ARGUMENT...` ends with the status and says the words.
v() {
    local name=$1 status=$2 words=$3 got=0
    shift 3
    timeout 20 "$vmm" "$@" >out 2>err </dev/null || got=$?
    if [[ $got -eq $status ]] && { [[ -z $words ]] || cat out err | grep -qF -- "$words"; }; then
        echo "ok: $name"
    else
        echo "FAILED: $name: status $got, wanted $status with '$words'"
        cat out err
        failed=1
    fi
}
json() { python3 -c 'import json, sys; a = json.load(open("out")); assert eval(sys.argv[1]), a' "$1"; }
holds() {
    if "${@:2}"; then echo "ok: $1"; else echo "FAILED: $1"; cat out err; failed=1; fi
}
# fake NAME [CHARDEV]: a VM, to which `tell LINE` speaks.
fake() {
    coproc FAKE { exec "$fake" "$RINGVISOR_RUN_DIR/$1.sock" ${2+"$2"}; }
    fakes+=("$FAKE_PID")
    eval "exec 8<&${FAKE[0]} 9>&${FAKE[1]}"
    read -r _ <&8
}
tell() { echo "$1" >&9; read -r _ <&8; }

for command in stat trace "record --stop" pause resume stop kill reset balloon console upgrade; do
    v "${command}_of_a_vm_that_is_not_there" 1 "there is no VM 'none'" $command none
done
v disk_of_a_vm_that_is_not_there 1 "there is no VM 'none'" disk resize none 1G
v net_of_a_vm_that_is_not_there 1 "there is no VM '../none'" net link ../none up
v name_that_cannot_be 1 "there is no VM 'a b'" pause 'a b'
v name_is_missing 2 'usage: vmm pause' pause
v too_many_words 2 'usage: vmm pause' pause a b
v unknown_option 2 'nosuch' pause --nosuch a
v ps_of_nothing 0 NAME ps
for command in ps top; do
    RINGVISOR_RUN_DIR=$fake v "${command}_of_what_is_no_folder" 1 'Not a directory' $command
    RINGVISOR_RUN_DIR=run v "${command}_without_a_folder" 1 'absolute path of a folder' $command
done
RINGVISOR_RUN_DIR=run v a_vm_without_a_folder 1 'absolute path of a folder' pause me
RINGVISOR_RUN_DIR=$work/later v ps_of_a_folder_that_is_not_made_yet 0 NAME ps

fake me
python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("run/dead.sock")'
v vm_without_a_keeper_is_not_upgraded 1 "has no keeper" upgrade me
v upgrade_to_a_program_that_is_not_there 1 "No such file" upgrade me --binary ./none
v ps_lists_vms_that_run 0 'running' ps
holds ps_does_not_list_the_dead test "$(wc -l <out)" -eq 2
v trace_with_a_bad_filter 2 "kind 'nosuch': there are exit" trace me --filter kind=nosuch
v trace_to_a_file_that_cannot_be 1 nosuch/file trace me --perfetto nosuch/file
echo kept >old.json
v trace_of_no_vm_leaves_the_file 1 'no VM' trace none --perfetto old.json
holds the_file_is_as_it_was grep -q kept old.json
got=0
timeout --foreground -s INT --preserve-status 1 "$vmm" trace me --perfetto new.json >out 2>err || got=$?
holds trace_ends_by_ctrl_c eval '[[ $got -eq 0 ]] && grep -q "0 records, 0 lost" err'
holds trace_is_whole python3 -c 'import json; json.load(open("new.json"))'
v record_needs_a_file 2 'give NAME and FILE' record me
v record_to_a_file_that_cannot_be 1 nosuch/file record me nosuch/file
v record_of_no_vm_leaves_the_file 1 'no VM' record none old.json
holds the_file_is_still_as_it_was grep -q kept old.json
v record_ends_after_its_time 0 "'vmm replay new.rec'" record -t 1 me new.rec
holds record_writes_what_comes grep -q '^recorded$' new.rec
got=0
timeout --foreground -s INT --preserve-status 1 "$vmm" record me new.rec >out 2>err || got=$?
holds record_ends_by_ctrl_c eval '[[ $got -eq 0 ]] && grep -q "^recorded$" new.rec'
v trace_to_a_full_disk 1 'No space left on device: it is not complete' trace me -n 1 --perfetto /dev/full
v record_to_a_full_disk 1 'No space left on device: it is not complete' record -t 1 me /dev/full
v record_stops_what_is_being_made 1 'no client is recording' record --stop me
v record_stop_needs_no_file 2 'give NAME and FILE' record --stop me new.rec
v ps_speaks_json 0 '"name": "me"' ps --json
holds ps_json_has_each_vm json 'len(a) == 1 and a[0]["vcpus"] == 2'
v vm_by_path_of_its_socket 0 '' pause run/me.sock
v ps_shows_a_pause 0 'paused' ps
v stop_of_a_paused_vm 1 'resume it first' stop me
v resume_works 0 '"state": "running"' resume --json me
v stop_without_a_listener 1 'power button' stop me
tell 'button 1'
v stop_waits_no_longer_than_it_should 1 'has not shut down within 1 s' stop -t 1 me
v stop_need_not_wait 0 '' stop -t 0 me
v stop_with_kill 1 'has not ended within 1 s' stop -k -t 1 me
v reset_works 0 'resetting' reset --json me
v stat_shows_counters 0 'requests that read' stat me
holds stat_shows_exits grep -q '99 %' out
v stat_speaks_json 0 '"counters"' stat --json me
holds stat_json_is_whole json 'a["cpus"][1]["state"] == "off" and len(a["devices"]) == 3'
v top_shows_what_goes_on 0 'me                   resetting ' top -d 1 -n 1
v top_of_no_time 2 "delay '0'" top -d 0
for words in 'stat me' 'ps' 'top -d 1 -n 3' 'help top'; do
    got=0
    # shellcheck disable=SC2086
    timeout 20 "$vmm" $words >/dev/full 2>err || got=$?
    holds "$words: output_to_a_full_disk_is_an_error" eval '[[ $got -eq 1 ]] && grep -q "error: standard output: " err'
done
v balloon_that_is_not_there 1 'has no balloon' balloon me
v balloon_of_no_size 2 "size 'much'" balloon me much
v only_disk_needs_no_name 0 '"size": 4096' disk --json resize me 2G
for name in 0 /tmp/disk.img virtio-blk@a000000; do
    v "disk_is_found_by_$name" 0 '' disk resize me $name 2G
done
v disk_that_is_not_there 1 "no disk 'sda': there are virtio-blk@a000000" disk resize me sda 2G
v disk_as_large_as_its_image 0 '"size"' disk --json resize me image
v disk_of_no_size 2 "size '0'" disk resize me 0
v disk_has_no_other_verb 2 "there is 'resize'" disk shrink me 1G
v link_goes_down 0 '"value": "down"' net --json link me down
v link_is_up_or_down 2 "link 'off'" net link me off
v net_has_no_other_verb 2 "there is 'link'" net plug me up
v vm_without_a_console 1 'no console to attach to' console me
tell 'console 1'
tell print
got=0
echo ls | timeout 2 "$vmm" console me >out 2>err || got=$?
holds console_shows_the_last_lines_and_goes_on eval '[[ $got -eq 124 ]] && grep -q "Debian login: " out'
got=0
timeout 20 "$vmm" console me >/dev/full 2>err </dev/null || got=$?
holds console_to_a_full_disk_is_an_error eval '[[ $got -eq 1 ]] && grep -q "standard output: No space left" err'
v console_by_another_name 1 "no console to attach to" console me 3
tell 'reads 0'
got=0
head -c 70000 /dev/zero | timeout 3 "$vmm" console me >out 2>err || got=$? # more than is kept for a guest that does not read
holds console_waits_for_a_guest_that_does_not_read eval '[[ $got -eq 124 && ! -s err ]]'
tell 'reply 0'
tell end || true

# A console on a socket whose path is relative to the vmm, and one on a pty.
python3 - <<'P' &
import os, pty, socket
s = socket.socket(socket.AF_UNIX); s.bind("uart"); s.listen()
peer, _ = s.accept(); got = peer.recv(100); peer.sendall(b"echo " + got); peer.close()
P
until_there() { for _ in {1..100}; do [[ -e $1 ]] && return; sleep 0.05; done; return 1; }
until_there uart
fake talk socket:uart
got=0
{ echo hello; sleep 0.5; } | timeout 20 "$vmm" console talk >out 2>err || got=$?
holds console_relays_both_ways grep -q '^echo hello' out
holds console_ends_with_its_peer test "$got" -eq 0
v console_that_nobody_serves 1 'onnection refused' console talk
v console_by_a_name_that_is_not_there 1 "no console 'tty'" console talk tty

# On a terminal: keys are raw, Ctrl-a d detaches and the terminal is as before.
rm -f uart
got=0
timeout 20 python3 - "$vmm" >out 2>err <<'P' || got=$?
import os, pty, socket, sys, termios
s = socket.socket(socket.AF_UNIX); s.bind("uart"); s.listen()
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], ["vmm", "console", "talk"])
peer, _ = s.accept()
seen = b""
while b"detaches" not in seen:
    seen += os.read(fd, 1000)
before = termios.tcgetattr(fd)
assert not before[3] & termios.ECHO, "it is not raw"
os.write(fd, b"x\x03\x01a")
got = b""
while len(got) < 3:
    got += peer.recv(10)
assert got == b"x\x03\x01", got
peer.sendall(b"guest")
while b"guest" not in seen:
    seen += os.read(fd, 1000)
os.write(fd, b"\x01d")
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert termios.tcgetattr(fd)[3] & termios.ECHO, "it stays raw"
assert peer.recv(10) == b""
print("fine")
P
holds console_detaches_by_ctrl_a_d grep -q '^fine' out

rm -f uart
timeout 60 "$here/terminal_is_restored.py" "$vmm" >out 2>err || true
holds the_terminal_is_as_it_was_however_a_command_ends grep -q '^fine' out

# What listens there is no VM, or has gone wrong.
for answer in '' 'x' 'HTTP/1.1 200 OK' $'HTTP/1.1 200 OK\r\n\r\n' $'HTTP/1.0 500 X\r\n\r\n{}' $'HTTP/1.1 abc\r\n\r\n{}'; do
    rm -f run/odd.sock
    python3 - "$answer" <<'P' &
import socket, sys
s = socket.socket(socket.AF_UNIX); s.bind("run/odd.sock"); s.listen()
peer, _ = s.accept(); peer.recv(1000); peer.sendall(sys.argv[1].encode()); peer.close()
P
    until_there run/odd.sock
    v "an_answer_that_is_none:$(printf %q "$answer")" 1 "VM 'odd'" pause odd
done
exit $failed
