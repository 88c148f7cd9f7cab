/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of `vmm run`, and the table that it is read by. */
#include "vmm/cli/run_options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/cli/command.h"
#include "vmm/cli/firmware_files.h"
#include "vmm/cli/option_json.h"
#include "vmm/cli/restore_paths.h"

static char stderr_text[4096];

/* What the options ask of the rest of the vmm. */
int machine_qemu_check(const char *options)
{
    return options && strcmp(options, "bad") == 0 ? -EINVAL : 0;
}

int machine_linux_check(const char *options)
{
    return machine_qemu_check(options);
}

static bool has_device; /* /dev/ringvisor */

bool machine_linux_is_there(void)
{
    return has_device;
}

/* "edk2" is installed and "u-boot" is not. */
int firmware_find(const char *root, const char *name, struct firmware_files *files)
{
    assert_string_equal(root, "");
    if (strcmp(name, "u-boot") == 0) {
        fprintf(stderr, "install the package\n");
        return -ENOENT;
    }
    *files = strcmp(name, "edk2") == 0 ? (struct firmware_files){"/code", "/template"}
                                       : (struct firmware_files){name, NULL};
    return 0;
}

const char *command_stub_path(void)
{
    return "the stub";
}

/* `words` as a command line behind "run"; what goes to stderr is in stderr_text. */
static int parse(struct run_options *o, const char *words)
{
    static char copy[2048];
    char *argv[128] = {"run"}, *save;
    int argc = 1, saved = dup(STDERR_FILENO), result, file[2];
    ssize_t n;

    assert_int_equal(pipe(file), 0);
    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    fflush(stderr);
    dup2(file[1], STDERR_FILENO);
    close(file[1]);
    result = run_options_parse(o, argc, argv);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(file[0], stderr_text, sizeof(stderr_text) - 1);
    stderr_text[n > 0 ? n : 0] = '\0';
    close(file[0]);
    return result;
}

static void accepted(struct run_options *o, const char *words)
{
    if (parse(o, words))
        fail_msg("'%s' is refused: %s", words, stderr_text);
}

static void refused(const char *words, const char *said)
{
    struct run_options o;

    if (parse(&o, words) != -EINVAL || !strstr(stderr_text, said))
        fail_msg("'%s' is not refused with '%s' but: %s", words, said, stderr_text);
    run_options_free(&o);
}

static void options_go_where_they_belong(void **state)
{
    struct run_options o;

    accepted(&o, "-k kernel -m 1G -c 4 --pcpus 2 --time-slice 9 -n me -M qemu,x=y -p words "
                 "--raw 0x40080000 --stub s --dump-dtb d --no-reboot --grace 0 --timestamps "
                 "-P one --plugin-path two");
    assert_string_equal(o.vm.files.kernel, "kernel");
    assert_true(o.vm.files.raw);
    assert_int_equal(o.vm.files.raw_address.v, 0x40080000);
    assert_int_equal(o.vm.ram_size, UINT64_C(1) << 30);
    assert_int_equal(o.vm.nr_vcpus, 4);
    assert_int_equal(o.machine.nr_vcpus, 4);
    assert_int_equal(o.machine.nr_pcpus, 2);
    assert_int_equal(o.slice_ms, 9);
    assert_int_equal(o.grace_s, 0);
    assert_string_equal(o.vm.name, "me");
    assert_string_equal(o.machine.options, "x=y");
    assert_string_equal(o.machine.stub, "s");
    assert_string_equal(o.vm.dump_dtb, "d");
    assert_string_equal(o.vm.bootargs, "words");
    assert_true(o.vm.no_reboot);
    assert_true(o.machine.timestamps);
    assert_string_equal(o.plugin_paths[0], "one");
    assert_string_equal(o.plugin_paths[1], "two");
    assert_null(o.plugin_paths[2]);
    run_options_free(&o);
}

static void what_is_not_given_has_its_default(void **state)
{
    struct run_options o;

    accepted(&o, "--kernel=kernel -c 3");
    assert_int_equal(o.vm.ram_size, 512u << 20);
    assert_int_equal(o.machine.nr_pcpus, 3);
    assert_int_equal(o.grace_s, 10);
    assert_int_equal(o.slice_ms, 4);
    assert_null(o.vm.name); /* net_cards numbers the guests without one */
    assert_string_equal(o.machine.stub, "the stub");
    assert_null(o.vm.files.initrds[0]);
    assert_int_equal(o.vm.nr_devices, 0);
    assert_false(o.vm.no_reboot);
    run_options_free(&o);
}

static void control_socket_is_named_after_the_guest(void **state)
{
    struct run_options o;
    char expected[32];

    setenv("RINGVISOR_RUN_DIR", "/run/here", 1);
    accepted(&o, "-k kernel -n me");
    assert_string_equal(o.name, "me");
    assert_string_equal(o.control_path, "/run/here/me.sock");
    run_options_free(&o);
    accepted(&o, "-k kernel");
    snprintf(expected, sizeof(expected), "vm-%d", (int)getpid());
    assert_string_equal(o.name, expected);
    assert_null(o.vm.name);
    run_options_free(&o);
    accepted(&o, "-k kernel -n a/b --control /tmp/s");
    assert_string_equal(o.control_path, "/tmp/s");
    run_options_free(&o);
    accepted(&o, "-k kernel -n a/b --control off");
    assert_string_equal(o.control_path, "");
    refused("-k kernel -n a/b", "name 'a/b': a control socket of that name cannot be");
    refused("-k kernel --control=", "control socket '': give the path");
    run_options_free(&o);
}

/* What `vmm run --config` reads, with these words on the command line as well. */
static int parse_file(struct run_options *o, const char *json, const char *words)
{
    char path[] = "/tmp/config-XXXXXX", line[512];
    int fd = mkstemp(path), result;

    assert_int_equal(write(fd, json, strlen(json)), strlen(json));
    close(fd);
    snprintf(line, sizeof(line), "--config %s %s", path, words);
    result = parse(o, line);
    unlink(path);
    return result;
}

static void file_has_the_options_of_the_command_line(void **state)
{
    struct run_options o;

    setenv("RINGVISOR_RUN_DIR", "/run/here", 1);
    if (parse_file(&o,
                   "{\"kernel\": \"K\", \"memory\": \"1G\", \"cpus\": 4, \"no-reboot\": true,"
                   " \"timestamps\": false, \"initrd\": [\"a\", \"b\"], \"device\": \"one\","
                   " \"disk\": [\"x,ro\", \"y\"], \"rng\": true, \"balloon\": \"size=1M\","
                   " \"watchdog\": true, \"name\": \"me\", \"grace\": 7}",
                   ""))
        fail_msg("it is refused: %s", stderr_text);
    assert_string_equal(o.vm.files.kernel, "K");
    assert_int_equal(o.vm.ram_size, 1u << 30);
    assert_int_equal(o.vm.nr_vcpus, 4);
    assert_int_equal(o.grace_s, 7);
    assert_true(o.vm.no_reboot);
    assert_false(o.machine.timestamps);
    assert_string_equal(o.vm.files.initrds[1], "b");
    assert_int_equal(o.vm.nr_devices, 6);
    assert_string_equal(o.devices[0], "one");
    assert_string_equal(o.devices[1], "virtio-blk,path=x,ro");
    assert_string_equal(o.devices[2], "virtio-blk,path=y");
    assert_string_equal(o.devices[3], "virtio-rng");
    assert_string_equal(o.devices[4], "virtio-balloon,size=1M");
    assert_string_equal(o.devices[5], "sp805");
    assert_string_equal(o.control_path, "/run/here/me.sock");
    run_options_free(&o);
    if (parse_file(&o, "{\"kernel\": \"K\", \"memory\": 4194304}", ""))
        fail_msg("it is refused: %s", stderr_text);
    assert_int_equal(o.vm.ram_size, 4u << 20);
    run_options_free(&o);
}

static void command_line_counts_instead_of_the_file(void **state)
{
    struct run_options o;

    if (parse_file(&o, "{\"kernel\": \"K\", \"cpus\": 4, \"disk\": \"x\", \"rng\": true}",
                   "-c 2 --disk y"))
        fail_msg("it is refused: %s", stderr_text);
    assert_int_equal(o.vm.nr_vcpus, 2);
    assert_int_equal(o.vm.nr_devices, 2);
    assert_string_equal(o.devices[0], "virtio-blk,path=y");
    assert_string_equal(o.devices[1], "virtio-rng");
    run_options_free(&o);
}

static void what_a_snapshot_keeps_has_the_devices_in_their_order(void **state)
{
    struct run_options o, again;
    struct option_set set;
    json_t *keep = json_array();

    accepted(&o, "-k K -c 2 --disk a --net user --disk b,ro -d x --rng --firmware edk2");
    assert_null(json_object_get(o.saved, "disk"));
    assert_int_equal(json_array_size(json_object_get(o.saved, "device")), 5);
    run_options_init_restore(&again, &set);
    assert_int_equal(option_json_apply(&set, o.saved, keep, "it"), 0);
    assert_int_equal(run_options_complete(&again), 0);
    assert_int_equal(again.vm.nr_vcpus, 2);
    assert_int_equal(again.vm.nr_devices, o.vm.nr_devices);
    for (unsigned i = 0; i < o.vm.nr_devices; i++)
        assert_string_equal(again.devices[i], o.devices[i]);
    assert_true(json_equal(again.saved, o.saved)); /* of a snapshot of it, too */
    run_options_free(&again);
    json_decref(keep);
    run_options_free(&o);
}

static void restore_takes_all_that_a_file_may_have(void **state)
{
    struct run_options o;
    struct option_set run, restore;

    run_options_init(&o, &run);
    run_options_free(&o);
    run_options_init_restore(&o, &restore);
    for (unsigned i = 0; i < run.count; i++)
        if (strcmp(run.rows[i].name, "help") != 0)
            assert_int_equal(!option_find(&restore, run.rows[i].name), run.rows[i].not_in_file);
    assert_null(option_find(&run, "revert-disks"));
    assert_int_equal(option_apply(&restore, option_find(&restore, "revert-disks"), NULL), 0);
    assert_true(o.revert_disks);
    run_options_free(&o);
}

/* What vmm restore does with the options `json`, of which the command line has given `given`. */
static void restored(struct run_options *o, const char *json, const char *given, const char *value)
{
    struct option_set set;
    json_t *options = json_loads(json, 0, NULL);
    uint64_t bits;

    run_options_init_restore(o, &set);
    if (given)
        assert_int_equal(option_apply(&set, option_find(&set, given), value), 0);
    bits = set.given;
    assert_int_equal(option_json_apply(&set, options, o->texts, "it"), 0);
    restore_paths(o, &set, bits);
    json_decref(options);
}

static void restore_does_without_paths_that_the_guest_does_not_need(void **state)
{
    struct run_options o;

    restored(&o,
             "{\"snapshots\": \"/not/there\", \"control\": \"/not/there/socket\", \"stub\": "
             "\"/not/there\","
             " \"cloud-init\": \"user-data=/not/there,ssh-key=/dev/null,hostname=me\"}",
             NULL, NULL);
    assert_null(o.snapshots);
    assert_null(o.control);
    assert_null(o.machine.stub);
    assert_null(o.cloud_init.user_data);
    assert_string_equal(o.cloud_init.ssh_key, "/dev/null");
    assert_string_equal(o.cloud_init.hostname, "me");
    run_options_free(&o);
    /* What is there is used. */
    restored(&o, "{\"snapshots\": \"/\", \"control\": \"/socket\", \"stub\": \"/dev/null\"}", NULL,
             NULL);
    assert_string_equal(o.snapshots, "/");
    assert_string_equal(o.control, "/socket");
    assert_string_equal(o.machine.stub, "/dev/null");
    run_options_free(&o);
    restored(&o, "{\"control\": \"off\"}", NULL, NULL);
    assert_string_equal(o.control, "off");
    run_options_free(&o);
}

/* The VM was started on the machine qemu. What is given now is refused as by vmm run. */
static void restore_on_the_machine_linux_drops_what_it_does_not_have(void **state)
{
    static const char saved[] = "{\"kernel\": \"k\", \"cpus\": 4, \"pcpus\": 2, \"time-slice\": 9, "
                                "\"stub\": \"/dev/null\"}";
    struct run_options o;

    has_device = true;
    restored(&o, saved, NULL, NULL);
    assert_int_equal(run_options_complete(&o), 0);
    assert_true(o.machine.linux_host);
    assert_int_equal(o.machine.nr_pcpus, 4);
    assert_string_equal(o.machine.stub, "the stub");
    run_options_free(&o);
    restored(&o, saved, "time-slice", "9");
    assert_int_equal(run_options_complete(&o), -EINVAL);
    run_options_free(&o);
    has_device = false;
    restored(&o, saved, NULL, NULL);
    assert_int_equal(run_options_complete(&o), 0);
    assert_int_equal(o.machine.nr_pcpus, 2);
    assert_int_equal(o.slice_ms, 9);
    assert_string_equal(o.machine.stub, "/dev/null");
    run_options_free(&o);
}

static void restore_takes_a_path_of_the_command_line_as_it_is(void **state)
{
    struct run_options o;

    restored(&o, "{\"snapshots\": \"/\"}", "snapshots", "/not/there");
    assert_string_equal(o.snapshots, "/not/there");
    run_options_free(&o);
}

static void file_that_is_wrong_is_refused_with_its_key(void **state)
{
    static const struct {
        const char *json, *said;
    } files[] = {
        {"{\"colour\": 1}", "there is no key 'colour'"},
        {"{\"config\": \"x\"}", "there is no key 'config'"},
        {"{\"help\": true}", "there is no key 'help'"},
        {"{\"cpus\": 99}", "the value of key 'cpus' is wrong"},
        {"{\"cpus\": 1.5}", "key 'cpus' is to be a text or an integer"},
        {"{\"cpus\": [1, 2]}", "key 'cpus' is to be a text or an integer"},
        {"{\"kernel\": true}", "key 'kernel' is to be"},
        {"{\"kernel\": null}", "key 'kernel' is to be"},
        {"{\"no-reboot\": \"yes\"}", "key 'no-reboot' is to be true or false"},
        {"{\"disk\": [true]}", "key 'disk' is to be a text, or an array of texts"},
        {"{\"disk\": {\"path\": \"x\"}}", "key 'disk' is to be"},
        {"{\"memory\": \"3M\"}", "the value of key 'memory' is wrong"},
        {"{\"cpus\": 1, \"cpus\": 2}", "duplicate"},
        {"[]", "one JSON object"},
        {"", "line 1"},
        {"{\"cpus\": 1", "line 1"},
    };
    struct run_options o;

    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *words = strstr(files[i].json, "kernel") ? "" : "-k K";

        if (parse_file(&o, files[i].json, words) != -EINVAL || !strstr(stderr_text, files[i].said))
            fail_msg("'%s' is not refused with '%s', but: %s", files[i].json, files[i].said,
                     stderr_text);
        run_options_free(&o);
    }
    refused("--config /nonexistent -k K", "/nonexistent");
}

static void what_was_given_can_be_read_again(void **state)
{
    struct run_options o, again;
    char *text;

    accepted(&o, "-k K -m 1G -c 007 --no-reboot -i a -i b --disk x,ro --rng --rng --grace 3 "
                 "--grace 5 --balloon --watchdog=action=none");
    text = json_dumps(o.given, JSON_COMPACT);
    assert_string_equal(text, "{\"kernel\":\"K\",\"memory\":\"1G\",\"cpus\":7,\"no-reboot\":true,"
                              "\"initrd\":[\"a\",\"b\"],\"disk\":[\"x,ro\"],\"rng\":[true,true],"
                              "\"grace\":5,\"balloon\":[true],\"watchdog\":[\"action=none\"]}");
    if (parse_file(&again, text, ""))
        fail_msg("it is refused: %s", stderr_text);
    assert_true(json_equal(o.given, again.given));
    assert_int_equal(again.vm.nr_devices, o.vm.nr_devices);
    free(text);
    run_options_free(&o);
    run_options_free(&again);
}

static void option_that_can_be_given_once_is_refused_the_second_time(void **state)
{
    static const char *const twice[] = {
        "-k two",          "--kernel two",      "-m 64M -m 64M",           "-c 1 --cpus 1",
        "-p a -p b",       "-n a -n b",         "-M qemu -M qemu",         "-l info -l info",
        "--raw 1 --raw 1", "--stub a --stub b", "--no-reboot --no-reboot",
    };

    for (unsigned i = 0; i < sizeof(twice) / sizeof(twice[0]); i++) {
        char words[128];

        snprintf(words, sizeof(words), "-k one %s", twice[i]);
        refused(words, "is given more than once");
    }
    refused("-k one -m 64M -m 1G", "--memory is given more than once");
}

static void initrds_are_kept_in_their_order(void **state)
{
    struct run_options o;

    accepted(&o, "-k kernel -i one --initrd two -i three");
    assert_string_equal(o.vm.files.initrds[0], "one");
    assert_string_equal(o.vm.files.initrds[1], "two");
    assert_string_equal(o.vm.files.initrds[2], "three");
    assert_null(o.vm.files.initrds[3]);
    refused("-k k -i 1 -i 2 -i 3 -i 4 -i 5 -i 6 -i 7 -i 8 -i 9", "initrd '9': too many");
    run_options_free(&o);
}

static void shorthand_is_put_before_what_the_user_typed(void **state)
{
    static const struct {
        const char *typed, *device;
    } table[] = {
        {"--disk a.img", "virtio-blk,path=a.img"},
        {"--disk a,,b.img,ro=on", "virtio-blk,path=a,,b.img,ro=on"},
        {"--disk=", "virtio-blk,path="},
        {"--net user,hostfwd=tcp:2222-:22", "virtio-net,backend=user,hostfwd=tcp:2222-:22"},
        {"--vsock cid=3,path=/tmp/v", "virtio-vsock,cid=3,path=/tmp/v"},
        {"--share /srv,tag=srv", "virtio-fs,path=/srv,tag=srv"},
        {"--console pty", "virtio-console,chardev=pty"},
        {"--rng", "virtio-rng"},
        {"--balloon", "virtio-balloon"},
        {"--balloon=size=64M", "virtio-balloon,size=64M"},
        {"--watchdog", "sp805"},
        {"-d pl031", "pl031"},
    };
    char words[1024] = "-k kernel";
    struct run_options o;

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        strcat(words, " ");
        strcat(words, table[i].typed);
    }
    accepted(&o, words);
    assert_int_equal(o.vm.nr_devices, sizeof(table) / sizeof(table[0]));
    for (unsigned i = 0; i < o.vm.nr_devices; i++)
        assert_string_equal(o.vm.devices[i], table[i].device);
    run_options_free(&o);
}

/* By what is typed: the flash, or "" for a guest without one. */
static void firmware_is_a_flash(void **state)
{
    static const struct {
        const char *typed, *flash;
    } table[] = {
        {"--firmware edk2", "cfi-flash,code=/code,template=/template"},
        {"--firmware edk2 --firmware-vars a,b",
         "cfi-flash,code=/code,vars=a,,b,template=/template"},
        {"--firmware my,file", "cfi-flash,code=my,,file"},
        {"--firmware f -k kernel -i initrd -p words", "cfi-flash,code=f"},
        {"-k kernel", ""},
        {"-k kernel --disk d", ""},
        {"--disk d", "cfi-flash,code=/code,template=/template"},
        {"-d vhost-user-blk,socket=s", "cfi-flash,code=/code,template=/template"},
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct run_options o;
        const char *flash = "";

        accepted(&o, table[i].typed);
        for (unsigned j = 0; j < o.vm.nr_devices; j++)
            if (strncmp(o.vm.devices[j], "cfi-flash", 9) == 0)
                flash = o.vm.devices[j];
        assert_string_equal(flash, table[i].flash);
        assert_int_equal(o.vm.firmware, flash[0] != '\0');
        run_options_free(&o);
    }
}

/* Names of disks go by their order, and buses are looked at in an order of the guest's. */
static void seed_of_cloud_init_is_the_last_disk_on_the_bus_of_others(void **state)
{
    static const struct {
        const char *typed;
        bool pci;
    } table[] = {
        {"-k kernel", false},
        {"--disk a", false},
        {"--disk a,,bus=pci", false},
        {"--disk a --net user,bus=pci", false},
        {"--disk a,bus=pci,ro", true},
        {"--disk a --disk b,bus=pci", true},
        {"-d vhost-user-blk,socket=s,bus=pci", true},
        {"--disk a,bus=pci,bus=mmio", false},
    };
    static const char seed[] = ",format=raw,ro=on,serial=cidata", pci[] = ",bus=pci";

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct run_options o;
        char words[128];
        const char *last;

        snprintf(words, sizeof(words), "%s --cloud-init hostname=web", table[i].typed);
        accepted(&o, words);
        last = o.vm.devices[o.vm.nr_devices - 1];
        assert_non_null(strstr(last, seed));
        assert_string_equal(strstr(last, seed) + strlen(seed), table[i].pci ? pci : "");
        run_options_free(&o);
    }
}

static void firmware_that_cannot_be_is_refused(void **state)
{
    refused("--rng", "no kernel and no disk; give one with -k IMAGE or --disk PATH");
    refused("--firmware u-boot", "install the package");
    refused("--firmware-vars v -k k", "firmware-vars 'v': give --firmware");
    refused("--firmware f -i initrd", "without -k it takes neither -i nor -p");
    refused("--disk d -p words", "firmware 'edk2': without -k it takes neither -i nor -p");
    refused("--firmware f -k k --raw 0x40000000", "it cannot start a raw binary");
}

static void wrong_values_are_refused_with_what_would_be_right(void **state)
{
    refused("", "no kernel");
    refused("-k k stray", "argument 'stray'");
    refused("-k k -m 5000K", "multiple of 2M");
    refused("-k k -m 2T", "room for");
    refused("-k k -c 33", "number of CPUs '33': give 1 to 32");
    refused("-k k -c 4294967297", "number of CPUs '4294967297'");
    refused("-k k -c 99999999999999999999", "number of CPUs");
    refused("-k k --time-slice 0", "time slice '0': give 1 to 1000");
    refused("-k k -M vax", "machine 'vax'");
    refused("-k k -M linu", "machine 'linu'");
    refused("-k k -M qemux", "machine 'qemux'");
    refused("-k k -l loud", "log level 'loud'");
    refused("-k k --raw here", "raw address 'here'");
    refused("-k k -c 4 --pcpus 5", "5 physical CPUs for 4 virtual ones");
}

static void the_machine_is_this_computer_where_it_can_be(void **state)
{
    static const struct {
        const char *words;
        const char *options; /* or NULL */
        bool has_device, linux_host;
    } rows[] = {
        {"-k k", NULL, false, false},
        {"-k k", NULL, true, true},
        {"-k k -M qemu", NULL, true, false},
        {"-k k -M linux", NULL, false, true},
        {"-k k -M linux,cpus=2-3", "cpus=2-3", true, true},
        {"-k k -M qemu,cpu=max", "cpu=max", true, false},
    };
    struct run_options o;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        has_device = rows[i].has_device;
        assert_int_equal(parse(&o, rows[i].words), 0);
        assert_int_equal(o.machine.linux_host, rows[i].linux_host);
        assert_false(o.no_keeper);
        if (rows[i].options)
            assert_string_equal(o.machine.options, rows[i].options);
        else
            assert_null(o.machine.options);
        run_options_free(&o);
    }
    has_device = false;
    refused("-k k -M linux,bad", "");
}

/* What the machine linux says to options, chosen by one and by the device. The machine qemu has all. */
static void an_option_that_the_machine_linux_does_not_have_is_refused(void **state)
{
    static const struct {
        const char *words, *said; /* NULL: it is accepted */
    } rows[] = {
        {"--stub s", "--stub: not with the machine linux, where the module has its own"},
        {"--time-slice 4", "--time-slice: not with the machine linux, where each virtual CPU"},
        {"-c 2 --pcpus 1", "--pcpus: not with the machine linux, where each virtual CPU"},
        {"-c 2 --pcpus 2", NULL},
        {"--timestamps", NULL}, /* the module always has them */
    };
    static const struct {
        const char *machine;
        bool has_device, linux_host;
    } ways[] = {
        {"-M linux", false, true}, {"", true, true}, {"-M qemu", true, false}, {"", false, false}};
    char line[128];
    struct run_options o;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
            has_device = ways[way].has_device;
            snprintf(line, sizeof(line), "-k k %s %s", rows[i].words, ways[way].machine);
            if (rows[i].said && ways[way].linux_host) {
                refused(line, rows[i].said);
                continue;
            }
            accepted(&o, line);
            assert_int_equal(o.machine.linux_host, ways[way].linux_host);
            run_options_free(&o);
        }
    }
    has_device = false;
}

/* A configuration file or a control interface needs no command line. */
static void table_serves_without_a_command_line(void **state)
{
    struct run_options o;
    struct option_set set;

    run_options_init(&o, &set);
    assert_null(option_find(&set, "no-such-option"));
    assert_int_equal(option_apply(&set, option_find(&set, "kernel"), "kernel"), 0);
    assert_int_equal(option_apply(&set, option_find(&set, "cpus"), "2"), 0);
    assert_int_equal(option_apply(&set, option_find(&set, "rng"), NULL), 0);
    assert_int_equal(option_apply(&set, option_find(&set, "disk"), "a"), 0);
    assert_int_equal(option_apply(&set, option_find(&set, "disk"), "b"), 0);
    assert_int_equal(run_options_complete(&o), 0);
    assert_string_equal(o.vm.files.kernel, "kernel");
    assert_int_equal(o.machine.nr_pcpus, 2);
    assert_int_equal(o.vm.nr_devices, 3);
    assert_string_equal(o.vm.devices[2], "virtio-blk,path=b");
    run_options_free(&o);
}

static void each_option_has_a_name_and_a_help_text(void **state)
{
    struct run_options o;
    struct option_set set;

    run_options_init(&o, &set);
    for (unsigned i = 0; i < set.count; i++) {
        const struct option_row *row = &set.rows[i];

        assert_true(row->help && *row->help);
        assert_ptr_equal(option_find(&set, row->name), row); /* no name twice */
        for (unsigned j = 0; j < i; j++)
            assert_false(row->letter && set.rows[j].letter == row->letter);
    }
    run_options_free(&o);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_go_where_they_belong),
        cmocka_unit_test(file_has_the_options_of_the_command_line),
        cmocka_unit_test(command_line_counts_instead_of_the_file),
        cmocka_unit_test(what_a_snapshot_keeps_has_the_devices_in_their_order),
        cmocka_unit_test(restore_takes_all_that_a_file_may_have),
        cmocka_unit_test(restore_does_without_paths_that_the_guest_does_not_need),
        cmocka_unit_test(restore_takes_a_path_of_the_command_line_as_it_is),
        cmocka_unit_test(file_that_is_wrong_is_refused_with_its_key),
        cmocka_unit_test(what_was_given_can_be_read_again),
        cmocka_unit_test(control_socket_is_named_after_the_guest),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(option_that_can_be_given_once_is_refused_the_second_time),
        cmocka_unit_test(initrds_are_kept_in_their_order),
        cmocka_unit_test(shorthand_is_put_before_what_the_user_typed),
        cmocka_unit_test(firmware_is_a_flash),
        cmocka_unit_test(seed_of_cloud_init_is_the_last_disk_on_the_bus_of_others),
        cmocka_unit_test(firmware_that_cannot_be_is_refused),
        cmocka_unit_test(wrong_values_are_refused_with_what_would_be_right),
        cmocka_unit_test(the_machine_is_this_computer_where_it_can_be),
        cmocka_unit_test(an_option_that_the_machine_linux_does_not_have_is_refused),
        cmocka_unit_test(restore_on_the_machine_linux_drops_what_it_does_not_have),
        cmocka_unit_test(table_serves_without_a_command_line),
        cmocka_unit_test(each_option_has_a_name_and_a_help_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
