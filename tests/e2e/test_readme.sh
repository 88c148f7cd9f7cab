#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The commands by which README.md operates a guest, typed one by one as they stand there, on Debian
# with its driver of the power button. Only the paths, and the options of `vmm run`, are ours.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
export RINGVISOR_RUN_DIR=$work/run
image=$(RINGVISOR_GUEST_KERNEL=linux-image-arm64 "$root/tools/guest-image" 2>/dev/null)
mkdir "$work/snapshots"
truncate -s 64M "$work/disk.img"
memory=2G
on qemu || memory=1536M # huge pages
options="-k $image/kernel -i $image/initrd -p 'console=ttyAMA0 quiet' -m $memory --balloon=deflate-on-oom=off"
options+=" --net user --disk $work/disk.img,format=raw"

# The first block with `vmm run --name web`: its lines, without their comments.
readarray -t commands < <(awk '/^    build\/vmm\/vmm run --name web /, /^$/' "$root/README.md" |
    sed 's/ *#.*//; /^ *$/d; s/^ *//')
started() { waits 60 is_running web; }
printed() { waits 90 grep -q "$1" "$work/console"; }

for command in "${commands[@]}"; do
    typed=${command//build\/vmm\/vmm/"'$vmm'"}
    typed=${typed//\/snapshots/$work/snapshots}
    typed=${typed//web.rec/$work/web.rec}
    typed=${typed//.../$options}
    got=0
    case $command in
    *'&')
        eval "${typed%&} </dev/null >>'$work/console' 2>>'$work/messages' &"
        guest=$!
        check "README: $command" started
        [[ $command != *' run '* ]] || {
            check the_guest_is_up printed 'ringvisor:'
            # What shuts the guest down when its power button is pressed.
            echo 'head -c 48 /dev/input/event0 >/dev/null; poweroff -f' |
                timeout "$(limit 3)" "$vmm" console web >/dev/null 2>&1 || true
        }
        continue ;;
    *' top' | *' trace web' | *' console web' | *' record web '*) # until Ctrl-C
        # --foreground: no SIGCONT follows. It would take back the SIGSTOP by which the leak sanitizer stops a
        # process at its end, and both would wait for ever.
        timeout --foreground -s INT --preserve-status "$(limit 3)" bash -c "exec $typed" >"$work/said" 2>"$work/err" </dev/null || got=$?
        [[ $got -ne 130 ]] || got=0 ;;
    *) eval "timeout $(limit 60) $typed" >"$work/said" 2>"$work/err" </dev/null || got=$? ;;
    esac
    check "README: $command" eval '[[ $got -eq 0 ]] && ! grep -q error "$work/err"'
    case $command in
    *' trace web') check "it tells how much there was" grep -q ' records, ' "$work/err" ;; # an idle guest may make no exits
    *' ps' | *' top' | *' stat web' | *' console web') check "it says something" test -s "$work/said" ;;
    *' record web '*)
        got=0
        timeout "$(limit 60)" "$vmm" replay "$work/web.rec" >"$work/said" 2>"$work/err" || got=$?
        check "what was recorded is replayed" eval '[[ $got -eq 0 ]] && grep -q "the recording: a client has stopped it" "$work/said"' ;;
    *' stop web') wait "$guest" || got=$?; check the_guest_has_shut_down test "$got" -eq 0 ;;
    esac
done
check there_were_commands test "${#commands[@]}" -ge 17
"$vmm" kill web >/dev/null 2>&1 || true
wait "$guest" || true
exit $failed
