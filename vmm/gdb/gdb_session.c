/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_session.h"

#include <errno.h>
#include <string.h>

#include "vmm/gdb/gdb_session_internal.h"

void gdb_session_init(struct gdb_session *session, const struct gdb_target_ops *ops, void *target,
                      const struct gdb_registers *registers, unsigned nr_vcpus,
                      void (*send)(void *opaque, const char *bytes, size_t size), void *opaque)
{
    memset(session, 0, sizeof(*session));
    session->ops = ops;
    session->target = target;
    session->registers = registers;
    session->nr_vcpus = nr_vcpus;
    session->move_vcpu = nr_vcpus;
    session->send = send;
    session->opaque = opaque;
}

unsigned gdb_session_first(const struct gdb_session *session)
{
    for (unsigned i = 0; i < session->nr_vcpus; i++) {
        if (session->ops->is_on(session->target, i))
            return i;
    }
    return 0;
}

void gdb_command_ok(struct gdb_command *command)
{
    gdb_out_format(&command->out, "OK");
}

void gdb_command_error(struct gdb_command *command, int error)
{
    command->out.size = 0;
    command->out.full = false;
    gdb_out_format(&command->out, "E%02x", -error & 0xff);
}

bool gdb_command_thread(struct gdb_command *command, unsigned *vcpu, bool *all)
{
    struct gdb_session *session = command->session;
    uint64_t id;

    *all = gdb_in_word(&command->in, "-1");
    *vcpu = gdb_session_first(session);
    if (*all)
        return true;
    if (!gdb_in_number(&command->in, &id) || id > session->nr_vcpus)
        return false;
    *all = id == 0;
    if (id)
        *vcpu = (unsigned)id - 1;
    return true;
}

static struct rv_vcpu_page *page_of(struct gdb_session *session)
{
    return session->ops->page(session->target, session->vcpu);
}

static void read_registers(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    uint8_t value[GDB_REGISTER_SIZE_MAX];

    for (unsigned n = 0; n < GDB_REGISTERS_CORE; n++) {
        gdb_register_read(session->registers, page_of(session), n, value);
        gdb_out_hex(&command->out, value, gdb_register_size(session->registers, n));
    }
}

/* All of them are read before the first is written. */
static void write_registers(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    uint8_t values[GDB_REGISTERS_CORE][8] = {0};
    int error = 0;

    for (unsigned n = 0; n < GDB_REGISTERS_CORE; n++) {
        if (!gdb_in_bytes(&command->in, values[n], gdb_register_size(session->registers, n))) {
            gdb_command_error(command, -EINVAL);
            return;
        }
    }
    /* PSTATE first: it decides which stack pointer SP is, and it can be refused. */
    for (unsigned n = GDB_REGISTERS_CORE; n-- > 0 && !error;)
        error = gdb_register_write(session->registers, page_of(session), n, values[n]);
    if (error)
        gdb_command_error(command, error);
    else
        gdb_command_ok(command);
}

static void read_register(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    uint8_t value[GDB_REGISTER_SIZE_MAX];
    uint64_t n;
    size_t size;

    if (!gdb_in_number(&command->in, &n) || n >= session->registers->count) {
        gdb_command_error(command, -EINVAL);
        return;
    }
    size = gdb_register_size(session->registers, (unsigned)n);
    gdb_register_read(session->registers, page_of(session), (unsigned)n, value);
    gdb_out_hex(&command->out, value, size);
}

static void write_register(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    uint8_t value[GDB_REGISTER_SIZE_MAX];
    uint64_t n;
    int error = -EINVAL;

    if (gdb_in_number(&command->in, &n) && n < session->registers->count &&
        gdb_in_word(&command->in, "=") &&
        gdb_in_bytes(&command->in, value, gdb_register_size(session->registers, (unsigned)n)))
        error = gdb_register_write(session->registers, page_of(session), (unsigned)n, value);
    if (error)
        gdb_command_error(command, error);
    else
        gdb_command_ok(command);
}

/* `address,size`. */
static bool range(struct gdb_command *command, uint64_t *address, uint64_t *size)
{
    return gdb_in_number(&command->in, address) && gdb_in_word(&command->in, ",") &&
           gdb_in_number(&command->in, size);
}

/* As many bytes as there are from the address on; none is an error. */
static void read_memory(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    uint8_t data[GDB_PACKET_MAX / 2];
    uint64_t address, size;

    if (!range(command, &address, &size)) {
        gdb_command_error(command, -EINVAL);
        return;
    }
    if (size > sizeof(data))
        size = sizeof(data);
    size = session->ops->read(session->target, session->vcpu, session->physical, address, data,
                              (size_t)size);
    if (size)
        gdb_out_hex(&command->out, data, (size_t)size);
    else
        gdb_command_error(command, -EFAULT);
}

static void put_memory(struct gdb_command *command, uint64_t address, const void *data, size_t size)
{
    struct gdb_session *session = command->session;

    if (session->ops->write(session->target, session->vcpu, session->physical, address, data,
                            size) == size)
        gdb_command_ok(command);
    else
        gdb_command_error(command, -EFAULT);
}

static void write_memory(struct gdb_command *command)
{
    uint8_t data[GDB_PACKET_MAX / 2];
    uint64_t address, size;

    if (range(command, &address, &size) && gdb_in_word(&command->in, ":") && size <= sizeof(data) &&
        gdb_in_bytes(&command->in, data, (size_t)size))
        put_memory(command, address, data, (size_t)size);
    else
        gdb_command_error(command, -EINVAL);
}

/* The same with bytes as they are. */
static void write_binary(struct gdb_command *command)
{
    uint64_t address, size;

    if (range(command, &address, &size) && gdb_in_word(&command->in, ":") &&
        size == gdb_in_left(&command->in))
        put_memory(command, address, command->in.at, (size_t)size);
    else
        gdb_command_error(command, -EINVAL);
}

static void set_thread(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    bool moves = gdb_in_word(&command->in, "c"), all;
    unsigned vcpu;

    if ((!moves && !gdb_in_word(&command->in, "g")) || !gdb_command_thread(command, &vcpu, &all)) {
        gdb_command_error(command, -EINVAL);
        return;
    }
    if (moves)
        session->move_vcpu = all ? session->nr_vcpus : vcpu;
    else if (!all)
        session->vcpu = vcpu;
    gdb_command_ok(command);
}

static void thread_is_alive(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    unsigned vcpu;
    bool all;

    if (gdb_command_thread(command, &vcpu, &all) && !all &&
        (session->ops->is_on(session->target, vcpu) || vcpu == gdb_session_first(session)))
        gdb_command_ok(command);
    else
        gdb_command_error(command, -ESRCH);
}

/* `kind,address,size`, and for an insertion conditions, which are not asked for. */
static bool point(struct gdb_command *command, enum gdb_point_kind *kind, uint64_t *address,
                  uint64_t *size)
{
    uint64_t number;

    if (!gdb_in_number(&command->in, &number) || number >= GDB_POINT_KINDS ||
        !gdb_in_word(&command->in, ",") || !range(command, address, size))
        return false;
    *kind = (enum gdb_point_kind)number;
    return true;
}

static void insert_point(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    enum gdb_point_kind kind;
    uint64_t address, size;
    int error = -EINVAL;

    if (point(command, &kind, &address, &size))
        error = session->ops->insert(session->target, session->vcpu, kind, address, size);
    if (error)
        gdb_command_error(command, error);
    else
        gdb_command_ok(command);
}

/* What is not there (any more) is removed. */
static void remove_point(struct gdb_command *command)
{
    struct gdb_session *session = command->session;
    enum gdb_point_kind kind;
    uint64_t address, size;

    if (!point(command, &kind, &address, &size)) {
        gdb_command_error(command, -EINVAL);
        return;
    }
    session->ops->remove(session->target, kind, address, size);
    gdb_command_ok(command);
}

static void detach(struct gdb_command *command)
{
    gdb_command_ok(command);
    command->session->over = true;
}

/* The guest is its user's, who can end it: to the debugger's end it makes no difference. */
static void kill_guest(struct gdb_command *command)
{
    command->silent = true;
    command->session->over = true;
}

static void must_reply_empty(struct gdb_command *command)
{
}

/* Who asks for something is answered with nothing if it is not here. */
static const struct gdb_row {
    const char *word; /* the longer one of two that begin alike comes first */
    void (*run)(struct gdb_command *command);
    bool while_running;
} rows[] = {
    {"?", gdb_stop_reply, false},
    {"g", read_registers, false},
    {"G", write_registers, false},
    {"p", read_register, false},
    {"P", write_register, false},
    {"m", read_memory, false},
    {"M", write_memory, false},
    {"X", write_binary, false},
    {"H", set_thread, false},
    {"T", thread_is_alive, false},
    {"Z", insert_point, false},
    {"z", remove_point, false},
    {"q", gdb_query, false},
    {"Q", gdb_set, false},
    {"vCont?", gdb_vcont_actions, false},
    {"vCont", gdb_vcont, false},
    {"vKill", detach, true},
    {"v", must_reply_empty, false},
    {"c", gdb_continue, false},
    {"s", gdb_step, false},
    {"C", gdb_continue_with_signal, false},
    {"S", gdb_step_with_signal, false},
    {"D", detach, true},
    {"k", kill_guest, true},
};

static void send_reply(struct gdb_session *session, const char *data, size_t size)
{
    session->frame_size = gdb_packet_frame(data, size, session->frame);
    session->send(session->opaque, session->frame, session->frame_size);
}

static struct gdb_command command_begin(struct gdb_session *session)
{
    return (struct gdb_command){
        .session = session,
        .in = {session->reader.data, session->reader.data + session->reader.size},
        .out = {.data = session->reply, .room = sizeof(session->reply)},
    };
}

static void run_command(struct gdb_session *session)
{
    struct gdb_command command = command_begin(session);
    const struct gdb_row *row = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && !row; i++) {
        if (gdb_in_word(&command.in, rows[i].word))
            row = &rows[i];
    }
    if (row && session->running && !row->while_running)
        gdb_command_error(&command, -EBUSY);
    else if (row)
        row->run(&command);
    if (command.out.full)
        gdb_command_error(&command, -ENOSPC);
    if (!command.silent)
        send_reply(session, command.out.data, command.out.size);
    if (session->over)
        gdb_session_end(session);
}

static void send_byte(struct gdb_session *session, char byte)
{
    if (!session->no_ack)
        session->send(session->opaque, &byte, 1);
}

static void send_error(struct gdb_session *session, int error)
{
    struct gdb_command command = command_begin(session);

    gdb_command_error(&command, error);
    send_reply(session, command.out.data, command.out.size);
}

/* A debugger takes for granted that the target is stopped when it comes. */
static bool attach(struct gdb_session *session)
{
    if (session->attached)
        return true;
    if (session->ops->stop(session->target))
        return false;
    session->attached = true;
    session->vcpu = gdb_session_first(session);
    session->stop = (struct gdb_stop){.vcpu = session->vcpu, .signal = GDB_SIGNAL_TRAP};
    return true;
}

static void interrupt(struct gdb_session *session)
{
    unsigned vcpu = session->stop.vcpu;

    if (!session->running)
        return;
    if (session->ops->stop(session->target)) {
        session->over = true;
        return;
    }
    if (!session->ops->is_on(session->target, vcpu))
        vcpu = gdb_session_first(session);
    gdb_session_stopped(session, &(struct gdb_stop){.vcpu = vcpu, .signal = GDB_SIGNAL_INTERRUPT});
}

size_t gdb_session_input(struct gdb_session *session, const uint8_t *bytes, size_t size)
{
    size_t n = 0;

    while (n < size && !session->over) {
        switch (gdb_packet_feed(&session->reader, bytes[n++])) {
        case GDB_INPUT_NOTHING:
        case GDB_INPUT_ACK: continue;
        case GDB_INPUT_INTERRUPT: interrupt(session); return n;
        case GDB_INPUT_NAK:
            if (!session->no_ack && session->frame_size)
                session->send(session->opaque, session->frame, session->frame_size);
            return n;
        case GDB_INPUT_DAMAGED: /* not retried without acknowledgements: it must not wait for ever */
            send_byte(session, '-');
            if (session->no_ack)
                send_error(session, -EBADMSG);
            return n;
        case GDB_INPUT_TOO_LONG:
            send_byte(session, '+');
            send_error(session, -EMSGSIZE);
            return n;
        case GDB_INPUT_PACKET:
            send_byte(session, '+');
            if (attach(session))
                run_command(session);
            else
                session->over = true;
            return n;
        }
    }
    return session->over ? size : n;
}

void gdb_session_stopped(struct gdb_session *session, const struct gdb_stop *stop)
{
    struct gdb_command command = command_begin(session);

    if (!session->running)
        return;
    session->running = false;
    session->stop = *stop;
    session->vcpu = stop->vcpu;
    gdb_stop_reply(&command);
    send_reply(session, command.out.data, command.out.size);
}

void gdb_session_exited(struct gdb_session *session)
{
    if (session->running)
        send_reply(session, "W00", 3);
    session->attached = false;
    session->running = false;
    session->over = true;
}

void gdb_session_end(struct gdb_session *session)
{
    if (session->attached)
        session->ops->detach(session->target);
    session->attached = false;
    session->running = false;
    session->over = true;
}
