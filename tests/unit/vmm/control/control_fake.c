/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control interface of a VM that does not exist, for tests by other programs:
 *
 *     control_fake SOCKET [CHARDEV]
 *
 * prints a line when it serves, and ends with its standard input. A line there, which is answered
 * by another, changes what the VM is like: "quiet 0", "button 1", "pause-fails 1", "reply -125" (to the command `later`),
 * "console 1" (a device is on the main one), "reads 0" (nor reads it), "records 0" (it cannot be recorded), "print" (a prompt there),
 * "end" (of the VM).
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/control_fixture.h"
#include "vmm/control/control.h"

struct fake {
    struct event_base *base;
    struct control *control;
    char line[64];
    size_t len;
};

static void obey(struct fake *fake, const char *line)
{
    struct control_fixture *f = &control_fixture;
    char word[16] = "";
    int value = 0;

    sscanf(line, "%15s %d", word, &value);
    if (strcmp(word, "quiet") == 0)
        f->quiet = value;
    else if (strcmp(word, "button") == 0)
        f->button = value;
    else if (strcmp(word, "pause-fails") == 0)
        f->pause_fails = value;
    else if (strcmp(word, "reply") == 0)
        control_fixture_reply(value, NULL);
    else if (strcmp(word, "console") == 0)
        f->vm.console.user = value ? "uart@9000000" : NULL;
    else if (strcmp(word, "reads") == 0)
        f->reads_console = value;
    else if (strcmp(word, "print") == 0)
        control_fixture_print("Debian login: ");
    else if (strcmp(word, "request") == 0)
        f->core.request = (uint32_t)value;
    else if (strcmp(word, "records") == 0)
        f->record_refuses = value ? NULL : "not now";
    else if (strcmp(word, "snapshot-fails") == 0)
        f->snapshot_error = value;
    else if (strcmp(word, "snapshot-ends") == 0)
        control_fixture_end_snapshot(value);
    else
        event_base_loopbreak(fake->base);
}

static void typed(evutil_socket_t fd, short what, void *opaque)
{
    struct fake *fake = opaque;
    char c;

    if (read(fd, &c, 1) != 1) {
        event_base_loopbreak(fake->base);
        return;
    }
    if (c != '\n' && fake->len < sizeof(fake->line) - 1) {
        fake->line[fake->len++] = c;
        return;
    }
    fake->line[fake->len] = '\0';
    fake->len = 0;
    obey(fake, fake->line);
    puts("obeyed");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct fake fake = {.base = event_base_new()};
    struct control_config config = {.options = json_pack("{s:s}", "memory", "64M"),
                                    .base = fake.base,
                                    .path = argv[1],
                                    .name = "me",
                                    .kill = control_fixture_kill};
    struct event *input = event_new(fake.base, STDIN_FILENO, EV_READ | EV_PERSIST, typed, &fake);

    control_fixture_init();
    control_fixture_console(fake.base);
    control_fixture.vm.console.user = NULL;
    control_fixture.chardev = argc > 2 ? argv[2] : NULL;
    if (argc < 2 || control_open(&config, &fake.control))
        return 1;
    control_start(fake.control, &control_fixture.vm);
    event_add(input, NULL);
    puts("serving");
    fflush(stdout);
    event_base_dispatch(fake.base);
    event_free(input);
    control_close(fake.control);
    control_fixture_end_console();
    event_base_free(fake.base);
    json_decref(config.options);
    return 0;
}
