/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm run`: boot a guest and serve it until it ends. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <event2/event.h>

#include "vmm/chardev/chardev.h"
#include "vmm/chardev/chardev_shared.h"
#include "vmm/cli/command.h"
#include "vmm/control/control.h"
#include "vmm/control/control_path.h"
#include "vmm/gdb/gdb_server.h"
#include "vmm/keeper/keeper.h"
#include "vmm/keeper/kept.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/util/service.h"
#include "vmm/loop.h"
#include "vmm/device/plugin.h"
#include "vmm/cli/run_options.h"
#include "vmm/cli/run_trace.h"
#include "vmm/cli/successor.h"
#include "vmm/record/record.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/snapshot/restore.h"
#include "vmm/snapshot/save.h"
#include "vmm/trace/trace.h"
#include "vmm/vm/vm_check.h"
#include "vmm/vm/vm_devices.h"
#include "vmm/vm/vm_leave.h"

#define NS_PER_MS  1000000ull
#define NR_SIGNALS 7u

/* timeout(1) signals its child and then the child's group: that is one SIGTERM, not two. */
#define SAME_SIGNAL_NS 500000000

/* How soon it is noticed that a guest which is to be left has come to rest. */
static const struct timeval leave_tick = {.tv_usec = 1000};

/* What ends after the guest: buffers of disks, helpers, the machine. */
#define CLOSING_S 30u

/* What callbacks of the event loop need. */
struct session {
    struct loop loop;
    struct event_base *base;
    struct vm *vm; /* NULL: there is none yet */
    bool looping;
    bool over;   /* perhaps before the loop began */
    bool serves; /* the guest is this process's: if it is to be another's, it begins with a kill */
    enum loop_end how;
    int signal;
    unsigned grace_s;
    struct event *grace; /* SIGTERM's: the guest has been asked to shut down */
    int64_t asked_ns;    /* when */
    struct event *leave; /* pending: the guest is to be left to another worker */
};

static void end(struct session *session, enum loop_end how)
{
    if (!session->over)
        session->how = how;
    session->over = true;
    if (session->looping)
        loop_end(&session->loop, how);
}

/* While files are opened: a signal is to end a wait for a pipe. */
static bool is_over(void *opaque)
{
    const struct session *session = opaque;

    event_base_loop(session->base, EVLOOP_NONBLOCK);
    return session->over;
}

static void machine_died(void *opaque)
{
    end(opaque, LOOP_VMM_FAILED);
}

static void user_quits(void *opaque)
{
    end(opaque, LOOP_QUIT);
}

static void signalled(evutil_socket_t signal, short what, void *opaque)
{
    struct session *session = opaque;

    session->signal = signal;
    end(session, LOOP_SIGNAL);
}

/* The guest is to shut itself down. False: nothing in it listens. */
static bool press_power_button(const struct session *session)
{
    return session->looping && vm_devices_event(session->vm, RV_EVENT_POWER_BUTTON);
}

/* As of a machine that is about to lose its power. */
static void power_failed(evutil_socket_t signal, short what, void *opaque)
{
    if (!press_power_button(opaque))
        log_warn("SIGPWR: the guest has no driver that listens to the power button");
}

/* The first asks the guest, if there is anything to ask; the second does not. */
static void terminated(evutil_socket_t signal, short what, void *opaque)
{
    struct session *session = opaque;
    struct timeval limit = {.tv_sec = session->grace_s};

    if (evtimer_pending(session->grace, NULL)) {
        if (clock_now_ns() - session->asked_ns < SAME_SIGNAL_NS)
            return;
    } else if (session->grace_s && press_power_button(session) &&
               evtimer_add(session->grace, &limit) == 0) {
        session->asked_ns = clock_now_ns();
        service_stopping(session->grace_s + CLOSING_S);
        log_info("SIGTERM: the guest is asked to shut down, and has %u s for it", session->grace_s);
        return;
    }
    signalled(signal, what, session);
}

static void grace_is_over(evutil_socket_t fd, short what, void *opaque)
{
    struct session *session = opaque;

    log_warn("the guest has not shut down within %u s: it is ended", session->grace_s);
    signalled(SIGTERM, what, session);
}

/* The keeper has a successor for this worker. */
static void told_to_leave(evutil_socket_t signal, short what, void *opaque)
{
    struct session *session = opaque;

    if (session->looping && !vm_leave(session->vm))
        event_add(session->leave, &leave_tick);
}

static void told_to_stay(evutil_socket_t signal, short what, void *opaque)
{
    struct session *session = opaque;

    event_del(session->leave);
    if (session->looping)
        vm_stay(session->vm);
}

static void try_to_leave(evutil_socket_t fd, short what, void *opaque)
{
    struct session *session = opaque;

    if (vm_has_left(session->vm))
        end(session, LOOP_LEFT);
    else
        event_add(session->leave, &leave_tick);
}

/* The guest is another's from here on: nothing may be closed that is the guest's. */
static _Noreturn void leave(struct control *control, struct chardev *console)
{
    control_close(control);
    chardev_free(console); /* writes what the guest has sent */
    sandbox_leave();
    raise(SIGKILL); /* to the keeper it is as if it had been killed */
    _exit(STATUS_VMM);
}

static void user_kills(void *opaque)
{
    log_info("the control interface ends the guest");
    end(opaque, LOOP_QUIT);
}

/*
 * The control interface, before anything else, so that of two VMs of one name the second one is
 * told at once. Who has asked for nothing of it gets a VM also where no socket can be made.
 */
static int open_control(const struct run_options *o, struct session *session,
                        struct event_base *base, struct control **control)
{
    const struct control_config config = {
        .base = base,
        .path = o->control_path,
        .name = o->name,
        .pid = kept_pid(),
        .options = o->given,
        .saved_options = o->saved,
        .kill = user_kills,
        .opaque = session,
    };
    bool must_be = o->control || o->vm.name;
    char folder[PATH_MAX];
    int error = 0;

    if (!*o->control_path) {
        if (o->vm.name && !o->control)
            log_warn("there is no control interface: " CONTROL_NO_FOLDER
                     ", or give --control PATH or off");
        return 0;
    }
    if (!o->control && control_folder(folder, sizeof(folder)) == 0) {
        const char *why;

        error = control_make_folder(folder);
        why =
            error == -EPERM ? "it is another user's, or others can write in it" : strerror(-error);
        if (error && must_be)
            log_error("folder of the control sockets '%s': %s; give --control PATH or off", folder,
                      why);
        else if (error)
            log_warn("there is no control interface: folder '%s': %s", folder, why);
    }
    if (!error)
        error = control_open(&config, control);
    return must_be ? error : 0;
}

/* What happened before is not known to a later worker, so a recording ends with the first. */
static int start_record(const struct run_options *o, bool taken_over, struct record **record)
{
    if (o->record && taken_over)
        log_warn("recording '%s' has ended: another vmm has the guest now", o->record);
    return o->record && !taken_over ? record_start(o->record, record) : 0;
}

static void open_upgrades(const struct run_options *o, const struct control *control)
{
    char path[PATH_MAX];

    if (!control)
        return;
    snprintf(path, sizeof(path), "%s" CONTROL_KEEPER_SUFFIX, o->control_path);
    kept_open_upgrades(path);
}

static int status_of(const struct session *session, enum loop_end how)
{
    switch (how) {
    case LOOP_POWER_OFF: return session->vm->core->power_off_code;
    case LOOP_QUIT: return STATUS_OK;
    case LOOP_SIGNAL: return STATUS_SIGNAL + session->signal;
    case LOOP_RESET: return STATUS_RESET;
    case LOOP_GUEST_FAILED: return STATUS_GUEST;
    default: return STATUS_VMM;
    }
}

/* For the next worker, or what the one before has left. False after a message. */
static bool open_journal(struct cores *cores)
{
    bool found;
    struct journal *journal = journal_open(&found);

    if (journal)
        cores_journal(cores, journal, found);
    return journal;
}

/* From here on a next worker needs no snapshot. Before the loop command_serve() looks by itself. */
static void all_memory_read(void *opaque)
{
    if (((const struct session *)opaque)->looping)
        kept_serving();
}

/* What a snapshot has, of which a later worker only needs the options. 0 or -errno. */
static int restore(const struct run_options *o, struct machine *machine, struct event_base *base,
                   struct session *session, bool taken_over, const struct vm_share *share,
                   struct vm_config *config)
{
    if (!o->restore)
        return 0;
    if (o->lazy)
        snapshot_be_lazy(o->restore, all_memory_read, session);
    if (o->track)
        snapshot_track(o->restore);
    return taken_over ? snapshot_check_config(o->restore, config)
                      : snapshot_load(o->restore, machine, base, &session->over, share, config);
}

/* The guest begins, or goes on. Then the keeper has everything that another worker needs. */
static int begin(const struct run_options *o, struct vm *vm, struct session *session,
                 bool taken_over)
{
    int error;

    if (taken_over) {
        error = kept_may_fail() ? kept_takes(vm->state.fd, VM_KEPT_STATE) : 0;
        return error ? error : vm_take_over(vm);
    }
    error = o->restore ? snapshot_start(o->restore, vm) : vm_start(vm, &session->over);
    if (!error)
        error = kept_put(vm->state.fd, VM_KEPT_STATE);
    return error ? error : machine_keep(vm->machine);
}

/* A successor works on a copy, until there is no way back. Negative: there is none. */
static int open_state(void)
{
    int fd = kept_get(VM_KEPT_STATE), copy;

    if (fd < 0 || !kept_may_fail())
        return fd;
    copy = state_copy(fd);
    close(fd);
    return copy;
}

int command_serve(const struct run_options *o)
{
    static const struct {
        int signal;
        event_callback_fn callback;
    } signals[NR_SIGNALS] = {{SIGINT, signalled},
                             {SIGHUP, signalled},
                             {SIGQUIT, signalled},
                             {SIGTERM, terminated},
                             {SIGPWR, power_failed},
                             {KEEPER_SIGNAL_LEAVE, told_to_leave},
                             {KEEPER_SIGNAL_STAY, told_to_stay}};
    static struct session session;
    static struct cores cores;
    static struct vm vm;
    struct machine_config machine_config = o->machine;
    const struct input_wait wait = {.is_over = is_over, .opaque = &session};
    struct vm_config config = o->vm;
    struct vm_share share = {0};
    struct event *events[NR_SIGNALS] = {0};
    struct event_base *base = device_event_base();
    struct plugins *plugins = plugin_new();
    struct chardev *console = NULL, *shared = NULL;
    struct machine *machine = NULL;
    struct control *control = NULL;
    struct trace *traces[RUN_TRACES] = {0};
    struct gdb_server *gdb = NULL;
    struct record *record = NULL;
    struct event *watchdog = NULL;
    int status = STATUS_VMM;
    bool created = false, taken_over = false;

    sandbox_begin(o->sandbox);
    service_open();
    if (base)
        session.grace = evtimer_new(base, grace_is_over, &session);
    if (base)
        session.leave = evtimer_new(base, try_to_leave, &session);
    if (!base || !plugins || !session.grace || !session.leave) {
        log_error("cannot make an event loop");
        goto out;
    }
    session.base = base;
    session.grace_s = o->grace_s;
    config.files.wait = &wait;
    for (unsigned i = 0; i < NR_SIGNALS; i++) {
        events[i] = evsignal_new(base, signals[i].signal, signals[i].callback, &session);
        if (events[i])
            event_add(events[i], NULL);
    }
    if (open_control(o, &session, base, &control))
        goto out;
    open_upgrades(o, control);
    plugin_load_path(plugins, o->plugin_paths, command_plugin_dir());
    taken_over = machine_is_kept();
    if (run_traces_start(o, traces) || start_record(o, taken_over, &record) ||
        (o->restore && !taken_over && snapshot_prepare_disks(o->restore, o->revert_disks)))
        goto out;
    config.rom_size = vm_devices_rom(&config, plugins);
    machine_config.ram_size = vm_memory_size(config.ram_size, config.rom_size);
    if (taken_over && machine_config.linux_host)
        machine = machine_linux_take_over(&machine_config);
    else if (taken_over)
        machine = machine_qemu_take_over(&machine_config, base, machine_died, &session);
    else if (machine_config.linux_host)
        machine = machine_linux_start(&machine_config);
    else
        machine = machine_qemu_start(&machine_config, base, machine_died, &session);
    if (!machine || restore(o, machine, base, &session, taken_over, &share, &config))
        goto out;
    share.id = machine->vm;
    if (taken_over) {
        config.origin = VM_TAKEN_OVER;
        config.state_fd = open_state();
    }
    console = chardev_stdio_new(base, STDIN_FILENO, STDOUT_FILENO, user_quits, &session);
    if (console)
        shared = chardev_shared_new(base, console);
    if (!shared)
        goto out;
    created = true;
    session.vm = &vm;
    cores_init(&cores, machine, o->slice_ms * NS_PER_MS);
    if (kept_has_keeper() && !open_journal(&cores))
        goto out;
    if (vm_create(&vm, &config, &share, &cores, base, plugins, shared) ||
        begin(o, &vm, &session, taken_over) || loop_init(&session.loop, base, &cores))
        goto out;
    if (o->gdb && gdb_server_open(&vm, base, o->gdb, o->gdb_wait && !taken_over, &gdb))
        goto out;
    /* A guest that runs does not end because the folder has gone. */
    if ((o->snapshots && snapshot_allow(&vm, o->snapshots) && !taken_over) || sandbox_enter(base))
        goto out;
    if (!vm_lazy_is_on(&vm)) /* else all_memory_read() */
        kept_serving();
    session.serves = true;
    loop_add(&session.loop, &vm);
    session.looping = true;
    if (control)
        control_start(control, &vm);
    watchdog = service_ready(base);
    if (!session.over)
        status = status_of(&session, loop_run(&session.loop));
    if (session.how == LOOP_LEFT) {
        run_traces_stop(traces);
        if (record)
            record_stop(record);
        leave(control, console);
    }
out:
    if (kept_may_fail() || (taken_over && machine && !session.serves && !session.over))
        exit(STATUS_VMM); /* the machine and all else is the guest's, which another worker has */
    if (taken_over && !session.serves)
        kept_serving(); /* no other one could do better */
    if (session.over && !session.loop.ended)
        status = status_of(&session, session.how);
    gdb_server_close(gdb);
    if (session.looping)
        loop_free(&session.loop);
    if (record && record_stop(record))
        status = STATUS_VMM;
    if (created)
        vm_destroy(&vm);
    if (o->restore)
        snapshot_end_reading(o->restore);
    control_close(control);
    run_traces_stop(traces);
    chardev_free(shared);
    chardev_free(console);
    if (machine)
        machine->ops->stop(machine);
    for (unsigned i = 0; i < NR_SIGNALS; i++) {
        if (events[i])
            event_free(events[i]);
    }
    if (watchdog)
        event_free(watchdog);
    service_close();
    if (session.grace)
        event_free(session.grace);
    if (session.leave)
        event_free(session.leave);
    if (plugins)
        plugin_free(plugins);
    sandbox_leave();
    if (base)
        event_base_free(base);
    return status;
}

int command_keep(const struct run_options *o, int argc, char **argv)
{
    const struct keeper_gift gifts[] = {{RUN_KEPT_CONFIG, o->config_copy},
                                        {RUN_KEPT_SEED, o->cloud_seed}};

    /* The options' messages begin with argv[0], which is not that any more. */
    argv[0] = (char *)(uintptr_t)(o->restore ? command_restore.name : command_run.name);
    sandbox_choose(o->sandbox);
    return keeper_run(argc, argv, gifts, sizeof(gifts) / sizeof(gifts[0]));
}

static int run(int argc, char **argv)
{
    static struct run_options o;
    int parsed = run_options_parse(&o, argc, argv);

    int status = parsed > 0 ? STATUS_OK : STATUS_USAGE;

    if (!parsed)
        status = o.no_keeper ? command_serve(&o) : command_keep(&o, argc, argv);
    run_options_free(&o);
    return status;
}

/* WORD SOCKET COMMAND OPTION..., where the word is "worker" or "successor". */
int command_worker(int argc, char **argv)
{
    static struct run_options o;
    int status = STATUS_USAGE;
    bool restores;

    if (argc < 3)
        return STATUS_USAGE;
    kept_init(atoi(argv[1]));
    prctl(PR_SET_NAME, "vmm-worker");
    restores = strcmp(argv[2], command_restore.name) == 0;
    if ((restores ? command_restore_parse : run_options_parse)(&o, argc - 2, argv + 2) == 0) {
        bool would = strcmp(argv[0], "successor") != 0 || successor_check(&o) == 0;

        status = would ? command_serve(&o) : STATUS_VMM;
    }
    snapshot_close(o.restore);
    run_options_free(&o);
    return status;
}

const struct command command_run = {
    .name = "run", .summary = "boot a guest", .help = run_options_help, .run = run};
