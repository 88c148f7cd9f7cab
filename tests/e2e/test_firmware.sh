#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian's firmware, unchanged: EDK2's shell and its variables, which survive a reset and a new
# vmm; a disk that boots by itself; U-Boot's prompt and its bootefi; a kernel that EDK2 gets
# through fw_cfg.
set -euo pipefail
. "$(dirname -- "$0")/lib.sh"
image=$("$root/tools/guest-image" 2>/dev/null)
grub=$("$root/tools/guest-programs" grub-efi-arm64-bin 2>/dev/null)
debugfs -R "dump /usr/lib/grub/arm64-efi/monolithic/grubaa64.efi $work/grub.efi" "$grub" 2>/dev/null
vars=$work/vars
guid=2c1f4d1e-5a3b-4c7d-9e8f-0123456789ab

# disk NAME FILE...: a removable medium that starts GRUB, with its configuration on stdin.
disk() {
    local name=$work/$1
    shift
    truncate -s 64M "$name"
    mformat -i "$name" ::
    mmd -i "$name" ::/EFI ::/EFI/BOOT ::/EFI/debian
    mcopy -i "$name" "$work/grub.efi" ::/EFI/BOOT/BOOTAA64.EFI
    cat >"$work/grub.cfg"
    mcopy -i "$name" "$work/grub.cfg" ::/EFI/debian/grub.cfg
    [[ $# -eq 0 ]] || mcopy -i "$name" "$@" ::/
}

# What the system on the disk does.
mkdir "$work/exec"
echo system >"$work/exec/nonce"
cat >"$work/exec/command" <<'S'
echo "system: $(cat /sys/class/dmi/id/product_uuid /sys/class/dmi/id/product_serial 2>&1 | tr '\n' ' ')"
echo "disks: $(ls /sys/block | tr '\n' ' ')"
echo "messages: $(sed -n 's/^ *[0-9]*: *\([0-9]*\) .*MSI .*virtio.*-\(req\|input\)\..*/\1/p' /proc/interrupts | tr '\n' ' ')"
S
(cd "$work" && printf '%s\n' exec exec/nonce exec/command | cpio -o -H newc --quiet >"$work/command")
disk system "$image/kernel" "$image/initrd" "$work/command" <<'S'
linux /kernel console=ttyAMA0 panic=-1
initrd /initrd /command
boot
S
disk wrong <<'S'
echo the wrong disk
halt
S

# The shell asks whether to run startup.nsh: ESC skips that.
enter=$'\r'
shell() {
    printf '@to skip\n\e\n@Shell>\n'
}
{
    shell
    cat <<S
setvar rvtest -guid $guid -nv -bs -rt =0x11223344
@Shell>
reset -w
S
    shell
    cat <<S
setvar rvtest -guid $guid
@44 33 22 11
@Shell>
setvar rvlast -guid $guid -nv -bs -rt =0x55667788
~2
setvar rvlast -guid $guid
@88 77 66 55
!KILL
S
} >"$work/typed"
truncate -s 16M "$work/blank"
talk 100 --firmware edk2 --firmware-vars "$vars" --disk "$work/blank,format=raw" <"$work/typed"
check edk2_comes_to_its_shell_if_the_disk_has_no_boot_loader says 'UEFI Interactive Shell' "$work/console"
check variable_survives_a_reset matches '44 33 22 11' "$work/console"
check vmm_is_killed test "$got" -eq 137
check variables_take_only_the_space_of_what_is_in_them test "$(du -k "$vars" | cut -f 1)" -lt 4096
{
    shell
    cat <<S
setvar rvtest -guid $guid
@Shell>
setvar rvlast -guid $guid
@Shell>
reset -s
S
} >"$work/typed"
talk 100 --firmware edk2 --firmware-vars "$vars" <"$work/typed"
check variable_survives_a_new_vmm matches '44 33 22 11' "$work/console"
check what_the_guest_was_told_survives_a_kill matches '88 77 66 55' "$work/console"
check shell_powers_off test "$got" -eq 0
enter=$'\n'

talk 100 --disk "$work/system,format=raw" --disk "$work/wrong,format=raw" \
    --smbios "serial=S7,uuid=$guid" </dev/null
check first_disk_boots_by_itself says 'disks: vda vdb' "$work/console"
check kernel_has_smbios says "system: $guid S7" "$work/console"
check system_powers_off test "$got" -eq 0

# On PCI the firmware follows the boot order that it is told.
talk 100 --disk "$work/wrong,format=raw,bus=pci" --disk "$work/system,format=raw,bus=pci,bootindex=3" \
    --net user,bus=pci,bootindex=7 </dev/null
check bootindex_names_the_disk_that_boots says 'disks: vda vdb' "$work/console"
check functions_of_pci_have_messages matches 'messages: [0-9]+ [0-9]+' "$work/console"
check system_on_pci_powers_off test "$got" -eq 0

talk 100 --firmware u-boot --disk "$work/blank,format=raw" --disk "$work/system,format=raw,bus=pci" <<'S'
@Hit any key

@=>
version
@=>
virtio scan
@=>
virtio info
@=>
setenv devnum 1
run virtio_boot
S
check u_boot_comes_to_its_prompt matches '^=> version' "$work/console"
check u_boot_has_the_disks_of_both_buses matches '^Device 1: 1af4 VirtIO Block Device' "$work/console"
check u_boot_boots_a_disk_on_pci_by_bootefi says 'disks: vda vdb' "$work/console"
check system_powers_off_after_u_boot test "$got" -eq 0

guest_seconds=60
guest --firmware edk2 <<'S'
test -d /sys/firmware/efi && echo "by $(cat /sys/firmware/efi/fw_platform_size)-bit EFI"
cat /proc/cmdline
S
check edk2_starts_the_kernel_from_fw_cfg says 'by 64-bit EFI'
check kernel_has_its_command_line matches '^(.* )?nowatchdog'

run 30 run --firmware "$work/grub.cfg.none" --no-reboot
check missing_firmware_is_refused complains 'No such file'
truncate -s 1M "$work/short"
run 30 run --firmware edk2 --firmware-vars "$work/short"
check variables_of_a_wrong_size_are_refused complains 'has 1048576 bytes, and the flash has 67108864'
exit $failed
