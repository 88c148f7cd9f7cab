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
        { tail -n 40 "$log"; journalctl --no-pager -n 40 -u 'ringvisor@*'; dmesg | tail -n 20; } | sed 's/^/  /'
    fi
    [[ $((SECONDS - start)) -lt 10 ]] || echo "# $name: $((SECONDS - start)) s"
}
is() { [[ $1 == "$2" ]] || { echo "'$1' is not '$2'"; return 1; }; }
# waits COMMAND...: within ten minutes.
waits() {
    local end=$((SECONDS + 600))
    while [[ $SECONDS -lt $end ]]; do
        ! "$@" || return 0
        sleep 0.1
    done
    echo "in vain: $*"
    return 1
}
as_user() { runuser -u "$@"; }
online() { cat /sys/devices/system/cpu/online; }
kernel_is_quiet() { dmesg >messages-of-kernel && ! grep -E 'WARNING:|BUG:|Oops|rcu.*stall' messages-of-kernel; }
device() { stat -c '%a %G' /dev/ringvisor; }

# Debian with a shell, as an ordinary user has it.
begins() {
    rm -f keys
    mkfifo keys
    as_user "$1" -- vmm run -k /test/kernel -i /test/initrd -p console=ttyAMA0 -m 128M <keys >console 2>messages &
    vmm=$!
    exec 3>keys
    waits eval "grep -q 'leaves it' console || ! kill -0 $vmm 2>/dev/null"
    kill -0 $vmm || { cat messages console; return 1; }
}
# answers NUMBER: the guest tells it, which is not in what it is asked.
answers() {
    echo "echo answer \$(($1 - 1 + 1))" >&3
    waits eval "grep -q '^answer $1' console || ! kill -0 $vmm 2>/dev/null"
    grep "^answer $1" console || { cat messages console; return 1; }
}
ends() {
    echo 'echo the guest has $(nproc) CPU of $(uname -m); poweroff -f' >&3
    exec 3>&-
    wait $vmm || { cat messages console; return 1; }
    cat messages
    grep '^the guest has 1 CPU of aarch64' console
}
# state UNIT: what systemd says of it.
state() { for property in ActiveState Result NRestarts; do printf '%s ' "$(systemctl show -P $property "$1")"; done; }

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
try a_member_of_the_group_boots_a_guest begins member
try which_has_the_last_cpu is "$(online)" 0-2
as_user stranger -- vmm run -k /test/off.elf -m 64M >>"$log" 2>messages-of-stranger
try another_user_is_told_why_not grep 'may not open it' messages-of-stranger
install -o ringvisor -m 644 -D -t /var/lib/ringvisor /test/off.elf /test/idle.elf
echo '{"kernel": "off.elf", "memory": "64M"}' >/etc/ringvisor/short.json
echo '{"kernel": "idle.elf", "memory": "64M"}' >/etc/ringvisor/long.json
try a_guest_is_a_service eval 'systemctl start ringvisor@short; waits eval "[[ \$(state ringvisor@short) == inactive* ]]"
    is "$(state ringvisor@short)" "inactive success 0 "'
try one_that_goes_on systemctl enable --now ringvisor@long
try has_a_cpu is "$(online)" 0-1
try the_module_stays_while_guests_have_it eval '! rmmod ringvisor'

pid=$(systemctl show -P MainPID ringvisor@long)
try apt_upgrades_them_while_guests_run apt-get install -y --no-install-recommends /test/next/*.deb
try dkms_has_built_the_next_one_only eval 'is "$(dkms status | cut -d , -f 1)" "ringvisor/$(dpkg-query -W -f \${Version} ringvisor-dkms)"'
try the_guest_goes_on answers 1
try the_service_goes_on is "$(state ringvisor@long)$(systemctl show -P MainPID ringvisor@long)" "active success 0 $pid"
try its_vmm_can_be_upgraded vmm upgrade long
try it_is_still_the_same_service is "$(state ringvisor@long)$(systemctl show -P MainPID ringvisor@long)" "active success 0 $pid"
try the_guest_ends ends
try its_cpu_is_back is "$(online)" 0-1,3
try a_service_starts_after_the_upgrade eval 'systemctl start ringvisor@short; waits eval "[[ \$(state ringvisor@short) == inactive* ]]"
    is "$(state ringvisor@short)" "inactive success 0 "'

try apt_removes_the_vmm_with_its_services apt-get remove -y ringvisor
try the_service_has_ended_well is "$(state ringvisor@long)" "inactive success 0 "
try its_cpu_is_back_too is "$(online)" 0-3
try the_module_is_gone eval '! test -e /sys/module/ringvisor && ! test -e /dev/ringvisor'
modprobe ringvisor
try apt_installs_it_again apt-get install -y --no-install-recommends /test/next/ringvisor_*.deb
try the_group_has_a_device_that_was_there eval 'udevadm settle; waits eval "is \"\$(device)\" \"660 ringvisor\""'
try the_service_starts_again systemctl start ringvisor@long
try a_guest_is_there_as_well begins member
apt-get remove -y ringvisor ringvisor-dkms >removal 2>&1
try apt_removes_all_while_a_guest_runs eval "cat removal; is $? 0"
try it_says_that_the_module_stays grep 'ringvisor.ko stays loaded' removal
try that_guest_goes_on answers 2
try and_ends ends
try all_cpus_are_back is "$(online)" 0-3
try the_module_can_go_now rmmod ringvisor
try no_module_is_left_to_load eval '! modprobe ringvisor'

rm -rf /etc/ringvisor/*.json /var/lib/ringvisor/*.elf
try apt_purges_them apt-get purge -y ringvisor ringvisor-dkms
try no_device_is_left eval '! test -e /sys/module/ringvisor && ! test -e /dev/ringvisor'
try no_service_is_left eval 'units=$(systemctl list-units --all --no-legend "ringvisor@*") && is "$units" ""'
find / -xdev -iname '*ringvisor*' ! -path '/var/log/*' >after
try no_file_is_left diff before after
try the_kernel_is_quiet kernel_is_quiet
sed -n 's/.*ringvisor: /# /p' <(dmesg)
echo 'the end'
