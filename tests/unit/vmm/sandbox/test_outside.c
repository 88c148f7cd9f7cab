/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/sandbox/outside.h"

static char folder[] = "/tmp/test-outside-XXXXXX";

static void name(char *path, size_t size, const char *file)
{
    snprintf(path, size, "%s/%s", folder, file);
}

/* Opens the file of that name, and tells where it ran. */
static int open_file(const void *data, size_t size, bool away, struct outside_result *result)
{
    char path[64];
    int fd;

    name(path, sizeof(path), data);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return -errno;
    result->fds[result->nr_fds++] = fd;
    result->value = (int)getpid();
    return 0;
}

static int make_file(const void *data, size_t size, bool away, struct outside_result *result)
{
    int error = open_file(data, size, away, result);

    if (!error)
        close(result->fds[--result->nr_fds]);
    return error;
}

static bool exists(const char *file)
{
    char path[64];

    name(path, sizeof(path), file);
    return access(path, F_OK) == 0;
}

static int add(outside_task *task, const char *text, bool at_end)
{
    return outside_add(task, text, strlen(text) + 1, at_end);
}

static void without_another_process_tasks_are_done_here(void **state)
{
    int number = add(open_file, "here", false);
    struct outside_result result;

    assert_true(number >= 0);
    assert_int_equal(outside_do(number, &result), 0);
    assert_int_equal(result.value, getpid());
    assert_int_equal(close(result.fds[0]), 0);
    outside_forget(number);
    assert_int_equal(outside_do(number, &result), -ENOENT);
}

/* In a process of its own, since outside_start() is for the life of one. Its exit status. */
static int in_child(int (*body)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0)
        _exit(body());
    waitpid(pid, &status, 0);
    return status;
}

static int do_away(void)
{
    int number, forgotten;
    struct outside_result result;

    if (outside_start())
        return 1;
    number = add(open_file, "away", false);
    forgotten = add(open_file, "forgotten", false);
    outside_forget(forgotten);
    outside_seal();
    for (int i = 0; i < 3; i++) {
        if (outside_do(number, &result) || result.value == getpid() || result.nr_fds != 1 ||
            write(result.fds[0], "x", 1) != 1 || !(fcntl(result.fds[0], F_GETFD) & FD_CLOEXEC))
            return 2;
        close(result.fds[0]);
    }
    if (outside_do(forgotten, &result) != -ENOENT || outside_do(77, &result) != -ENOENT ||
        outside_do(-1, &result) != -ENOENT)
        return 3;
    return exists("away") && !exists("forgotten") ? 0 : 4;
}

static void another_process_does_them_and_gives_descriptors(void **state)
{
    assert_int_equal(in_child(do_away), 0);
}

static int add_when_sealed(void)
{
    if (outside_start())
        return 1;
    outside_seal();
    return add(make_file, "late", false) == -EPERM ? 0 : 2;
}

static void once_it_is_sealed_no_task_is_added(void **state)
{
    assert_int_equal(in_child(add_when_sealed), 0);
}

static int end_well(void)
{
    if (outside_start())
        return 1;
    add(make_file, "end", true);
    add(make_file, "not-at-end", false);
    outside_end();
    return exists("end") && !exists("not-at-end") ? 0 : 2;
}

static void the_end_waits_for_what_is_done_at_the_end(void **state)
{
    assert_int_equal(in_child(end_well), 0);
}

static int be_killed(void)
{
    if (outside_start())
        return 1;
    add(make_file, "killed", true);
    add(make_file, "done-before", true);
    outside_do(1, NULL);
    outside_seal();
    kill(getpid(), SIGKILL);
    return 2;
}

static void what_is_done_at_the_end_is_done_for_a_process_that_is_killed(void **state)
{
    assert_int_equal(WTERMSIG(in_child(be_killed)), SIGKILL);
    assert_true(exists("done-before"));
    for (int i = 0; i < 500 && !exists("killed"); i++)
        usleep(10000);
    assert_true(exists("killed"));
}

static int remove_folder(void **state)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_another_process_tasks_are_done_here),
        cmocka_unit_test(another_process_does_them_and_gives_descriptors),
        cmocka_unit_test(once_it_is_sealed_no_task_is_added),
        cmocka_unit_test(the_end_waits_for_what_is_done_at_the_end),
        cmocka_unit_test(what_is_done_at_the_end_is_done_for_a_process_that_is_killed),
    };

    return cmocka_run_group_tests_name("outside", tests, make_folder, remove_folder);
}
