/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/qemu_program.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/sandbox/child.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/util/log.h"

#define OLDEST_MAJOR 7
#define OLDEST_MINOR 2

/*
 * A QEMU that is linked with libseccomp has the option, and says so without being run: that takes
 * longer than all else before it starts.
 */
static bool is_linked_with_seccomp(const char *path)
{
    static const char library[] = "libseccomp.so";
    char program[PATH_MAX];
    int fd = sandbox_find_program(path, program) ? open(program, O_RDONLY | O_CLOEXEC) : -1;
    struct stat is;
    void *file = MAP_FAILED;
    bool found = false;

    if (fd >= 0 && fstat(fd, &is) == 0 && is.st_size > 0)
        file = mmap(NULL, (size_t)is.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file != MAP_FAILED) {
        found = memmem(file, (size_t)is.st_size, library, strlen(library)) != NULL;
        munmap(file, (size_t)is.st_size);
    }
    if (fd >= 0)
        close(fd);
    return found;
}

/* It may be linked otherwise, or a script that starts QEMU. */
static bool takes_sandbox(const char *path)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        alarm(5); /* a program that is not QEMU may do anything */
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
            dup2(null, fd);
        execlp(path, path, "-sandbox", "on", "-version", (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool qemu_program_has_sandbox(const char *path)
{
    return sandbox_mode() != SANDBOX_OFF && (is_linked_with_seccomp(path) || takes_sandbox(path));
}

void qemu_program_complain(const char *path)
{
    unsigned major = 0, minor = 0;
    int ends[2];
    pid_t pid;

    if (sandbox_is_entered()) /* nothing can be executed any more */
        return;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    pid = fork();
    if (pid == 0) {
        alarm(5); /* a program that is not QEMU may do anything */
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDIN_FILENO);
        execlp(path, path, "--version", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    if (out) {
        if (fscanf(out, "QEMU emulator version %u.%u", &major, &minor) == 2 &&
            (major < OLDEST_MAJOR || (major == OLDEST_MAJOR && minor < OLDEST_MINOR)))
            log_error("'%s' is QEMU %u.%u; version %u.%u or later is needed", path, major, minor,
                      OLDEST_MAJOR, OLDEST_MINOR);
        fclose(out);
    }
    if (pid > 0)
        waitpid(pid, NULL, 0);
}
