/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/shorthand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *option, const char *value, const char *wanted)
{
    const struct shorthand *s = shorthands;
    char *spec;

    while (s->option && strcmp(s->option, option) != 0)
        s++;
    assert_non_null(s->option);
    spec = shorthand_device(s, value);
    assert_string_equal(spec, wanted);
    free(spec);
}

static void shorthand_is_put_before_what_the_user_typed(void **state)
{
    check("disk", "a.img", "virtio-blk,path=a.img");
    check("disk", "a,,b.img,ro=on", "virtio-blk,path=a,,b.img,ro=on");
    check("net", "user,hostfwd=tcp:2222-:22", "virtio-net,backend=user,hostfwd=tcp:2222-:22");
    check("vsock", "cid=3,path=/tmp/v", "virtio-vsock,cid=3,path=/tmp/v");
    check("share", "/srv,tag=srv", "virtio-fs,path=/srv,tag=srv");
    check("console", "pty", "virtio-console,chardev=pty");
    check("disk", "", "virtio-blk,path=");
}

static void shorthand_without_a_value_names_the_device_alone(void **state)
{
    check("rng", NULL, "virtio-rng");
    check("balloon", NULL, "virtio-balloon");
    check("balloon", "size=64M", "virtio-balloon,size=64M");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shorthand_is_put_before_what_the_user_typed),
        cmocka_unit_test(shorthand_without_a_value_names_the_device_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
