/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine `qemu`: qemu-system-aarch64 is the silicon. Its RAM is our shared
 * memory, its PL011 the doorbell; none of its devices is the guest's.
 *
 * The memory is a memfd: no file is left behind, however this ends. QEMU is
 * killed by the kernel when its parent ends, however that ends: the keeper, or the vmm itself
 * where there is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "vmm/keeper/kept.h"
#include "vmm/util/log.h"
#include "vmm/util/memfile.h"
#include "vmm/sandbox/needs.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/qemu_command.h"
#include "vmm/machine/qemu_program.h"
#include "vmm/machine/stub_image.h"

/* QEMU's hw/arm/virt.c: memory map and interrupts of the machine `virt`. */
#define QEMU_RAM_BASE    0x40000000ull
#define QEMU_GICD_BASE   0x08000000ull
#define QEMU_GICR_BASE   0x080a0000ull
#define QEMU_GICR_STRIDE 0x20000ull
#define QEMU_UART_BASE   0x09000000ull
#define QEMU_UART_INTID  33u
#define QEMU_MAINTENANCE 25u
#define QEMU_CLUSTER     16u /* Aff0 counts to here, then Aff1 */

/* What another process needs of it: kept_get(). */
#define KEPT_MEMORY   "memory"
#define KEPT_DOORBELL "doorbell"
#define KEPT_MESSAGES "qemu messages"
#define KEPT_STATUS   "qemu status"

#define MIB     (1ull << 20)
#define KICK_NS 100000u /* through its main loop; measured */

struct qemu {
    struct machine machine;
    const char *path;
    pid_t pid;
    int status; /* where the keeper tells its end; -1: it is a child of this process */
    bool dead;
    uint64_t kicks; /* due, but the socket was full */
    struct event *writable;
    struct event *child;
    struct bufferevent *messages;
    void (*died)(void *opaque);
    void *opaque;
};

static int memory_create(struct qemu *qemu)
{
    struct machine *m = &qemu->machine;
    struct sysinfo info;
    uint64_t total = m->layout.total;

    if (sysinfo(&info) == 0 && m->layout.ram_size > (uint64_t)info.totalram * info.mem_unit) {
        log_error("the guest is to have %llu MiB of memory, but the host has only %llu MiB",
                  (unsigned long long)(m->layout.ram_size / MIB),
                  (unsigned long long)((uint64_t)info.totalram * info.mem_unit / MIB));
        return -ENOMEM;
    }
    qemu->machine.memory_fd = memfile_create("ringvisor", total);
    if (qemu->machine.memory_fd < 0) {
        log_error("no shared memory of %llu MiB: %s", (unsigned long long)(total / MIB),
                  strerror(-qemu->machine.memory_fd));
        return -ENOMEM;
    }
    m->memory = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                     qemu->machine.memory_fd, 0);
    if (m->memory == MAP_FAILED) {
        m->memory = NULL;
        log_error("cannot map %llu MiB of shared memory: %s", (unsigned long long)(total / MIB),
                  strerror(errno));
        return -ENOMEM;
    }
    /* All but the guest's RAM is used at once: have it now, or say so now. */
    if (fallocate(qemu->machine.memory_fd, 0, (off_t)m->layout.stub,
                  (off_t)(m->layout.own_end - m->layout.stub)) < 0) {
        log_error("no room in shared memory: %s", strerror(errno));
        return -ENOMEM;
    }
    machine_place(m);
    return 0;
}

static void message_lines(struct bufferevent *bev, void *opaque)
{
    char *line;

    while ((line = evbuffer_readln(bufferevent_get_input(bev), NULL, EVBUFFER_EOL_ANY))) {
        if (*line)
            log_warn("qemu: %s", line);
        free(line);
    }
}

/* What QEMU printed at last is the best explanation: show it before the conclusion. */
static void explain_death(struct qemu *qemu, int status)
{
    if (qemu->messages) {
        /* The bufferevent keeps others from adding to its input; nobody else reads it now. */
        evbuffer_unfreeze(bufferevent_get_input(qemu->messages), 0);
        evbuffer_read(bufferevent_get_input(qemu->messages), bufferevent_getfd(qemu->messages), -1);
        message_lines(qemu->messages, NULL);
    }
    if (WIFSIGNALED(status))
        log_error("the machine is gone: '%s' was killed by signal %d (%s)", qemu->path,
                  WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        log_error("cannot run '%s'; install it (on Debian: apt-get install qemu-system-arm), or "
                  "give its place with --machine qemu,path=PROGRAM",
                  qemu->path);
    else
        log_error("the machine is gone: '%s' exited with status %d", qemu->path,
                  WEXITSTATUS(status));
    if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 127)
        qemu_program_complain(qemu->path);
}

static bool has_ended(const struct qemu *qemu, int *status)
{
    if (qemu->status >= 0)
        return read(qemu->status, status, sizeof(*status)) == sizeof(*status);
    return waitpid(qemu->pid, status, WNOHANG) == qemu->pid;
}

static bool qemu_is_dead(struct machine *machine)
{
    struct qemu *qemu = (struct qemu *)machine;
    int status;

    if (!qemu->dead && has_ended(qemu, &status)) {
        qemu->dead = true;
        explain_death(qemu, status);
    }
    return qemu->dead;
}

static void child_ended(evutil_socket_t fd, short what, void *opaque)
{
    struct qemu *qemu = opaque;

    if (qemu_is_dead(&qemu->machine))
        qemu->died(qemu->opaque);
}

/* Sends the kicks that are due. A full socket takes the rest when QEMU has read some. */
static void send_kicks(evutil_socket_t fd, short what, void *opaque)
{
    struct qemu *qemu = opaque;

    while (qemu->kicks) {
        uint8_t pcpu = (uint8_t)__builtin_ctzll(qemu->kicks);

        if (send(fd, &pcpu, 1, MSG_NOSIGNAL) < 0 && errno != EINTR) {
            if (errno == EAGAIN)
                event_add(qemu->writable, NULL);
            return;
        }
        qemu->kicks &= qemu->kicks - 1;
    }
}

static void qemu_kick(struct machine *machine, unsigned pcpu)
{
    struct qemu *qemu = (struct qemu *)machine;

    qemu->kicks |= 1ull << pcpu;
    send_kicks(machine->doorbell, EV_WRITE, qemu);
    sched_yield(); /* QEMU's main thread passes it on: where cores are few, let it have this one */
}

static void qemu_stop(struct machine *machine)
{
    struct qemu *qemu = (struct qemu *)machine;

    /* The keeper ends what it has started. */
    if (qemu->status < 0 && qemu->pid > 0 && !qemu->dead) {
        kill(qemu->pid, SIGKILL);
        waitpid(qemu->pid, NULL, 0);
    }
    if (qemu->child)
        event_free(qemu->child);
    if (qemu->writable)
        event_free(qemu->writable);
    if (qemu->messages)
        bufferevent_free(qemu->messages);
    if (machine->doorbell >= 0)
        close(machine->doorbell);
    if (qemu->status >= 0)
        close(qemu->status);
    if (machine->memory)
        munmap(machine->memory, machine->layout.total);
    if (qemu->machine.memory_fd >= 0)
        close(qemu->machine.memory_fd);
    free((char *)qemu->path);
    free(qemu);
}

static const struct machine_ops qemu_ops = {
    .kick = qemu_kick, .is_dead = qemu_is_dead, .stop = qemu_stop};

static int out_of_memory(void)
{
    log_error("out of memory");
    return -ENOMEM;
}

/* Watch for its end. Without a keeper: before it can end. */
static int watch_end(struct qemu *qemu, struct event_base *base)
{
    qemu->child = qemu->status >= 0
                      ? event_new(base, qemu->status, EV_READ | EV_PERSIST, child_ended, qemu)
                      : evsignal_new(base, SIGCHLD, child_ended, qemu);
    return qemu->child && event_add(qemu->child, NULL) == 0 ? 0 : out_of_memory();
}

/* Its doorbell and what it says; both descriptors are taken over. */
static int connect_to(struct qemu *qemu, struct event_base *base, int doorbell, int messages)
{
    qemu->machine.doorbell = doorbell;
    evutil_make_socket_nonblocking(doorbell);
    evutil_make_socket_nonblocking(messages);
    qemu->writable = event_new(base, doorbell, EV_WRITE, send_kicks, qemu);
    qemu->messages = bufferevent_socket_new(base, messages, BEV_OPT_CLOSE_ON_FREE);
    if (!qemu->messages)
        close(messages);
    if (!qemu->writable || !qemu->messages)
        return out_of_memory();
    bufferevent_setcb(qemu->messages, message_lines, NULL, NULL, qemu);
    bufferevent_enable(qemu->messages, EV_READ);
    return 0;
}

static int start_process(struct qemu *qemu, const struct qemu_command *line, int doorbell,
                         int messages, uint16_t port)
{
    const int fds[] = {
        [QEMU_MEMORY_AT - QEMU_MEMORY_AT] = qemu->machine.memory_fd,
        [QEMU_DOORBELL_AT - QEMU_MEMORY_AT] = doorbell,
    };
    pid_t pid = kept_start((char *const *)line->argv, fds, 2, messages, port, &qemu->status);

    if (pid > 0) {
        qemu->pid = pid;
        sandbox_need_child(pid);
        return 0;
    }
    log_error("cannot start '%s': %s", qemu->path, strerror(-pid));
    return pid;
}

static int keep_ends(const struct qemu *qemu, int doorbell, int messages)
{
    if (kept_put(qemu->machine.memory_fd, KEPT_MEMORY) || kept_put(doorbell, KEPT_DOORBELL) ||
        kept_put(messages, KEPT_MESSAGES))
        return -EIO;
    return qemu->status < 0 ? 0 : kept_put(qemu->status, KEPT_STATUS);
}

static int spawn(struct qemu *qemu, const struct qemu_options *options, unsigned nr_pcpus,
                 uint64_t entry, struct event_base *base)
{
    static struct qemu_command line;
    uint16_t port = options->gdb ? (uint16_t)atoi(options->gdb) : 0;
    int door[2] = {-1, -1}, messages[2] = {-1, -1};
    int error = 0;

    line = (struct qemu_command){0};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, door) < 0 ||
        pipe2(messages, O_CLOEXEC) < 0) {
        error = -errno;
        log_error("cannot make the doorbell: %s", strerror(errno));
        goto out;
    }
    qemu_command_make(&line, options, qemu->machine.layout.total, nr_pcpus, entry);
    if (!kept_has_keeper())
        error = watch_end(qemu, base);
    if (!error)
        error = start_process(qemu, &line, door[1], messages[1], port);
    if (!error && kept_has_keeper())
        error = watch_end(qemu, base);
    if (!error)
        error = keep_ends(qemu, door[0], messages[0]);
    if (error)
        goto out;
    error = connect_to(qemu, base, door[0], messages[0]);
    door[0] = messages[0] = -1;
out:
    for (int i = 0; i < 2; i++) {
        if (door[i] >= 0)
            close(door[i]);
        if (messages[i] >= 0)
            close(messages[i]);
    }
    return error;
}

static void describe_board(struct machine *machine)
{
    struct rv_boot_page *boot = machine->boot;

    boot->gicd_base = QEMU_GICD_BASE;
    boot->doorbell_base = QEMU_UART_BASE;
    boot->doorbell_intid = QEMU_UART_INTID;
    boot->maintenance_intid = QEMU_MAINTENANCE;
    for (unsigned i = 0; i < boot->nr_pcpus; i++) {
        boot->pcpu[i].mpidr = (uint64_t)(i / QEMU_CLUSTER) << 8 | i % QEMU_CLUSTER;
        boot->pcpu[i].gicr_base = QEMU_GICR_BASE + i * QEMU_GICR_STRIDE;
        boot->pcpu[i].kick = rv_boot_kick(boot->pcpu[i].mpidr);
    }
}

static struct qemu *qemu_new(void (*died)(void *opaque), void *opaque)
{
    struct qemu *qemu = calloc(1, sizeof(*qemu));

    if (!qemu)
        return NULL;
    qemu->machine.ops = &qemu_ops;
    qemu->machine.doorbell = -1;
    qemu->machine.memory_fd = -1;
    qemu->machine.blind = true;
    qemu->machine.kick_ns = KICK_NS;
    qemu->machine.threads = true;
    qemu->status = -1;
    qemu->died = died;
    qemu->opaque = opaque;
    return qemu;
}

struct machine *machine_qemu_start(const struct machine_config *config, struct event_base *base,
                                   void (*died)(void *opaque), void *opaque)
{
    struct qemu *qemu = qemu_new(died, opaque);
    struct qemu_options options;
    struct stub_image image;
    struct machine *m;

    if (!qemu)
        return NULL;
    m = &qemu->machine;
    if (qemu_options_parse(&options, config->options) || stub_image_open(&image, config->stub)) {
        qemu_options_free(&options);
        free(qemu);
        return NULL;
    }
    qemu->path = strdup(options.path);
    layout_make(&m->layout, image.start - QEMU_RAM_BASE, image.image_size, config->nr_pcpus,
                config->nr_vcpus, config->ram_size);
    m->layout.total = (m->layout.total + MIB - 1) / MIB * MIB;
    if (!qemu->path || memory_create(qemu))
        goto fail;
    machine_boot_page(m, config, QEMU_RAM_BASE);
    describe_board(m);
    stub_image_copy(&image, m->memory + m->layout.stub, QEMU_RAM_BASE + m->layout.boot);
    if (spawn(qemu, &options, config->nr_pcpus, image.entry, base))
        goto fail;
    stub_image_close(&image);
    qemu_options_free(&options);
    return m;
fail:
    stub_image_close(&image);
    qemu_options_free(&options);
    qemu_stop(m);
    return NULL;
}

struct machine *machine_qemu_take_over(const struct machine_config *config, struct event_base *base,
                                       void (*died)(void *opaque), void *opaque)
{
    struct qemu *qemu = qemu_new(died, opaque);
    struct qemu_options options;
    int doorbell, messages;

    if (!qemu)
        return NULL;
    if (qemu_options_parse(&options, config->options) == 0)
        qemu->path = strdup(options.path);
    qemu_options_free(&options);
    doorbell = kept_get(KEPT_DOORBELL);
    messages = kept_get(KEPT_MESSAGES);
    qemu->status = kept_get(KEPT_STATUS);
    if (!qemu->path || doorbell < 0 || messages < 0 || qemu->status < 0) {
        log_error("the keeper has no machine");
        close(doorbell);
        close(messages);
    } else if (connect_to(qemu, base, doorbell, messages) == 0 && watch_end(qemu, base) == 0 &&
               machine_take_over(&qemu->machine, config, kept_get(KEPT_MEMORY)) == 0) {
        machine_place(&qemu->machine);
        machine_answers(&qemu->machine);
        return &qemu->machine;
    }
    qemu_stop(&qemu->machine);
    return NULL;
}
