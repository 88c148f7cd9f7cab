/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/control/control_path.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void name_of_a_socket_cannot_leave_its_folder(void **state)
{
    static const char *const good[] = {"a", "vm-1234", "A.b_c-9", "0"};
    static const char *const bad[] = {"",    "a/b", "..",       ".hidden", "-x",
                                      "a b", "a\n", "\xc3\xa9", "_"};
    char longest[66];

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(control_name_valid(good[i]));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(control_name_valid(bad[i]));
    memset(longest, 'a', sizeof(longest));
    longest[65] = '\0';
    assert_false(control_name_valid(longest));
    longest[64] = '\0';
    assert_true(control_name_valid(longest));
}

static void folder_is_the_users_own(void **state)
{
    char path[PATH_MAX];

    setenv("RINGVISOR_RUN_DIR", "/tmp/here", 1);
    assert_int_equal(control_path("me", path, sizeof(path)), 0);
    assert_string_equal(path, "/tmp/here/me.sock");
    assert_int_equal(control_path("me", path, 16), -ENAMETOOLONG);
    setenv("RINGVISOR_RUN_DIR", "relative", 1);
    assert_int_equal(control_path("me", path, sizeof(path)), -ENXIO);
    unsetenv("RINGVISOR_RUN_DIR");
    setenv("XDG_RUNTIME_DIR", "/run/user/77", 1);
    assert_int_equal(control_path("me", path, sizeof(path)), 0);
    assert_string_equal(path, geteuid() == 0 ? "/run/ringvisor/me.sock"
                                             : "/run/user/77/ringvisor/me.sock");
    unsetenv("XDG_RUNTIME_DIR");
    assert_int_equal(control_folder(path, sizeof(path)), geteuid() == 0 ? 0 : -ENXIO);
}

static void folder_in_which_others_can_write_is_refused(void **state)
{
    char dir[] = "/tmp/control-XXXXXX", path[PATH_MAX];
    struct stat st;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/f", dir);
    assert_int_equal(control_make_folder(path), 0);
    assert_int_equal(control_make_folder(path), 0); /* it is there */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    chmod(path, 0777);
    assert_int_equal(control_make_folder(path), -EPERM);
    rmdir(path);
    fclose(fopen(path, "w"));
    assert_int_equal(control_make_folder(path), -ENOTDIR);
    unlink(path);
    rmdir(dir);
    assert_int_equal(control_make_folder(path), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_of_a_socket_cannot_leave_its_folder),
        cmocka_unit_test(folder_is_the_users_own),
        cmocka_unit_test(folder_in_which_others_can_write_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
