# SPDX-License-Identifier: BSD-2-Clause
# The part of test_packages.sh that runs inside of the copy of the system.
set -uo pipefail
cd /test
try() {
    local name=$1
    shift
    if "$@" >>log 2>&1; then
        echo "ok: $name"
    else
        echo "FAILED: $name: $* ($?)"
        { tail -n 40 log; journalctl --no-pager -n 40 -u 'ringvisor@*'; } >&2
    fi
}
property() { systemctl show -P "$1" "$2"; }
is() { [[ $1 == "$2" ]] || { echo "'$1' is not '$2'"; return 1; }; }
# until_is WANTED COMMAND...: within ten seconds.
until_is() {
    local wanted=$1
    shift
    for _ in {1..100}; do
        [[ $("$@") != "$wanted" ]] || return 0
        sleep 0.1
    done
    echo "still '$("$@")'"
    return 1
}

export DEBIAN_FRONTEND=noninteractive
try apt_installs_them_from_local_files apt-get install -y --no-install-recommends ./*.deb
version=$(dpkg-query -W -f '${Version}' ringvisor)
try the_vmm_tells_its_version eval 'vmm --version | grep -qF "(ringvisor) $version"'
try the_vmm_finds_its_stub_and_plugins timeout 60 vmm run -k off.elf -m 64M --no-reboot
try a_plugin_builds_against_ringvisor_dev eval 'cc -shared -fPIC -o echo.so $(pkg-config --cflags ringvisor-virtio) \
    /usr/share/doc/ringvisor-dev/examples/virtio_echo.c $(pkg-config --libs ringvisor-virtio)'
try the_manual_pages_are_there man -w vmm vmm-run
try the_group_of_the_device_is_there getent group ringvisor

try systemd_takes_the_unit eval 'command -v systemd-analyze && ! systemd-analyze verify ringvisor@web.service 2>&1 | grep ringvisor'
systemd-analyze security --no-pager ringvisor@web.service | tail -n 2
install -o ringvisor -d /var/lib/ringvisor
install -m 644 loop.elf off.elf /var/lib/ringvisor
echo '{"kernel": "loop.elf", "memory": "64M"}' >/etc/ringvisor/web.json
echo '{"kernel": "off.elf", "memory": "64M"}' >/etc/ringvisor/short.json
echo '{"kernel": "loop.elf", "memory": "1"}' >/etc/ringvisor/wrong.json
# Short times, so that the test is short.
mkdir -p /run/systemd/system/ringvisor@.service.d
printf '[Service]\nWatchdogSec=2\nRestartSec=100ms\n' >/run/systemd/system/ringvisor@.service.d/short.conf
systemctl daemon-reload

try a_guest_starts_as_a_service systemctl start ringvisor@web
try its_guest_runs eval 'vmm ps | grep -q "web.*running"'
try it_runs_as_its_own_user eval 'is "$(ps -o user= -p "$(property MainPID ringvisor@web)")" ringvisor'
sleep 3
try it_feeds_the_watchdog eval 'is "$(property NRestarts ringvisor@web)" 0 && is "$(property ActiveState ringvisor@web)" active'
kill -KILL "$(property MainPID ringvisor@web)"
try it_is_started_again_when_it_dies until_is 1 property NRestarts ringvisor@web
try the_new_one_becomes_ready until_is active property ActiveState ringvisor@web
systemctl kill --signal=STOP ringvisor@web
try the_watchdog_ends_one_that_hangs until_is 2 property NRestarts ringvisor@web
until_is active property ActiveState ringvisor@web
try it_stops systemctl stop ringvisor@web
try its_end_is_no_failure is "$(property ActiveState ringvisor@web)/$(property Result ringvisor@web)" inactive/success
none_is_left() { is "$(pgrep -u ringvisor; echo $?)" 1; } # 2: it could not look
try nothing_of_it_runs_on none_is_left
try the_guests_own_end_is_the_services_end eval 'systemctl start ringvisor@short; until_is inactive/success/0 \
    eval "echo \$(property ActiveState ringvisor@short)/\$(property Result ringvisor@short)/\$(property NRestarts ringvisor@short)"'
systemctl start ringvisor@wrong
try wrong_options_are_not_tried_again eval 'sleep 0.5; is "$(property ActiveState ringvisor@wrong)/$(property NRestarts ringvisor@wrong)" failed/0'
echo '{"kernel": "loop.elf", "memory": "64M", "disk": ["none.img"]}' >/etc/ringvisor/nodisk.json
try the_time_for_five_failures_is_longer_than_they_take is "$(property StartLimitIntervalUSec ringvisor@web)" 1min
systemctl start ringvisor@nodisk
try what_fails_each_time_is_not_tried_for_ever until_is failed/5 \
    eval 'echo "$(property ActiveState ringvisor@nodisk)/$(property NRestarts ringvisor@nodisk)"'
try a_guest_without_options_is_refused eval '! systemctl start ringvisor@none'

# The scripts of an upgrade, and of a removal, while a guest runs: no watchdog is to be in their way, and no
# policy of the system that this is a copy of.
rm -f /run/systemd/system/ringvisor@.service.d/short.conf /usr/sbin/policy-rc.d
systemctl daemon-reload
systemctl enable --now ringvisor@web
pid=$(property MainPID ringvisor@web)
try apt_upgrades_it_while_a_guest_runs apt-get install -y --reinstall ./ringvisor_*.deb
try the_guest_goes_on is "$(property ActiveState ringvisor@web)/$(property MainPID ringvisor@web)" "active/$pid"

# From another architecture. Type information of modules (BTF) needs pahole, which a kernel's headers
# bring with them where they are installed.
export ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- MAKEFLAGS=CONFIG_DEBUG_INFO_BTF_MODULES=
while IFS='=' read -r release headers; do
    try "dkms_builds_for_$release" dkms build "ringvisor/$version" -k "$release" -a aarch64 --kernelsourcedir "$headers"
done <releases

try apt_removes_them_while_a_guest_runs apt-get purge -y ringvisor ringvisor-dev ringvisor-dkms
try the_guest_has_ended_well is "$(property ActiveState ringvisor@web)/$(property Result ringvisor@web)" inactive/success
try no_process_is_left none_is_left
echo 'the end'
