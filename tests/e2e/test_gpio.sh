#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The PL061 by Debian's driver and the GPIO character device: the power button's line is
# high while the button is down, both edges interrupt, and nobody listening changes nothing.
# Usage: test_gpio.sh GUEST-PROGRAM
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
unset RINGVISOR_GUEST_KERNEL # the cloud kernel: no driver of keys takes the line
mapfile -t encoded < <(gzip -9 <"$1" | base64 -w 100000)
cat >"$work/script" <<'S'
printf %s "$@" | base64 -d | gunzip >/run/gpio && chmod +x /run/gpio
# An output that nothing is at reads back what is written.
cd /sys/class/gpio && base=$(cat gpiochip*/base | head -n 1)
echo $((base + 6)) >export && cd gpio$((base + 6))
echo out >direction && for v in 1 0 1; do echo $v >value; echo "output $(cat value)"; done
cd / && /run/gpio /dev/gpiochip0 3 4
S
exec {log}>"$work/out"
"$root/tools/guest-exec" --timeout "$(limit 60)" -- sh -c "$(cat "$work/script")" sh "${encoded[@]}" >&"$log" 2>"$work/err" &
pid=$!
looks() { [[ $(grep -cE '^(watching|falling)' "$work/out") -ge $1 ]] || ! kill -0 "$pid" 2>/dev/null; }
for press in 1 2; do
    waits 60 looks "$press" || true
    pkill -PWR -P "$pid" || true
done
got=0
wait "$pid" || got=$?
check the_kernel_has_eight_lines_on_a_pl061 counts 1 '^chip 9030000\.pl061 lines 8$'
check an_output_reads_back_a_1 counts 2 '^output 1$'
check an_output_reads_back_a_0 counts 1 '^output 0$'
check the_line_is_low_before counts 1 '^watching 0$'
# The guest sees it high when it looks, however late; and low after about 100 ms.
check each_press_is_a_rising_edge counts 2 '^rising value 1 after'
check each_release_is_a_falling_edge_a_while_later counts 2 '^falling value 0 after ([89][0-9]|[1-9][0-9]{2,}) ms$'
[[ $got -eq 0 ]] && ok the_guest_goes_on || bad the_guest_goes_on "status $got" "$(cat "$work/out" "$work/err")"
exit $failed
