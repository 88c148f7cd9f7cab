#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The examples of docs/plugins.md, built from installed files alone with the commands that
# the document gives; plugins that are wrong; a device that misuses the vmm.
# Usage: test_plugin.sh GUEST-PROGRAM
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
make_payloads
off=$work/off.elf
build=$(dirname "$vmm")/..

# A place as a user would have it: nothing of the source tree but the example.
meson install -C "$build" --no-rebuild --quiet --destdir "$work/root" >"$work/log" 2>&1 ||
    bad installation "$(tail -n 5 "$work/log")"
mkdir "$work/device"
cp "$root/docs/plugin-example/countdown.c" "$work/device"
pc=$(find "$work/root" -name ringvisor-device.pc)
export PKG_CONFIG_SYSROOT_DIR=$work/root PKG_CONFIG_PATH=${pc%/*}
command=$(sed -n 's/^    \(cc .*countdown.c\)$/\1/p' "$root/docs/plugins.md")
if [[ -n $command ]] && (cd "$work/device" && eval "$command") 2>"$work/err" && [[ ! -s $work/err ]]; then
    ok the_command_of_the_document_builds_the_example
else
    bad the_command_of_the_document_builds_the_example "'$command'" "$(cat "$work/err")"
fi
cp "$root/docs/plugin-example/virtio_echo.c" "$work/device"
command=$(sed -n 's/^    \(cc .*ringvisor-virtio)\)$/\1/p' "$root/docs/plugins.md")
if [[ -n $command ]] && (cd "$work/device" && eval "$command") 2>"$work/err" && [[ ! -s $work/err ]]; then
    ok the_command_of_the_document_builds_the_virtio_example
else
    bad the_command_of_the_document_builds_the_virtio_example "'$command'" "$(cat "$work/err")"
fi
plugins=$(pkg-config --variable=plugindir ringvisor-device)
if [[ -f $plugins/pl011.so || -f $work/root$plugins/pl011.so ]]; then
    ok plugindir_is_where_the_plugins_are
else
    bad plugindir_is_where_the_plugins_are "$plugins"
fi

run 10 devices -P "$work/device" countdown
for words in 'tick-us: length of a tick' '1 to 1000000; default: 1000' 'device ABI: 1 to 1' \
    'place: platform bus' 'interrupts: 1' 'posted writes: 0x4+0x4'; do
    grep -qF -- "$words" "$work/out" && ok "shows '$words'" || bad "shows '$words'" "$(cat "$work/out")"
done

# The guest: identification, start (posted), expiry, the line up in GICD_ISPENDR4, and down.
cat >"$work/count.s" <<'S'
        .global _start
_start: ldr x0, =0x0c000000
        ldr x3, =0x08000210
        ldr w1, [x0]
        ldr w2, =0x31544443
        cmp w1, w2
        b.ne fail
        ldr w1, [x3]
        tbnz w1, #16, fail
        mov w1, #10
        str w1, [x0, #4]
1:      ldr w1, [x0, #8]
        tbz w1, #0, 1b
        ldr w1, [x3]
        tbz w1, #16, fail
        mov w1, #1
        str w1, [x0, #8]
        ldr w1, [x3]
        tbnz w1, #16, fail
        ldr w1, [x0, #12]
        cmp w1, #1
        b.ne fail
        adr x4, good
        b print
fail:   adr x4, wrong
print:  ldr x5, =0x09000000
2:      ldrb w6, [x4], #1
        cbz w6, 3f
        strb w6, [x5]
        b 2b
3:      ldr x0, =0x84000008
        hvc #0
        b .
good:   .asciz "expired\n"
wrong:  .asciz "wrong\n"
S
aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40080000 \
    -o "$work/count.elf" "$work/count.s"
run 60 run -k "$work/count.elf" -m 64M -P "$work/device" --device countdown,tick-us=200
if [[ $got -eq 0 && $(cat "$work/out") == expired && ! -s $work/err ]]; then
    ok the_example_works_in_a_guest
else
    bad the_example_works_in_a_guest "status $got" "$(cat "$work/out" "$work/err")"
fi
refused a_value_out_of_limits 1 '1 to 1000000' -k "$off" -P "$work/device" -d countdown,tick-us=0
run 60 run -k "$off" -m 64M -P "$work/device" -d countdown --dump-dtb "$work/dtb"
dtc -I dtb -O dts "$work/dtb" 2>/dev/null >"$work/dts" || true
if grep -q 'countdown@c000000' "$work/dts" && grep -q 'interrupts = <0x00 0x70 0x04>' "$work/dts"; then
    ok the_guest_finds_it_in_the_device_tree
else
    bad the_guest_finds_it_in_the_device_tree "$(grep -A6 countdown "$work/dts")"
fi

# A virtio device from outside of the tree, with a program of Debian's guest as its driver.
mapfile -t encoded < <(gzip -9 <"$1" | base64 -w 100000)
cat >"$work/script" <<'S'
printf %s "$@" | base64 -d | gunzip >/run/echo && chmod +x /run/echo
for device in /sys/bus/virtio/devices/*; do
    [ "$(cat "$device/device")" = 0x003f ] || continue
    name=$(basename "$(readlink -f "$device/..")")
    exec /run/echo "0x${name%%.*}"
done
echo 'no device of this kind'
S
got=0
timeout -k 5 170 "$root/tools/guest-exec" --timeout 150 --vmm "$vmm" -p iomem=relaxed -P "$work/device" \
    --device virtio-echo -- sh -c "$(cat "$work/script")" sh "${encoded[@]}" \
    >"$work/out" 2>"$work/err" </dev/null || got=$?
if [[ $got -eq 0 && $(<"$work/out") == 'all echoed' ]]; then
    ok a_virtio_device_built_from_installed_files_serves_debian
else
    bad a_virtio_device_built_from_installed_files_serves_debian "status $got" "$(cat "$work/out" "$work/err")"
fi

# Bad plugins beside good ones, and a device that does everything wrong: the guest runs.
for what in lines memory timers watches back-ends rest; do
    run 60 run -k "$off" -m 64M -P "$build/tests/unit/support/plugins" -d "wild,what=$what"
    if [[ $got -eq 0 ]] && grep -q 'a bug of the plugin' "$work/err" &&
        grep -q "bad_symbol.so': has no symbol" "$work/err"; then
        ok "a_device_that_misuses_its_$what"
    else
        bad "a_device_that_misuses_its_$what" "status $got" "$(cat "$work/err")"
    fi
done

# What a device asks of the machine: a write to REQUEST of the test device.
for words in '2:3:cannot go on (code 7)' '1:7:' '0:4:'; do
    IFS=: read -r what status text <<<"$words"
    cat >"$work/ask.s" <<S
        .global _start
_start: ldr x0, =0x0c001098
        mov x1, #($what | 7 << 8)
        str x1, [x0]
        b .
S
    aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40080000 \
        -o "$work/ask.elf" "$work/ask.s"
    refused "request_$what" "$status" "$text" -k "$work/ask.elf" -m 64M --no-reboot \
        -P "$build/tests/plugins" -d testdev
done

# The power button: the guest sees the event and powers off with a code of its own.
cat >"$work/button.s" <<'S'
        .global _start
_start: ldr x0, =0x0c001000
        ldr x2, =0x09000000
        mov w1, #'U'
        strb w1, [x2]
1:      ldr x1, [x0, #0xa8]
        cbz x1, 1b
        mov x1, #(1 | 9 << 8)
        str x1, [x0, #0x98]
        b .
S
aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40080000 \
    -o "$work/button.elf" "$work/button.s"
rm -f "$work/out" # it has what the run before printed
"$vmm" run -k "$work/button.elf" -m 64M -P "$build/tests/plugins" -d testdev \
    >"$work/out" 2>"$work/err" </dev/null &
pid=$!
waits 60 test -s "$work/out" || true
kill -PWR "$pid"
waits 60 eval '! kill -0 "$pid" 2>/dev/null' || true
kill -KILL "$pid" 2>/dev/null || true
got=0
wait "$pid" || got=$?
[[ $got -eq 9 ]] && ok the_power_button_reaches_the_guest ||
    bad the_power_button_reaches_the_guest "status $got" "$(cat "$work/err")"

# The board's console is the one that the user names; the second is another device.
run 60 run -k "$work/count.elf" -m 64M -P "$work/device" -d countdown -d pl011,chardev=null
[[ $got -eq 0 && ! -s $work/out ]] && ok the_console_can_be_given_another_chardev ||
    bad the_console_can_be_given_another_chardev "status $got" "$(cat "$work/out" "$work/err")"
refused a_chardev_that_is_not_there 1 "chardev 'printer': there are stdio, null" -k "$off" -d pl011,chardev=printer
refused a_console_for_two 1 "'stdio' is used by 'pl011@9000000'" -k "$off" -d pl011 -d pl011,chardev=stdio
exit $failed
