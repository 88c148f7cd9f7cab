/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a Linux guest with several CPUs does to them, as a program of its own: futex and
 * membarrier between pinned threads, PMU counters with overflow signals, hardware
 * watchpoints, breakpoints and single steps by ptrace, SVE in several processes of
 * different vector lengths. Says "ok NAME" for each part; the status is 0 if all were.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PASSES        300
#define BARRIERS      50
#define PERIOD        1000000
#define STEPS         200
#define SVE_TURNS     10
#define SVE_BYTES     (32 * 256)
#define HWCAP_SVE_BIT (1ul << 22)

static int failed;
static unsigned nr_cpus;

static void verdict(const char *name, bool good)
{
    printf("%s %s\n", good ? "ok" : "FAILED", name);
    fflush(stdout);
    failed |= !good;
}

static void pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

/* A token through the threads, one on each CPU: each pass wakes a CPU up. */
static uint32_t token;

static void *pass_tokens(void *arg)
{
    uint32_t self = (uint32_t)(uintptr_t)arg;

    pin(self);
    for (uint32_t at = self; at < PASSES * nr_cpus; at += nr_cpus) {
        uint32_t now;

        while ((now = __atomic_load_n(&token, __ATOMIC_ACQUIRE)) != at)
            syscall(SYS_futex, &token, FUTEX_WAIT_BITSET, now, NULL, NULL, 1u << self);
        __atomic_store_n(&token, at + 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &token, FUTEX_WAKE_BITSET, 1, NULL, NULL, 1u << (at + 1) % nr_cpus);
    }
    return NULL;
}

static void on_all_cpus(void *(*run)(void *))
{
    pthread_t threads[32];

    for (unsigned i = 0; i < nr_cpus; i++)
        pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < nr_cpus; i++)
        pthread_join(threads[i], NULL);
}

/* All CPUs interrupt all others, as fast as they can. */
static unsigned barriers;

static void *send_barriers(void *arg)
{
    pin((unsigned)(uintptr_t)arg);
    for (unsigned i = 0; i < BARRIERS; i++) {
        if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
            __atomic_fetch_add(&barriers, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static volatile unsigned overflows;

static void on_overflow(int signal)
{
    (void)signal;
    overflows++;
}

static uint64_t count_of(int fd)
{
    uint64_t count = 0;

    return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void compute(unsigned turns)
{
    for (volatile unsigned i = 0; i < turns; i++)
        ;
}

static void count_cycles(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_HW_CPU_CYCLES,
        .sample_period = PERIOD,
        .wakeup_events = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    uint64_t first, second;
    struct f_owner_ex owner = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)};

    verdict("perf_event_opens", fd >= 0);
    signal(SIGIO, on_overflow);
    fcntl(fd, F_SETOWN_EX, &owner);
    fcntl(fd, F_SETFL, O_ASYNC);
    first = count_of(fd);
    for (unsigned i = 0; i < 200 && overflows < 10; i++) {
        pin(i % nr_cpus);
        compute(1000000);
    }
    second = count_of(fd);
    verdict("cycles_are_counted", second > first + 10ull * PERIOD / 2);
    verdict("overflows_interrupt", overflows >= 10);
    close(fd);
}

/* The layout of NT_ARM_HW_WATCH and NT_ARM_HW_BREAK. */
struct hw_debug {
    uint32_t info, pad;
    struct {
        uint64_t addr;
        uint32_t ctrl, pad;
    } regs[1];
};
#define CTRL_STORE_8 (0xffu << 5 | 2u << 3 | 1u) /* all bytes, stores, enabled */
#define CTRL_EXECUTE (0xfu << 5 | 1u)

static volatile uint64_t watched;

__attribute__((noinline)) static void stop_here(void)
{
    __asm__ volatile("nop");
}

static void traced(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    for (uint64_t i = 0;; i++) {
        compute(1000);
        watched = i;
        stop_here();
    }
}

/* The child goes on until it stops by SIGTRAP at this address (0: anywhere). */
static bool traps(pid_t child, enum __ptrace_request how, uint64_t addr)
{
    siginfo_t info;
    int status;

    if (ptrace(how, child, NULL, NULL) || waitpid(child, &status, 0) != child)
        return false;
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP &&
           ptrace(PTRACE_GETSIGINFO, child, NULL, &info) == 0 &&
           (addr == 0 || (uint64_t)info.si_addr == addr);
}

static bool set_debug(pid_t child, int note, uint64_t addr, uint32_t ctrl)
{
    struct hw_debug debug = {.regs = {{addr, ctrl, 0}}};
    struct iovec iov = {&debug, sizeof(debug)};

    return ptrace(PTRACE_SETREGSET, child, note, &iov) == 0;
}

static void use_debug_registers(void)
{
    pid_t child = fork();
    bool good = true;

    if (child == 0)
        traced();
    waitpid(child, NULL, 0);
    good = set_debug(child, NT_ARM_HW_WATCH, (uint64_t)&watched, CTRL_STORE_8);
    for (unsigned i = 0; i < 20; i++) {
        good = good && traps(child, PTRACE_CONT, (uint64_t)&watched);
        good = good && traps(child, PTRACE_SINGLESTEP, 0); /* over the store */
    }
    verdict("a_watchpoint_stops_each_store", good);
    good = set_debug(child, NT_ARM_HW_WATCH, 0, 0) &&
           set_debug(child, NT_ARM_HW_BREAK, (uint64_t)stop_here, CTRL_EXECUTE);
    for (unsigned i = 0; i < 20; i++) {
        good = good && traps(child, PTRACE_CONT, (uint64_t)stop_here);
        good = good && traps(child, PTRACE_SINGLESTEP, 0);
    }
    verdict("a_breakpoint_stops_each_call", good);
    good = set_debug(child, NT_ARM_HW_BREAK, 0, 0);
    for (unsigned i = 0; i < STEPS; i++)
        good = good && traps(child, PTRACE_SINGLESTEP, 0);
    verdict("single_steps", good);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* A system call may clear what is beyond V: only an interrupt comes between load and store. */
#define EACH_Z(op)                                                                               \
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, " \
    "23, 24, 25, 26, 27, 28, 29, 30, 31\n\t" op " z\\n, [%0, #\\n, mul vl]\n\t.endr\n\t"

static void keep_sve(const uint8_t *from, uint8_t *to, uint64_t turns)
{
    register const uint8_t *x0 __asm__("x0") = from;

    __asm__ volatile(".arch_extension sve\n\t" EACH_Z("ldr") "1: subs %1, %1, #1\n\tb.ne 1b\n\t"
                                                             "mov %0, %2\n\t" EACH_Z("str")
                     : "+r"(x0), "+r"(turns)
                     : "r"(to)
                     : "memory", "cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9",
                       "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20",
                       "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31");
}

static int sve_process(unsigned number)
{
    static uint8_t from[SVE_BYTES], to[SVE_BYTES];
    int want = 16 << number % 5; /* 16 to 256 bytes */
    int vl = prctl(PR_SVE_SET_VL, want) & PR_SVE_VL_LEN_MASK;

    if (vl <= 0 || vl > want)
        return 1;
    for (unsigned turn = 0; turn < SVE_TURNS; turn++) {
        for (unsigned i = 0; i < sizeof(from); i++)
            from[i] = (uint8_t)(i * 31 + turn * 7 + number * 101);
        keep_sve(from, to, 1000000);
        if (memcmp(from, to, 32 * (size_t)vl) != 0)
            return 2;
    }
    return 0;
}

static void use_sve(void)
{
    unsigned processes = 2 * nr_cpus, bad = 0;

    if (!(getauxval(AT_HWCAP) & HWCAP_SVE_BIT)) {
        printf("no SVE\n");
        return;
    }
    for (unsigned i = 0; i < processes; i++) {
        if (fork() == 0)
            _exit(sve_process(i));
    }
    for (unsigned i = 0; i < processes; i++) {
        int status = 1;

        wait(&status);
        bad += status != 0;
    }
    verdict("sve_registers_are_each_process_own", bad == 0);
}

int main(void)
{
    nr_cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    on_all_cpus(pass_tokens);
    verdict("futexes", token == PASSES * nr_cpus);
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    on_all_cpus(send_barriers);
    verdict("membarriers", barriers == BARRIERS * nr_cpus);
    count_cycles();
    use_debug_registers();
    use_sve();
    printf(failed ? "some failed\n" : "all good\n");
    return failed;
}
