#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the shells' completion offers, with a VM that does not exist: control_fake.
#     test_completion.sh VMM CONTROL-FAKE
set -euo pipefail
scripts=$(cd -- "$(dirname -- "$0")/../../../../tools/completion" && pwd)
vmm=$(realpath "$1") fake=$(realpath "$2")
work=$(mktemp -d)
cd "$work"
export RINGVISOR_RUN_DIR=$work/run
mkdir -m 700 "$RINGVISOR_RUN_DIR"
failed=0
coproc FAKE { exec "$fake" "$RINGVISOR_RUN_DIR/me.sock"; }
trap 'kill "$FAKE_PID" 2>/dev/null || true; rm -rf "$work"' EXIT
read -r _ <&"${FAKE[0]}"
python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind("run/dead.sock")'
holds() {
    if "${@:2}"; then echo "ok: $1"; else echo "FAILED: $1"; cat out err; failed=1; fi
}
# completes NAME CANDIDATES WORD...: these come for the command line.
completes() {
    local name=$1 wanted=$2
    shift 2
    "$vmm" complete "$@" >out 2>err || true
    holds "$name" test "$(tr '\n' ' ' <out)" == "$wanted"
}
completes completion_of_commands 'pause ' pa
completes completion_of_vms_that_run 'me ' pause ''
completes completion_of_a_vm_after_an_option 'me ' stop --kill -t 5 ''
completes completion_of_no_second_vm '' pause me ''
completes completion_of_a_verb 'resize ' disk r
completes completion_of_a_vm_behind_a_verb 'me ' disk resize ''
completes completion_of_a_word 'up down ' net link me ''
completes completion_of_a_word_behind_what_can_be_left_out 'down ' net link me 0 d
completes completion_of_options '--kill ' stop --k
completes completion_of_options_of_run '--print-config --print-schema ' run --pri
completes completion_of_options_of_decode '--pc --pstate ' decode --p
completes completion_of_options_of_devices '--plugin-path --help ' devices --
completes completion_of_options_of_replay '--help ' replay -
completes completion_of_a_value_of_decode '' decode --esr -
completes completion_of_a_value_of_devices '' devices -P -
completes completion_of_a_file '' run --kernel ''
completes completion_of_a_command_for_help 'pause ' help pa
completes completion_of_nonsense '' fly ''
for shell in bash zsh fish; do
    script=$scripts/vmm.$shell
    [[ $shell != zsh ]] || script=${script%/*}/_vmm
    command -v "$shell" >/dev/null || continue
    holds "script_of_$shell" "$shell" -n "$script"
done
# shellcheck disable=SC1091
. "$scripts/vmm.bash"
COMP_WORDS=("$vmm" net link me d) COMP_CWORD=4
_vmm
holds bash_completes test "${COMPREPLY[*]}" == down

exit $failed
