#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What tools/bench kvm runs in an emulated Arm computer, with busybox's shell: the same guests under
# ringvisor and under KVM with Debian's QEMU, in the order that the arguments name. Arguments: the
# AArch64 build, the folder of the guests, who ("ringvisor kvm").
build=$1 guests=$2 order=$3
module=$build/modules/$(uname -r)/linux_module/ringvisor.ko
fail() { echo "FAILED: $*"; exit 1; }

modprobe -a virtio_blk ext4 crc32c_generic || fail "no modules for the disk of programs"
i=0
until [ -e /dev/vda ]; do
    usleep 100000
    [ $((i += 1)) -lt 100 ] || fail "no disk of programs"
done
mount -t ext4 -o ro /dev/vda /mnt || fail "the disk of programs cannot be mounted"
for folder in dev proc sys; do mount --bind /$folder /mnt/$folder; done
mount -t tmpfs tmpfs /mnt/tmp
cp "$guests"/* /mnt/tmp/ # KVM's programs run in there
cd /mnt/tmp || fail "no folder for the guests"

# start WHO: EL2 is theirs.
start() {
    case $1 in
    ringvisor)
        echo 140 >/proc/sys/vm/nr_hugepages
        insmod "$module" || fail "the module: $(dmesg | tail -n 1)"
        ;;
    kvm) [ -e /dev/kvm ] || fail "the computer has no KVM" ;;
    esac
}

stop() {
    case $1 in
    ringvisor)
        rmmod ringvisor || fail "the module does not go"
        echo 0 >/proc/sys/vm/nr_hugepages
        ;;
    esac
}

# bare WHO GUEST VCPUS: a bare-metal guest, to its end.
bare() {
    case $1 in
    ringvisor) "$build/vmm/vmm" run -M linux --grace 0 -k "$2" -c "$3" -m 64M 2>err ;;
    kvm)
        chroot /mnt qemu-system-aarch64 -M virt,gic-version=3 -accel kvm -cpu host -smp "$3" -m 64 \
            -nodefaults -display none -monitor none -serial stdio -no-reboot -kernel "/tmp/$2" 2>err
        ;;
    esac </dev/null || fail "$1: $2: $(cat err)"
}

# linux WHO: Debian's kernel with two disks, and a network card if there is an address for the
# host's end of it, to its power-off.
linux() {
    words="console=ttyAMA0 quiet panic=-1 nowatchdog" ours= kvms=
    if [ -s address ]; then
        ours="--net tap,ifname=tap0"
        kvms="-netdev tap,id=net,ifname=tap0,script=no,downscript=no,vhost=off -device virtio-net-device,netdev=net"
    fi
    case $1 in
    ringvisor)
        "$build/vmm/vmm" run -M linux --grace 0 -k kernel -i initrd -p "$words" -m 256M \
            --disk /dev/vda,ro=on,serial=programs --disk /mnt/tmp/data,serial=data $ours 2>err
        ;;
    kvm)
        chroot /mnt qemu-system-aarch64 -M virt,gic-version=3 -accel kvm -cpu host -m 256 \
            -nodefaults -display none -monitor none -serial stdio -no-reboot \
            -global virtio-mmio.force-legacy=false -kernel /tmp/kernel -initrd /tmp/initrd -append "$words" \
            -drive if=none,id=programs,format=raw,read-only=on,file=/dev/vda \
            -device virtio-blk-device,drive=programs,serial=programs \
            -drive if=none,id=data,format=raw,file=/tmp/data,cache=writeback,aio=io_uring \
            -device virtio-blk-device,drive=data,serial=data $kvms 2>err
        ;;
    esac </dev/null || fail "$1: $(cat err)"
}

# The seconds from the start until userspace speaks, in its output.
timed() {
    read -r begin _ </proc/uptime
    linux "$1" | while IFS= read -r line; do
        case $line in *"bench: userspace is reached"*)
            read -r now _ </proc/uptime
            echo "BOOT $begin $now"
            ;;
        esac
        printf '%s\n' "$line"
    done
}

if [ -s address ]; then
    modprobe tun || fail "no tap device"
    chroot /mnt /usr/bin/ip tuntap add tap0 mode tap vnet_hdr && ip addr add "$(cat address)" dev tap0 && ip link set tap0 up ||
        fail "the tap device"
    chroot /mnt iperf3 -s -D
fi
[ ! -e kernel ] || dd if=/dev/urandom of=data bs=1M count=64 2>/dev/null
for who in $order; do
    start "$who"
    echo "WHO $who"
    for guest in *-[12].elf; do # the number is that of its vCPUs
        [ ! -e "$guest" ] || bare "$who" "$guest" "$(expr "$guest" : '.*-\([0-9]*\)')"
    done
    [ ! -e kernel ] || timed "$who"
    echo "END $who"
    stop "$who"
done
