/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions (`q`), settings (`Q`), and the commands of GDB's `monitor`. */
#include <errno.h>
#include <string.h>

#include "vmm/gdb/gdb_session_internal.h"

#define MONITOR_MAX 64u /* bytes of a command */

/* `name+;name+;...`, as the debugger has it. */
static void supported(struct gdb_command *command)
{
    struct gdb_session *session = command->session;

    while (gdb_in_left(&command->in)) {
        if (gdb_in_word(&command->in, "swbreak+"))
            session->swbreak = true;
        else if (gdb_in_word(&command->in, "hwbreak+"))
            session->hwbreak = true;
        else
            command->in.at++;
    }
    gdb_out_format(&command->out,
                   "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;vContSupported+;"
                   "swbreak+;hwbreak+",
                   GDB_PACKET_MAX);
}

/* `target.xml:offset,size`. */
static void features(struct gdb_command *command)
{
    const struct gdb_registers *registers = command->session->registers;
    uint64_t offset, size, left;

    if (!gdb_in_word(&command->in, "target.xml:") || !gdb_in_number(&command->in, &offset) ||
        !gdb_in_word(&command->in, ",") || !gdb_in_number(&command->in, &size)) {
        gdb_command_error(command, -ENOENT);
        return;
    }
    left = offset < registers->description_size ? registers->description_size - offset : 0;
    if (size > GDB_PACKET_MAX - 1)
        size = GDB_PACKET_MAX - 1;
    gdb_out_format(&command->out, left > size ? "m" : "l");
    gdb_out_bytes(&command->out, registers->description + (left ? offset : 0),
                  (size_t)(left < size ? left : size));
}

static void first_threads(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    const char *separator = "m";

    for (unsigned i = 0; i < session->nr_vcpus; i++) {
        if (!session->ops->is_on(session->target, i))
            continue;
        gdb_out_format(&command->out, "%s%x", separator, i + 1);
        separator = ",";
    }
    if (*separator == 'm')
        gdb_out_format(&command->out, "m%x", gdb_session_first(session) + 1);
}

static void more_threads(struct gdb_command *command)
{
    gdb_out_format(&command->out, "l");
}

static void describe_thread(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    char text[128] = "";
    unsigned vcpu;
    bool all;

    if (!gdb_command_thread(command, &vcpu, &all)) {
        gdb_command_error(command, -EINVAL);
        return;
    }
    session->ops->describe(session->target, vcpu, text, sizeof(text));
    gdb_out_hex(&command->out, text, strlen(text));
}

static void current_thread(struct gdb_command *command)
{
    if (!gdb_in_left(&command->in))
        gdb_out_format(&command->out, "QC%x", command->session->vcpu + 1);
}

/* Yes: the guest was there before the debugger, which detaches when it quits. */
static void attached(struct gdb_command *command)
{
    gdb_out_format(&command->out, "1");
}

static void say(struct gdb_command *command, const char *text)
{
    gdb_out_hex(&command->out, text, strlen(text));
}

static void monitor_physical(struct gdb_command *command, bool on)
{
    command->session->physical = on;
    say(command, on ? "addresses are the guest's physical addresses\n"
                    : "addresses go through the tables of the current thread\n");
}

static void monitor(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    char text[MONITOR_MAX + 1] = "";
    size_t length = gdb_in_left(&command->in) / 2;

    if (length > MONITOR_MAX || !gdb_in_bytes(&command->in, text, length)) {
        gdb_command_error(command, -EINVAL);
    } else if (strcmp(text, "physical on") == 0) {
        monitor_physical(command, true);
    } else if (strcmp(text, "physical off") == 0) {
        monitor_physical(command, false);
    } else if (strcmp(text, "reset") == 0) {
        if (session->ops->reset(session->target))
            say(command, "--no-reboot: a reset would end the guest\n");
        else
            say(command, "the guest is reset, and begins when it is continued\n");
    } else {
        say(command, "physical on|off   take addresses as the guest's physical ones, or not\n"
                     "reset             reset the guest\n");
    }
}

static void symbols(struct gdb_command *command)
{
    gdb_command_ok(command);
}

static void no_acknowledgements(struct gdb_command *command)
{
    command->session->no_ack = true;
    gdb_command_ok(command);
}

static const struct gdb_query_row {
    const char *word;
    void (*run)(struct gdb_command *command);
} queries[] = {
    {"Supported", supported},
    {"Xfer:features:read:", features},
    {"fThreadInfo", first_threads},
    {"sThreadInfo", more_threads},
    {"ThreadExtraInfo,", describe_thread},
    {"Attached", attached},
    {"Rcmd,", monitor},
    {"Symbol:", symbols},
    {"C", current_thread},
};

void gdb_query(struct gdb_command *command)
{
    for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
        if (gdb_in_word(&command->in, queries[i].word)) {
            queries[i].run(command);
            return;
        }
    }
}

void gdb_set(struct gdb_command *command)
{
    if (gdb_in_word(&command->in, "StartNoAckMode"))
        no_acknowledgements(command);
}
