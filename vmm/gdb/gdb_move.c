/* SPDX-License-Identifier: BSD-2-Clause */
/* Letting vCPUs run, and telling why they stopped. */
#include <errno.h>
#include <string.h>

#include "vmm/gdb/gdb_session_internal.h"

static void put_reason(struct gdb_command *command)
{
    static const char *const watches[] = {
        [GDB_POINT_WRITE] = "watch",
        [GDB_POINT_READ] = "rwatch",
        [GDB_POINT_ACCESS] = "awatch",
    };
    const struct gdb_session *session = command->session;
    const struct gdb_point *point = session->stop.point;

    if (!point)
        return;
    if (point->kind >= GDB_POINT_WRITE)
        gdb_out_format(&command->out, "%s:%llx;", watches[point->kind],
                       (unsigned long long)point->address);
    else if (point->kind == GDB_POINT_SOFTWARE && session->swbreak)
        gdb_out_format(&command->out, "swbreak:;");
    else if (point->kind == GDB_POINT_HARDWARE && session->hwbreak)
        gdb_out_format(&command->out, "hwbreak:;");
}

void gdb_stop_reply(struct gdb_command *command)
{
    const struct gdb_stop *stop = &command->session->stop;

    gdb_out_format(&command->out, "T%02xthread:%x;", stop->signal, stop->vcpu + 1);
    put_reason(command);
    command->session->stop.point = NULL; /* it may be removed from here on */
}

void gdb_vcont_actions(struct gdb_command *command)
{
    gdb_out_format(&command->out, "vCont;c;C;s;S;r");
}

static void move(struct gdb_command *command, const struct gdb_action *actions)
{
    struct gdb_session *session = command->session;
    struct gdb_stop stop = {0};
    int result = session->ops->resume(session->target, actions, &stop);

    if (result < 0) {
        gdb_command_error(command, result);
        return;
    }
    if (result > 0) {
        session->stop = stop;
        session->vcpu = stop.vcpu;
        gdb_stop_reply(command);
        return;
    }
    session->running = true;
    command->silent = true; /* until it stops */
}

/* One action of vCont. Signals mean nothing to a guest. False: it is unknown. */
static bool take_action(struct gdb_command *command, struct gdb_action *action)
{
    struct gdb_in *in = &command->in;
    uint64_t signal;

    *action = (struct gdb_action){.move = GDB_MOVE_STEP};
    if (gdb_in_word(in, "r"))
        return gdb_in_number(in, &action->start) && gdb_in_word(in, ",") &&
               gdb_in_number(in, &action->end);
    if (gdb_in_word(in, "s"))
        return true;
    if (gdb_in_word(in, "S"))
        return gdb_in_number(in, &signal);
    action->move = GDB_MOVE_RUN;
    if (gdb_in_word(in, "C"))
        return gdb_in_number(in, &signal);
    return gdb_in_word(in, "c");
}

/* The leftmost action that names a thread is its own; a thread without one does not move. */
void gdb_vcont(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    struct gdb_action actions[GDB_VCPUS_MAX] = {0}, action;
    unsigned moving = 0;

    while (gdb_in_word(&command->in, ";")) {
        unsigned vcpu = 0;
        bool all = true;

        if (!take_action(command, &action) ||
            (gdb_in_word(&command->in, ":") && !gdb_command_thread(command, &vcpu, &all))) {
            gdb_command_error(command, -EINVAL);
            return;
        }
        for (unsigned i = all ? 0 : vcpu; i < (all ? session->nr_vcpus : vcpu + 1); i++) {
            if (actions[i].move != GDB_MOVE_NONE)
                continue;
            actions[i] = action;
            moving += session->ops->is_on(session->target, i);
        }
    }
    /* If none could run, it would never stop either. */
    if (gdb_in_left(&command->in) || !moving)
        gdb_command_error(command, -EINVAL);
    else
        move(command, actions);
}

/* `c` and `s`: the thread of `Hc` does it, and the others run; an address is the new PC. */
static void move_all(struct gdb_command *command, enum gdb_move how)
{
    struct gdb_session *session = command->session;
    unsigned vcpu = session->move_vcpu == session->nr_vcpus ? session->vcpu : session->move_vcpu;
    struct gdb_action actions[GDB_VCPUS_MAX] = {0};
    uint64_t address;

    if (gdb_in_left(&command->in)) {
        if (!gdb_in_number(&command->in, &address)) {
            gdb_command_error(command, -EINVAL);
            return;
        }
        session->ops->page(session->target, vcpu)->pc = address;
    }
    for (unsigned i = 0; i < session->nr_vcpus; i++)
        actions[i].move = GDB_MOVE_RUN;
    if (session->ops->is_on(session->target, vcpu))
        actions[vcpu].move = how;
    move(command, actions);
}

static void move_all_with_signal(struct gdb_command *command, enum gdb_move how)
{
    uint64_t signal;

    if (!gdb_in_number(&command->in, &signal)) {
        gdb_command_error(command, -EINVAL);
        return;
    }
    gdb_in_word(&command->in, ";");
    move_all(command, how);
}

void gdb_continue(struct gdb_command *command)
{
    move_all(command, GDB_MOVE_RUN);
}

void gdb_step(struct gdb_command *command)
{
    move_all(command, GDB_MOVE_STEP);
}

void gdb_continue_with_signal(struct gdb_command *command)
{
    move_all_with_signal(command, GDB_MOVE_RUN);
}

void gdb_step_with_signal(struct gdb_command *command)
{
    move_all_with_signal(command, GDB_MOVE_STEP);
}
