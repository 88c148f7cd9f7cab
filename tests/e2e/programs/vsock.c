/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's side of tests/e2e/test_vsock.sh, in Debian's kernel.
 *
 *     vsock echo PORT             echo to whoever connects, each in a process of its own
 *     vsock many PORT N           N connections to the host at once; each must echo
 *     vsock send PORT | receive PORT   standard input to the host, or the host to standard output
 *     vsock slow PORT             as receive, but only after a second
 *     vsock refused PORT          nobody listens there: ECONNRESET, and soon
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h> /* behind <sys/socket.h> */

#define PIECE 65536

static char bytes[PIECE];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int dial(unsigned port)
{
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port};
    int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

    if (fd < 0)
        die("socket");
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : fd;
}

static int dial_or_die(unsigned port)
{
    int fd = dial(port);

    if (fd < 0) {
        errno = -fd;
        die("connect");
    }
    return fd;
}

/* All of `from` to `to`. The bytes. */
static long long copy(int from, int to)
{
    long long all = 0;
    ssize_t n;

    while ((n = read(from, bytes, sizeof(bytes))) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t m = write(to, bytes + done, (size_t)(n - done));

            if (m < 0)
                return -1;
            done += m;
        }
        all += n;
    }
    return n < 0 ? -1 : all;
}

static int echo(unsigned port)
{
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
    int listener = socket(AF_VSOCK, SOCK_STREAM, 0);

    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 256) < 0)
        die("listen");
    printf("listening\n");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (fd >= 0 && fork() == 0) {
            long long n = copy(fd, fd);

            /* The other end has said its last word: half-close, then the end. */
            shutdown(fd, SHUT_WR);
            _exit(n < 0);
        }
        if (fd >= 0)
            close(fd);
    }
}

static int many(unsigned port, int count)
{
    int *fd = calloc((size_t)count, sizeof(*fd)), good = 0;

    for (int i = 0; i < count; i++)
        fd[i] = dial_or_die(port);
    for (int i = 0; i < count; i++)
        if (write(fd[i], &i, sizeof(i)) != sizeof(i))
            die("write");
    for (int i = count; i-- > 0;) {
        int back = -1;

        shutdown(fd[i], SHUT_WR);
        if (recv(fd[i], &back, sizeof(back), MSG_WAITALL) == sizeof(back) && back == i &&
            recv(fd[i], &back, 1, 0) == 0)
            good++;
        close(fd[i]);
    }
    printf("%d of %d echoed\n", good, count);
    return good != count;
}

static int refused(unsigned port)
{
    time_t start = time(NULL);
    int error = -dial(port);

    printf("%s after %s\n", error == ECONNRESET ? "reset" : strerror(error),
           time(NULL) - start < 2 ? "no time" : "a while");
    return 0;
}

int main(int argc, char **argv)
{
    unsigned port = argc > 2 ? (unsigned)atoi(argv[2]) : 0;

    if (argc < 3)
        return 2;
    if (strcmp(argv[1], "echo") == 0)
        return echo(port);
    if (strcmp(argv[1], "many") == 0 && argc > 3)
        return many(port, atoi(argv[3]));
    if (strcmp(argv[1], "refused") == 0)
        return refused(port);
    if (strcmp(argv[1], "send") == 0)
        return copy(STDIN_FILENO, dial_or_die(port)) < 0;
    if (strcmp(argv[1], "receive") == 0)
        return copy(dial_or_die(port), STDOUT_FILENO) < 0;
    if (strcmp(argv[1], "slow") == 0) {
        int fd = dial_or_die(port);

        sleep(1);
        return copy(fd, STDOUT_FILENO) < 0;
    }
    return 2;
}
