#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Wrong command lines and wrong files: each gets a clear message and the right exit status.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
make_payloads
off=$work/off.elf
stub=$(dirname "$vmm")/../el2stub/el2stub.elf

refused no_kernel 2 'no kernel'
refused an_unknown_option 2 'unrecognized option' --frobnicate
refused a_stray_argument 2 "argument 'stray'" -k "$off" stray
refused a_memory_of_zero 2 "memory size '0'" -k "$off" -m 0
refused a_memory_that_is_no_number 2 "memory size 'lots'" -k "$off" -m lots
refused a_memory_with_rubbish_behind 2 "memory size '64MM'" -k "$off" -m 64MM
refused a_memory_that_overflows 2 'memory size' -k "$off" -m 99999999999999999999
refused a_memory_beyond_the_address_space 2 'room for' -k "$off" -m 2T
refused a_memory_not_in_blocks 2 'multiple of 2M' -k "$off" -m 5000K
most='the host has only'
on qemu || most='huge pages of 2 MiB, and'
refused more_memory_than_the_host_has 1 "$most" -k "$off" -m 900G
refused a_second_kernel 2 '--kernel is given more than once' -k "$off" -k "$off"
refused a_second_memory_size 2 '--memory is given more than once' -k "$off" -m 64M -m 128M
refused no_cpus 2 "number of CPUs '0'" -k "$off" -c 0
refused too_many_cpus 2 "number of CPUs '33': give 1 to 32" -k "$off" -c 33
refused no_pcpus 2 "number of physical CPUs '0'" -k "$off" --pcpus 0
refused more_pcpus_than_cpus 2 '5 physical CPUs for 4 virtual ones' -k "$off" -c 4 --pcpus 5
refused pcpus_without_cpus 2 '2 physical CPUs for 1 virtual ones' -k "$off" --pcpus 2
refused no_time_slice 2 "time slice '0': give 1 to 1000" -k "$off" --time-slice 0
refused too_long_a_time_slice 2 "time slice '1001'" -k "$off" --time-slice 1001
refused cpus_that_are_no_number 2 "number of CPUs 'many'" -k "$off" -c many
refused an_unknown_machine 2 "machine 'vax'" -k "$off" -M vax
refused an_unknown_machine_option 2 "no option 'colour'" -k "$off" -M qemu,colour=red
refused an_unknown_option_of_linux 2 "no option 'colour'" -k "$off" -M linux,colour=red
refused a_wrong_machine_option 2 "no option 'stage2'" -k "$off" -M qemu,stage2=x
refused a_port_that_is_none 2 "1 to 65535" -k "$off" -M qemu,gdb=99999
refused an_unknown_log_level 2 "log level 'loud'" -k "$off" -l loud
refused an_unknown_device 1 "nosuch" -k "$off" -d nosuch
refused an_unknown_device_property 1 "nosuch" -k "$off" -d pl011,nosuch=1
refused an_empty_name 2 "name ''" -k "$off" -n ''
refused a_raw_address_that_is_none 2 "raw address 'here'" -k "$off" --raw here
refused a_raw_address_outside_of_memory 1 "$off" -k "$off" --raw 0x100

refused a_file_as_the_folder_of_snapshots 1 'Not a directory' -k "$off" -m 64M --snapshots "$off"
refused a_device_as_a_recording 1 'no regular file' -k "$off" -m 64M --record /dev/full
refused a_missing_config 2 "config '$work/none': No such file" --config "$work/none"
refused a_folder_as_config 2 "config '$work': Is a directory" --config "$work"
refused a_missing_kernel 1 "$work/none" -k "$work/none"
refused a_folder_as_kernel 1 "$work" -k "$work"
: >"$work/empty"
refused an_empty_kernel 1 'empty' -k "$work/empty"
refused a_foreign_kernel 1 'ELF' -k /bin/sh
echo 'hello, I am text' >"$work/text"
refused a_text_file_as_kernel 1 'text' -k "$work/text"
refused a_missing_initrd 1 "$work/none" -k "$off" -i "$work/none"
head -c 130 "$off" >"$work/short"
refused a_truncated_kernel 1 "$work/short" -k "$work/short"
refused a_dtb_that_cannot_be_written 1 "/nonexistent/dtb" -k "$off" --dump-dtb /nonexistent/dtb
refused a_dtb_on_a_full_disk 1 'No space left' -k "$off" --dump-dtb /dev/full

if on qemu; then
    refused a_missing_qemu 1 'install it' -k "$off" -M qemu,path=/nonexistent/qemu
    printf '#!/bin/sh\necho "QEMU emulator version 5.2.0"; exit 1\n' >"$work/old"
    chmod +x "$work/old"
    refused an_old_qemu 1 '7.2 or later' -k "$off" -M "qemu,path=$work/old"
    refused a_cpu_that_qemu_does_not_know 1 "CPU model 'z80'" -k "$off" -M qemu,cpu=z80
    refused a_cpu_without_el2 1 '' -k "$off" -M qemu,cpu=cortex-a15

    refused a_missing_stub 1 "$work/none" -k "$off" --stub "$work/none"
    refused a_stub_that_is_none 1 'stub image' -k "$off" --stub /bin/sh
    head -c 5000 "$stub" >"$work/cut.elf"
    refused a_truncated_stub 1 'stub image' -k "$off" --stub "$work/cut.elf"
    # The header is at the start of the first segment, which is at 64 KiB or 4 KiB in the file.
    cp "$stub" "$work/abi.elf"
    at=$(grep -obUaP 'GNIRSTUB|GNIRTSBU|\x47\x4e\x49\x52\x53\x54\x55\x42' "$stub" | sed -n 1p | cut -d: -f1)
    printf '\x63' | dd of="$work/abi.elf" bs=1 seek=$((at + 8)) conv=notrunc status=none
    refused another_abi_version 1 'ABI 99' -k "$off" --stub "$work/abi.elf"
fi

run 30 run -k "$off" -m 64M
[[ $got -eq 0 ]] && ok power_off_is_0 || bad power_off_is_0 "status $got" "$(cat "$work/err")"
run 30 run --config <(printf '{"kernel": "%s", "memory": "64M"}' "$off")
[[ $got -eq 0 ]] && ok options_from_a_pipe || bad options_from_a_pipe "status $got" "$(cat "$work/err")"
mkfifo "$work/fifo"
got=0
timeout -k 20 2 "$vmm" run -k "$work/fifo" -m 64M --name waits >"$work/out" 2>"$work/err" </dev/null || got=$?
[[ $got -eq 124 && ! -s $work/err ]] && ok a_wait_for_a_kernel_ends_by_a_signal ||
    bad a_wait_for_a_kernel_ends_by_a_signal "status $got" "$(cat "$work/err")"
run 30 run -k "$off" -m 64M --dump-dtb "$work/dtb"
if [[ $got -eq 0 ]] && dtc -I dtb -O dts "$work/dtb" -o /dev/null 2>"$work/dtc" && [[ ! -s $work/dtc ]]; then
    ok the_device_tree_is_valid
else
    bad the_device_tree_is_valid "status $got" "$(cat "$work/dtc" "$work/err")"
fi
cat >"$work/reset.s" <<'S'
        .global _start
_start: ldr x0, =0x84000009
        hvc #0
        b .
S
aarch64-linux-gnu-gcc -nostdlib -static -Wl,--build-id=none -Wl,-n -Wl,-Ttext=0x40080000 \
    -o "$work/reset.elf" "$work/reset.s"
refused a_reset_without_reboot 4 '' -k "$work/reset.elf" -m 64M --no-reboot
for closed in '<&-' '>&-' '<&- >&- 2>&-'; do
    got=0
    eval "timeout $(limit 30) \"\$vmm\" run -k \"\$off\" -m 64M 2>\"\$work/err\" $closed" || got=$?
    [[ $got -eq 0 && ! -s $work/err ]] && ok "closed $closed" || bad "closed $closed" "status $got" "$(cat "$work/err")"
done
for words in --version help 'help run' devices 'devices pl011' 'run --help'; do
    # shellcheck disable=SC2086
    run 10 $words
    [[ $got -eq 0 && -s $work/out ]] && ok "vmm_$words" || bad "vmm_$words" "status $got"
done
for words in frob 'help frob' 'devices nosuch' ''; do
    # shellcheck disable=SC2086
    run 10 $words
    [[ $got -eq 2 && -s $work/err ]] && ok "refused_vmm_$words" || bad "refused_vmm_$words" "status $got"
done
for words in help 'run --print-schema' 'run --print-config -k x' devices 'decode --esr 93980005'; do
    got=0
    # shellcheck disable=SC2086
    "$vmm" $words >/dev/full 2>"$work/err" || got=$?
    [[ $got -eq 1 ]] && complains 'error: standard output: ' && ok "$words: output_to_a_full_disk_is_an_error" ||
        bad "$words: output_to_a_full_disk_is_an_error" "status $got" "$(cat "$work/err")"
done
exit $failed
