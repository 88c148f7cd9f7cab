/* SPDX-License-Identifier: BSD-2-Clause */
/* Images that a qemu-storage-daemon serves, and NBD servers of the user's. */
#include "tests/unit/support/disk_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB       (1024u * 1024u)
#define DISK_SIZE (8ull * MIB)

/* The helper that is our child; 0: there is none. Zombies are none. */
static pid_t helper_pid(void)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    pid_t found = 0;

    while ((entry = readdir(proc))) {
        char path[300], name[32] = "", state = 0;
        int parent = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        file = fopen(path, "re");
        if (!file)
            continue;
        if (fscanf(file, "%*d (%31[^)]) %c %d", name, &state, &parent) == 3 && parent == getpid() &&
            state != 'Z' && strcmp(name, "qemu-storage-da") == 0)
            found = atoi(entry->d_name);
        fclose(file);
    }
    closedir(proc);
    return found;
}

static void kill_helper(void)
{
    pid_t pid = helper_pid();

    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
}

static void make_image(const char *name, const char *format)
{
    assert_int_equal(shell("qemu-img create -q -f %s '%s' %llu", format, file_path(name),
                           (unsigned long long)DISK_SIZE),
                     0);
}

/*
 * What QEMU reads from the image must be what we wrote. An image whose writer was
 * killed may have clusters that nobody uses (status 3), but no error.
 */
static void check_image(const char *name, const char *format, const uint8_t *model, bool killed)
{
    int status = shell("qemu-img check -q -f %s '%s' >&2", format, file_path(name));
    uint8_t *data = malloc(DISK_SIZE);
    FILE *file;

    assert_true(status == 0 || (killed && status == 3));
    assert_int_equal(shell("qemu-img convert -f %s -O raw '%s' '%s'", format, file_path(name),
                           file_path("check.raw")),
                     0);
    file = fopen(file_path("check.raw"), "re");
    assert_non_null(file);
    assert_int_equal(fread(data, 1, DISK_SIZE, file), DISK_SIZE);
    assert_memory_equal(data, model, DISK_SIZE);
    fclose(file);
    free(data);
}

static void qcow2_reads_what_was_written_in_every_cache_mode(void **state)
{
    static const char *const caches[] = {"writeback", "none", "writethrough", "unsafe"};

    for (unsigned c = 0; c < 4; c++) {
        struct load load = {.size = DISK_SIZE, .requests = 300, .changes = true, .seed = c};

        make_image("a.qcow2", "qcow2");
        load.model = calloc(1, DISK_SIZE);
        load.disk =
            open_disk((struct disk_config){.path = file_path("a.qcow2"), .cache = caches[c]});
        assert_int_equal(disk_info(load.disk)->size, DISK_SIZE);
        assert_string_equal(disk_info(load.disk)->engine, "nbd");
        assert_int_equal(disk_info(load.disk)->write_cache, c != 2);
        load_run(&load);
        assert_int_equal(load.errors, 0);
        disk_close(load.disk);
        assert_int_equal(helper_pid(), 0);
        check_image("a.qcow2", "qcow2", load.model, false);
        free(load.model);
    }
}

static void other_formats_and_strange_names_are_served(void **state)
{
    static const char *const formats[][2] = {{"a,b=c,,d 'e\".vdi", "vdi"},
                                             {"a.vmdk", "vmdk"},
                                             {"a.vhdx", "vhdx"},
                                             {"-q.qcow2", "qcow2"}};
    uint8_t data[4096], back[4096];

    memset(data, 0x5a, sizeof(data));
    for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct disk_config config = {.path = file_path(formats[i][0])};
        struct disk *disk;

        assert_int_equal(shell("qemu-img create -q -f %s '%s' 8M && mv '%s' \"$(printf %%b '%s')\"",
                               formats[i][1], file_path("new"), file_path("new"),
                               i ? config.path : file_path("a,b=c,,d \\047e\".vdi")),
                         0);
        disk = open_disk(config);
        assert_int_equal(do_write(disk, 8192, data, sizeof(data)), 0);
        assert_int_equal(do_flush(disk), 0);
        disk_close(disk);
        config.read_only = true;
        disk = open_disk(config);
        assert_int_equal(do_read(disk, 8192, back, sizeof(back)), 0);
        assert_memory_equal(data, back, sizeof(data));
        assert_int_equal(do_write(disk, 8192, data, sizeof(data)), -EROFS);
        disk_close(disk);
    }
}

static void discard_shrinks_a_qcow2_image(void **state)
{
    uint8_t *data = malloc(4 * MIB);
    struct disk *disk;

    make_image("a.qcow2", "qcow2");
    memset(data, 1, 4 * MIB);
    disk = open_disk((struct disk_config){.path = file_path("a.qcow2")});
    assert_true(disk_info(disk)->can_discard);
    assert_int_equal(do_write(disk, 0, data, 4 * MIB), 0);
    assert_int_equal(do_flush(disk), 0);
    assert_true(file_allocated("a.qcow2") > 4 * MIB);
    assert_int_equal(do_request(disk, DISK_DISCARD, 0, 0, NULL, 4 * MIB), 0);
    assert_int_equal(do_flush(disk), 0);
    assert_true(file_allocated("a.qcow2") < MIB);
    disk_close(disk);
    free(data);
}

static void a_flushed_write_survives_the_death_of_all(void **state)
{
    uint8_t *model = calloc(1, DISK_SIZE);
    int status;
    pid_t pid;

    make_image("a.qcow2", "qcow2");
    memset(model + MIB, 0x77, MIB);
    pid = fork();
    if (pid == 0) {
        struct disk *disk;

        event_reinit(base);
        disk = open_disk((struct disk_config){.path = file_path("a.qcow2")});
        if (do_write(disk, MIB, model + MIB, MIB) == 0 && do_flush(disk) == 0) {
            kill(helper_pid(), SIGKILL);
            kill(getpid(), SIGKILL);
        }
        _exit(1);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    check_image("a.qcow2", "qcow2", model, true);
    free(model);
}

static void the_helper_ends_with_the_vmm_and_keeps_what_it_had(void **state)
{
    uint8_t *model = calloc(1, DISK_SIZE);
    int status, tries = 200;
    pid_t pid;

    make_image("a.qcow2", "qcow2");
    memset(model, 0x33, MIB);
    pid = fork();
    if (pid == 0) {
        struct disk *disk;

        event_reinit(base);
        disk = open_disk((struct disk_config){.path = file_path("a.qcow2")});
        if (do_write(disk, 0, model, MIB) == 0)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    while (tries-- && shell("qemu-img check -q -f qcow2 '%s' 2>/dev/null", file_path("a.qcow2")))
        usleep(50000);
    check_image("a.qcow2", "qcow2", model, false);
    free(model);
}

static void a_helper_that_dies_under_stable_load_is_started_again(void **state)
{
    struct load load = {.size = DISK_SIZE, .requests = 300, .changes = true, .now = kill_helper};
    const char *text;

    make_image("a.qcow2", "qcow2");
    load.model = calloc(1, DISK_SIZE);
    messages_begin();
    load.disk =
        open_disk((struct disk_config){.path = file_path("a.qcow2"), .cache = "writethrough"});
    load_run(&load);
    text = messages_end();
    assert_int_equal(load.errors, 0);
    assert_int_equal(count_of(text, "starting it again"), 1);
    assert_non_null(strstr(text, file_path("a.qcow2")));
    load.now = kill_helper;
    load.changes = false;
    load_run(&load);
    assert_int_equal(load.errors, 0);
    disk_close(load.disk);
    check_image("a.qcow2", "qcow2", load.model, true);
    free(load.model);
}

static void a_helper_that_dies_with_unflushed_writes_takes_the_disk_along(void **state)
{
    uint8_t data[4096] = {1};
    struct disk *disk;
    const char *text;

    make_image("a.qcow2", "qcow2");
    messages_begin();
    disk = open_disk((struct disk_config){.path = file_path("a.qcow2")});
    assert_int_equal(do_write(disk, 0, data, sizeof(data)), 0);
    assert_int_equal(do_flush(disk), 0);
    kill_helper();
    /* Nothing was at risk. */
    assert_int_equal(do_read(disk, 0, data, sizeof(data)), 0);
    assert_int_equal(do_write(disk, 4096, data, sizeof(data)), 0);
    kill_helper();
    assert_int_equal(do_read(disk, 0, data, sizeof(data)), -EIO);
    assert_int_equal(do_flush(disk), -EIO);
    assert_int_equal(do_write(disk, 0, data, sizeof(data)), -EIO);
    disk_close(disk);
    text = messages_end();
    assert_int_equal(count_of(text, "not flushed"), 1);
    assert_int_equal(count_of(text, "starting it again"), 1);
}

static void a_helper_is_not_started_again_for_ever(void **state)
{
    uint8_t data[512];
    struct disk *disk;
    unsigned deaths = 0;

    make_image("a.qcow2", "qcow2");
    messages_begin();
    disk = open_disk((struct disk_config){.path = file_path("a.qcow2")});
    do {
        kill_helper();
        deaths++;
    } while (deaths < 20 && do_read(disk, 0, data, sizeof(data)) == 0);
    assert_in_range(deaths, 2, 10);
    assert_int_equal(helper_pid(), 0);
    assert_int_equal(count_of(messages_end(), "times; the disk fails"), 1);
    disk_close(disk);
}

static void a_helper_that_hangs_does_not_hold_close_for_ever(void **state)
{
    uint8_t data[512];
    struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
    struct disk_request request = {.op = DISK_READ, .iov = &iov, .iov_count = 1};
    struct disk *disk;
    pid_t pid;

    make_image("a.qcow2", "qcow2");
    disk = open_disk((struct disk_config){.path = file_path("a.qcow2")});
    pid = helper_pid();
    kill(pid, SIGSTOP);
    disk_submit(disk, &request);
    assert_int_equal(disk_drain(disk, 200), -ETIMEDOUT);
    /* So that only the requests, not the helper's end, have to be waited for. */
    kill(pid, SIGTERM);
    if (fork() == 0) {
        sleep(6);
        kill(pid, SIGCONT);
        _exit(0);
    }
    messages_begin();
    disk_close(disk);
    messages_end();
    assert_int_equal(helper_pid(), 0);
    wait(NULL);
}

static void what_goes_wrong_at_the_start_is_said(void **state)
{
    static const struct {
        struct disk_config config;
        const char *text;
        int error;
    } cases[] = {
        {{.path = "a.qcow2", .helper = "/nonexistent/daemon"}, "qemu-system-common", -EIO},
        {{.path = "a.qcow2", .helper = "/bin/false"}, "status 1", -EIO},
        {{.path = "a.qcow2", .helper = "/bin/true"}, "'/bin/true' ended with status 0", -EIO},
        {{.path = "broken.qcow2"}, "nsupported qcow2 version", -EIO},
        {{.path = "a.qcow2", .cache = "nonsense"}, "writethrough", -EINVAL},
    };

    make_image("a.qcow2", "qcow2");
    file_make("broken.qcow2", MIB, "QFI\xfb\0\0\0\x63", 8);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct disk_config config = cases[i].config;
        struct disk *disk;
        const char *text;

        config.path = file_path(config.path);
        messages_begin();
        assert_int_equal(disk_open(base, &config, &disk), cases[i].error);
        text = messages_end();
        assert_non_null(strstr(text, cases[i].text));
        assert_non_null(strstr(text, config.path));
        assert_int_equal(helper_pid(), 0);
    }
}

static void an_image_is_locked_while_it_is_served(void **state)
{
    struct disk_config config = {.path = file_path("a.qcow2")};
    struct disk *first, *second;

    make_image("a.qcow2", "qcow2");
    first = open_disk(config);
    messages_begin();
    assert_int_equal(disk_open(base, &config, &second), -EBUSY);
    assert_non_null(strstr(messages_end(), "in use by another program"));
    assert_int_not_equal(shell("qemu-img info '%s' 2>/dev/null", config.path), 0);
    disk_close(first);
    config.read_only = true;
    first = open_disk(config);
    second = open_disk(config);
    disk_close(first);
    disk_close(second);
}

/* An NBD server of the user's, at a socket in our folder. */
static pid_t serve(const char *arguments)
{
    char command[600];
    pid_t pid;

    snprintf(command, sizeof(command), "exec qemu-nbd -t -k '%s' %s'%s'", file_path("socket"),
             arguments, file_path("a.img"));
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    for (unsigned i = 0; i < 200 && access(file_path("socket"), F_OK); i++)
        usleep(50000);
    return pid;
}

static void a_uri_names_a_server(void **state)
{
    struct load load = {.size = DISK_SIZE, .requests = 300, .changes = true, .seed = 3};
    struct disk_config config = {0};
    uint8_t data[512];
    struct disk *disk;
    char uri[300];
    pid_t pid;

    file_make("a.img", DISK_SIZE, "", 0);
    pid = serve("-f raw ");
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", file_path("socket"));
    config.path = uri;
    load.model = calloc(1, DISK_SIZE);
    load.disk = open_disk(config);
    load_run(&load);
    assert_int_equal(load.errors, 0);

    messages_begin();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(do_read(load.disk, 0, data, sizeof(data)), -EIO);
    assert_non_null(strstr(messages_end(), "connection to the server is lost"));
    disk_close(load.disk);
    free(load.model);

    unlink(file_path("socket"));
    messages_begin();
    assert_int_equal(disk_open(base, &config, &disk), -EIO);
    assert_non_null(strstr(messages_end(), uri));
    pid = serve("-f raw -r ");
    messages_begin();
    assert_int_equal(disk_open(base, &config, &disk), -EROFS);
    messages_end();
    config.read_only = true;
    disk = open_disk(config);
    assert_int_equal(do_read(disk, 0, data, sizeof(data)), 0);
    disk_close(disk);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

static pid_t restart_server(pid_t pid, const char *arguments)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(file_path("socket"));
    return serve(arguments);
}

struct held {
    struct disk_request request;
    struct iovec iov;
    bool over;
    int error;
};

static void held_done(struct disk_request *request, int error)
{
    struct held *held = (struct held *)request;

    held->over = true;
    held->error = error;
}

static void what_waits_for_a_server_that_is_away_can_be_cancelled(void **state)
{
    static uint8_t data[512];
    struct held held[2];
    struct disk *disk;
    char uri[300];
    pid_t pid;

    file_make("a.img", DISK_SIZE, "", 0);
    pid = serve("-f raw ");
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", file_path("socket"));
    disk = open_disk((struct disk_config){.path = uri});
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    unlink(file_path("socket"));
    messages_begin();
    for (unsigned i = 0; i < 2; i++) {
        held[i] = (struct held){.iov = {data, sizeof(data)}};
        held[i].request = (struct disk_request){
            .op = DISK_READ, .iov = &held[i].iov, .iov_count = 1, .done = held_done};
        disk_submit(disk, &held[i].request);
    }
    while (!held[1].over && disk_cancel(disk, &held[1].request)) /* until the loss is noticed */
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_false(held[1].over);
    while (!held[1].over)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(held[1].error, -ECANCELED);
    assert_false(held[0].over);
    pid = serve("-f raw ");
    while (!held[0].over)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(held[0].error, 0);
    messages_end();
    disk_close(disk);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void a_server_that_comes_back_is_used_again_if_all_was_flushed(void **state)
{
    struct load load = {.size = DISK_SIZE, .changes = true, .seed = 5};
    struct disk_config config = {0};
    uint8_t data[512];
    const char *text;
    char uri[300];
    pid_t pid;

    file_make("a.img", DISK_SIZE, "", 0);
    pid = serve("-f raw ");
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", file_path("socket"));
    config.path = uri;
    load.model = calloc(1, DISK_SIZE);
    messages_begin();
    load.disk = open_disk(config);
    for (unsigned i = 0; i < 3; i++) {
        load.requests = 200;
        load_run(&load);
        assert_int_equal(do_flush(load.disk), 0);
        pid = restart_server(pid, "-f raw ");
        assert_int_equal(do_read(load.disk, i * 4096, data, sizeof(data)), 0);
        assert_memory_equal(data, load.model + i * 4096, sizeof(data));
    }
    assert_int_equal(load.errors, 0);
    text = messages_end();
    assert_int_equal(count_of(text, "the connection to the server is lost"), 3);
    assert_int_equal(count_of(text, "the server is back"), 3);
    /* Another disk than before is of no use. */
    messages_begin();
    pid = restart_server(pid, "-f raw -r ");
    assert_int_equal(do_write(load.disk, 0, data, sizeof(data)), -EIO);
    assert_non_null(strstr(messages_end(), "cannot be written to any more"));
    disk_close(load.disk);
    free(load.model);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

/* QEMU's server hangs up if the image cannot be read when the answer has begun. */
static void an_error_of_a_read_is_an_error_and_no_more(void **state)
{
    struct disk_config config = {0};
    uint8_t data[512];
    struct disk *disk;
    char uri[300];
    pid_t pid;

    file_make("a.img", DISK_SIZE, "good", 4);
    pid = serve("--image-opts driver=raw,file.driver=blkdebug,file.inject-error.0.event=none,"
                "file.inject-error.0.iotype=read,file.inject-error.0.sector=1024,"
                "file.image.driver=file,file.image.filename=");
    snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", file_path("socket"));
    config.path = uri;
    messages_begin();
    disk = open_disk(config);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(do_read(disk, 1024 * 512, data, sizeof(data)), -EIO);
        assert_int_equal(do_read(disk, 0, data, sizeof(data)), 0);
        assert_memory_equal(data, "good", 4);
    }
    disk_close(disk);
    assert_null(strstr(messages_end(), "lost"));
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

#define HELPER_TEST(name) cmocka_unit_test_setup_teardown(name, disk_setup, disk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HELPER_TEST(qcow2_reads_what_was_written_in_every_cache_mode),
        HELPER_TEST(other_formats_and_strange_names_are_served),
        HELPER_TEST(discard_shrinks_a_qcow2_image),
        HELPER_TEST(a_flushed_write_survives_the_death_of_all),
        HELPER_TEST(the_helper_ends_with_the_vmm_and_keeps_what_it_had),
        HELPER_TEST(a_helper_that_dies_under_stable_load_is_started_again),
        HELPER_TEST(a_helper_that_dies_with_unflushed_writes_takes_the_disk_along),
        HELPER_TEST(a_helper_is_not_started_again_for_ever),
        HELPER_TEST(a_helper_that_hangs_does_not_hold_close_for_ever),
        HELPER_TEST(what_goes_wrong_at_the_start_is_said),
        HELPER_TEST(an_image_is_locked_while_it_is_served),
        HELPER_TEST(a_uri_names_a_server),
        HELPER_TEST(what_waits_for_a_server_that_is_away_can_be_cancelled),
        HELPER_TEST(a_server_that_comes_back_is_used_again_if_all_was_flushed),
        HELPER_TEST(an_error_of_a_read_is_an_error_and_no_more),
    };

    return cmocka_run_group_tests_name("disk_helper", tests, NULL, NULL);
}
