/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that a guest has taken over, as it were: when the VM ends it tries all that the sandbox
 * is there to refuse, in the loop's thread and in one that was there before the sandbox. For each
 * it prints "NAME: refused" or "NAME: DONE" on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ringvisor/device.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

struct breakout {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    const char *outside, *inside, *socket, *execute;
    pid_t victim;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool go, gone;
};

/* True: it was done. */
typedef bool attempt(struct breakout *b);

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool read_file(struct breakout *b)
{
    return opens(b->outside, O_RDONLY);
}

static bool write_file(struct breakout *b)
{
    return opens(b->outside, O_WRONLY);
}

static bool make_file(struct breakout *b)
{
    char name[4096];

    snprintf(name, sizeof(name), "%s.new", b->outside);
    return opens(name, O_WRONLY | O_CREAT);
}

static bool list_folder(struct breakout *b)
{
    return opens("/", O_RDONLY | O_DIRECTORY);
}

static bool remove_file(struct breakout *b)
{
    return unlink(b->outside) == 0;
}

static bool read_memory_file(struct breakout *b)
{
    char name[64];

    snprintf(name, sizeof(name), "/proc/%d/mem", b->victim);
    return opens(name, O_RDONLY);
}

static bool use_inside(struct breakout *b)
{
    return opens(b->inside, O_RDWR);
}

static bool connect_unix(struct breakout *b)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", b->socket);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool socket_of(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool tcp_socket(struct breakout *b)
{
    return socket_of(AF_INET, SOCK_STREAM);
}

static bool udp_socket(struct breakout *b)
{
    return socket_of(AF_INET6, SOCK_DGRAM);
}

static bool netlink_socket(struct breakout *b)
{
    return socket_of(AF_NETLINK, SOCK_RAW);
}

static bool datagram_pair(struct breakout *b)
{
    int ends[2];

    return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0;
}

static bool start_process(struct breakout *b)
{
    pid_t pid;

    if (SANITIZED)
        return false; /* its own checker of leaks may do that */
    pid = fork();
    if (pid == 0)
        _exit(0);
    return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

static bool trace_victim(struct breakout *b)
{
    bool done = ptrace(PTRACE_ATTACH, b->victim, 0, 0) == 0;

    if (done) {
        waitpid(b->victim, NULL, 0);
        ptrace(PTRACE_DETACH, b->victim, 0, 0);
    }
    return done;
}

static bool read_victim(struct breakout *b)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};

    errno = 0;
    /* EFAULT: it was allowed to look. */
    return process_vm_readv(b->victim, &here, 1, &there, 1, 0) == 1 || errno == EFAULT;
}

static bool signal_victim(struct breakout *b)
{
    return kill(b->victim, 0) == 0;
}

static bool find_victim(struct breakout *b)
{
    return syscall(SYS_pidfd_open, b->victim, 0) >= 0;
}

static bool limit_victim(struct breakout *b)
{
    struct rlimit limit;

    return prlimit(b->victim, RLIMIT_NOFILE, NULL, &limit) == 0;
}

static bool executable_memory(struct breakout *b)
{
    if (SANITIZED)
        return false;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static bool make_executable(struct breakout *b)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return !SANITIZED && page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool make_ring(struct breakout *b)
{
    struct io_uring_params params = {0};

    return syscall(SYS_io_uring_setup, 4, &params) >= 0;
}

static bool type_on_terminal(struct breakout *b)
{
    errno = 0;
    /* ENOTTY: it was only no terminal. */
    return ioctl(STDIN_FILENO, TIOCSTI, "x") == 0 || errno == ENOTTY;
}

static bool make_namespace(struct breakout *b)
{
    return unshare(CLONE_NEWUTS) == 0;
}

static bool mount_something(struct breakout *b)
{
    errno = 0;
    /* ENOENT: it was allowed to look for the place. */
    return mount("none", "/no/such/place", "tmpfs", 0, NULL) == 0 || errno == ENOENT;
}

static bool load_bpf(struct breakout *b)
{
    errno = 0;
    return syscall(SYS_bpf, 0, NULL, 0) >= 0 || errno == EINVAL || errno == E2BIG;
}

static bool change_root(struct breakout *b)
{
    return chroot("/") == 0;
}

static bool silence_reports(struct breakout *b)
{
    return !SANITIZED && signal(SIGSYS, SIG_IGN) != SIG_ERR;
}

static const struct {
    const char *name;
    attempt *attempt;
} attempts[] = {
    {"read-file", read_file},
    {"write-file", write_file},
    {"make-file", make_file},
    {"list-folder", list_folder},
    {"remove-file", remove_file},
    {"read-memory-file", read_memory_file},
    {"connect-unix", connect_unix},
    {"tcp-socket", tcp_socket},
    {"udp-socket", udp_socket},
    {"netlink-socket", netlink_socket},
    {"datagram-pair", datagram_pair},
    {"start-process", start_process},
    {"trace-victim", trace_victim},
    {"read-victim", read_victim},
    {"signal-victim", signal_victim},
    {"find-victim", find_victim},
    {"limit-victim", limit_victim},
    {"executable-memory", executable_memory},
    {"make-executable", make_executable},
    {"make-ring", make_ring},
    {"type-on-terminal", type_on_terminal},
    {"make-namespace", make_namespace},
    {"mount-something", mount_something},
    {"load-bpf", load_bpf},
    {"change-root", change_root},
    {"silence-reports", silence_reports},
};

static void try_all(struct breakout *b, const char *thread)
{
    for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
        dprintf(STDERR_FILENO, "%s %s: %s\n", thread, attempts[i].name,
                attempts[i].attempt(b) ? "DONE" : "refused");
    if (b->inside)
        dprintf(STDERR_FILENO, "%s use-inside: %s\n", thread, use_inside(b) ? "DONE" : "refused");
}

static void *early_thread(void *opaque)
{
    struct breakout *b = opaque;

    pthread_mutex_lock(&b->lock);
    while (!b->go)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
    try_all(b, "early");
    return NULL;
}

static int breakout_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                           uint32_t flags, void **device)
{
    struct breakout *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->instance = instance;
    b->ops = ops;
    b->outside = ops->property_string(instance, "outside");
    b->inside = ops->property_string(instance, "inside");
    b->socket = ops->property_string(instance, "socket");
    b->execute = ops->property_string(instance, "execute");
    b->victim = (pid_t)ops->property_uint(instance, "victim");
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    if (pthread_create(&b->thread, NULL, early_thread, b)) {
        free(b);
        return -ENOMEM;
    }
    *device = b;
    return 0;
}

static void breakout_destroy(void *device)
{
    struct breakout *b = device;
    char *program = (char *)(uintptr_t)(b->execute ? b->execute : "/bin/echo");
    char *const argv[] = {program, "loop execute: DONE", NULL};

    try_all(b, "loop");
    pthread_mutex_lock(&b->lock);
    b->go = true;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "loop execute: refused\n");
    free(b);
}

static void breakout_reset(void *device)
{
}

static int breakout_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                         const struct rv_access *access)
{
    *value = 0;
    return 0;
}

static int breakout_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                          const struct rv_access *access)
{
    return 0;
}

static const struct rv_region regions[] = {
    {.bytes = 4096, .read = breakout_read, .write = breakout_write},
    {0},
};

static const struct rv_property properties[] = {
    {.name = "outside", .type = RV_PROPERTY_PATH, .required = 1, .help = "a file to break into"},
    {.name = "inside", .type = RV_PROPERTY_PATH, .help = "a file that is shared with the guest"},
    {.name = "execute", .type = RV_PROPERTY_PATH, .help = "what it becomes; default: /bin/echo"},
    {.name = "socket", .type = RV_PROPERTY_PATH, .required = 1, .help = "somebody listens there"},
    {.name = "victim", .type = RV_PROPERTY_UINT, .required = 1, .help = "another process"},
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "breakout",
    .description = "device of the tests: tries to leave the sandbox when the VM ends",
    .regions = regions,
    .properties = properties,
    .create = breakout_create,
    .destroy = breakout_destroy,
    .reset = breakout_reset,
};
