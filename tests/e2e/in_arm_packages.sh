# SPDX-License-Identifier: BSD-2-Clause
# The part of test_arm_packages.sh that runs in the emulated computer.
set -uo pipefail
mkdir /run/test
cd /run/test
cp /test/*.deb .
log=/run/test/log
# try NAME COMMAND...
try() {
    local name=$1 start=$SECONDS
    shift
    if "$@" >>"$log" 2>&1; then
        echo "ok: $name"
    else
        echo "FAILED: $name: $* ($?)"
        tail -n 40 "$log" | sed 's/^/  /'
    fi
    [[ $((SECONDS - start)) -lt 10 ]] || echo "# $name: $((SECONDS - start)) s"
}
is() { [[ $1 == "$2" ]] || { echo "'$1' is not '$2'"; return 1; }; }
# waits COMMAND...: within ten minutes.
waits() {
    for _ in {1..6000}; do
        ! "$@" || return 0
        sleep 0.1
    done
    echo "in vain: $*"
    return 1
}
as_user() { runuser -u "$@"; }
online() { cat /sys/devices/system/cpu/online; }
kernel_is_quiet() { ! dmesg | grep -E 'WARNING:|BUG:|Oops|rcu.*stall'; }
device() { stat -c '%a %G' /dev/ringvisor; }

# Debian with a shell, as an ordinary user has it.
boots() {
    mkfifo keys
    as_user "$1" -- vmm run -k /test/kernel -i /test/initrd -p console=ttyAMA0 -m 128M <keys >console 2>messages &
    local vmm=$!
    exec 3>keys
    up() { grep -q 'leaves it' console || ! kill -0 $vmm 2>/dev/null; }
    waits up
    online >during
    echo 'echo the guest has $(nproc) CPU of $(uname -m); poweroff -f' >&3
    wait $vmm || { cat messages console; return 1; }
    exec 3>&-
    cat messages
    grep '^the guest has 1 CPU of aarch64' console
}

export DEBIAN_FRONTEND=noninteractive
find / -xdev -iname '*ringvisor*' ! -path '/var/log/*' >before
try apt_installs_them_from_local_files apt-get install -y --no-install-recommends linux-headers-arm64 \
    ./ringvisor_*.deb ./ringvisor-dkms_*.deb
grep -E 'ringvisor-dkms|gcc-12:' /var/log/dpkg.log | grep -E 'half-configured|status installed' | sed 's/^/# /'
try dkms_has_built_the_module eval 'dkms status | grep "^ringvisor/.*$(uname -r).*installed"'
try modprobe_loads_it modprobe ringvisor
try udev_has_given_it_to_its_group eval 'udevadm settle; waits test -e /dev/ringvisor; is "$(device)" "660 ringvisor"'
sysctl -q vm.nr_hugepages=160
useradd -m -G ringvisor member
useradd -m stranger
try a_member_of_the_group_boots_a_guest boots member
try the_guest_has_had_the_last_cpu is "$(cat during)" 0-2
try which_is_back is "$(online)" 0-3
as_user stranger -- vmm run -k /test/off.elf -m 64M >>"$log" 2>messages
try another_user_is_told_why_not grep 'may not open it' messages
install -o ringvisor -m 644 -D -t /var/lib/ringvisor /test/off.elf /test/loop.elf
echo '{"kernel": "off.elf", "memory": "64M"}' >/etc/ringvisor/short.json
echo '{"kernel": "loop.elf", "memory": "64M"}' >/etc/ringvisor/long.json
result() { systemctl show -P ActiveState -P Result ringvisor@short | tr '\n' ' '; }
try a_guest_is_a_service eval 'systemctl start ringvisor@short; waits eval "[[ \$(result) == inactive* ]]"; is "$(result)" "inactive success "'
try one_that_goes_on systemctl start ringvisor@long
try has_its_cpu is "$(online)" 0-2
try the_module_stays_while_a_guest_has_it eval '! rmmod ringvisor'
try it_stops systemctl stop ringvisor@long
rm -rf /etc/ringvisor/*.json /var/lib/ringvisor/*.elf
try apt_purges_them apt-get purge -y ringvisor ringvisor-dkms
try nothing_is_loaded eval '! test -e /sys/module/ringvisor && ! test -e /dev/ringvisor'
find / -xdev -iname '*ringvisor*' ! -path '/var/log/*' >after
try no_file_is_left diff before after
try the_kernel_is_quiet kernel_is_quiet
echo 'the end'
