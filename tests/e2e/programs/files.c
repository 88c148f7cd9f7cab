/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's side of tests/e2e/test_share.sh: a file system under test, in Debian's kernel.
 *
 *     files random DIR SEED STEPS   writes, reads, truncations, holes and maps of a file,
 *                                   against a copy in memory
 *     files names DIR               what renames, links and removals must mean
 *     files rights DIR              who may do what
 *     files append DIR              files that are appended to, and mapped at the same time
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SIZE (256 << 10)

static int failed;

static void expect(int good, const char *what)
{
    if (good)
        return;
    printf("FAILED: %s (errno %d)\n", what, errno);
    failed = 1;
}

#define EXPECT(holds) expect((holds) != 0, #holds)

/*
 * Contents
 */

static unsigned long long seed;

static unsigned pick(unsigned n)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(seed >> 33) % n;
}

static char model[SIZE], bytes[SIZE];

static void write_somewhere(int fd, size_t *size, int mapped)
{
    size_t at = pick(SIZE), len = 1 + pick((unsigned)(SIZE - at)) % 20000;

    len = at + len > SIZE ? SIZE - at : len;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)pick(256);
    if (mapped && at + len <= *size) {
        char *map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

        EXPECT(map != MAP_FAILED);
        memcpy(map + at, bytes, len);
        munmap(map, *size);
    } else {
        EXPECT(pwrite(fd, bytes, len, (off_t)at) == (ssize_t)len);
        *size = at + len > *size ? at + len : *size;
    }
    memcpy(model + at, bytes, len);
}

static void look(int fd, size_t size)
{
    size_t at = pick(SIZE), len = 1 + pick(60000), want;
    ssize_t n = pread(fd, bytes, len > SIZE - at ? SIZE - at : len, (off_t)at);
    struct stat st;

    len = len > SIZE - at ? SIZE - at : len;
    want = at >= size ? 0 : size - at < len ? size - at : len;
    EXPECT(n == (ssize_t)want);
    EXPECT(n < 0 || memcmp(bytes, model + at, (size_t)n) == 0);
    EXPECT(fstat(fd, &st) == 0 && (size_t)st.st_size == size);
}

static void change_size(int fd, size_t *size)
{
    size_t to = pick(SIZE);

    EXPECT(ftruncate(fd, (off_t)to) == 0);
    if (to < *size)
        memset(model + to, 0, *size - to);
    *size = to;
}

static void hole(int fd, size_t size)
{
    size_t at = pick(SIZE), len = 1 + pick(30000), end;

    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len) < 0) {
        EXPECT(errno == EOPNOTSUPP);
        return;
    }
    end = at + len < size ? at + len : size;
    if (at < end)
        memset(model + at, 0, end - at);
}

static void random_file(const char *dir, unsigned steps)
{
    char name[256];
    size_t size = 0;
    int fd;

    snprintf(name, sizeof(name), "%s/random", dir);
    fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
    EXPECT(fd >= 0);
    for (unsigned i = 0; i < steps && !failed; i++) {
        switch (pick(8)) {
        case 0: change_size(fd, &size); break;
        case 1: hole(fd, size); break;
        case 2: write_somewhere(fd, &size, 1); break;
        case 3:
            EXPECT(close(fd) == 0);
            fd = open(name, O_RDWR);
            EXPECT(fd >= 0);
            break;
        case 4: EXPECT(fsync(fd) == 0); break;
        case 5: write_somewhere(fd, &size, 0); break;
        default: look(fd, size); break;
        }
        if (failed)
            printf("at step %u\n", i);
    }
    EXPECT(pread(fd, bytes, SIZE, 0) == (ssize_t)size && memcmp(bytes, model, size) == 0);
    close(fd);
}

/*
 * Names
 */

static void put(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    EXPECT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int has(const char *name, const char *text)
{
    char got[100] = "";
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof(got) - 1);

    if (fd >= 0)
        close(fd);
    return n >= 0 && strcmp(got, text) == 0;
}

static int fails(int result, int error)
{
    return result < 0 && errno == error;
}

static void names(void)
{
    char text[10] = "", longest[257];
    struct stat st, other;
    int fd;

    put("a", "first");
    put("b", "second");
    EXPECT(rename("a", "c") == 0 && has("c", "first") && fails(access("a", F_OK), ENOENT));
    EXPECT(rename("c", "b") == 0 && has("b", "first"));
    put("a", "third");
    EXPECT(fails(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST));
    EXPECT(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_EXCHANGE) == 0 && has("a", "first") &&
           has("b", "third"));
    EXPECT(link("a", "d") == 0 && stat("a", &st) == 0 && stat("d", &other) == 0);
    EXPECT(st.st_nlink == 2 && st.st_ino == other.st_ino);
    /* Removed while it is open: its contents stay until it is closed. */
    fd = open("a", O_RDWR);
    EXPECT(unlink("a") == 0 && unlink("d") == 0 && read(fd, text, 5) == 5 &&
           !strcmp(text, "first"));
    EXPECT(write(fd, "more", 4) == 4 && fstat(fd, &st) == 0 && st.st_size == 9);
    close(fd);
    EXPECT(mkdir("dir", 0755) == 0 && mkdir("dir/sub", 0755) == 0);
    EXPECT(fails(rmdir("dir"), ENOTEMPTY) && fails(unlink("dir"), EISDIR));
    EXPECT(fails(rename("dir", "dir/sub/x"), EINVAL) && fails(mkdir("b/x", 0755), ENOTDIR));
    EXPECT(rename("dir/sub", "sub") == 0 && rmdir("dir") == 0 && rmdir("sub") == 0);
    EXPECT(symlink("b", "s") == 0 && has("s", "third") && lstat("s", &st) == 0 &&
           S_ISLNK(st.st_mode));
    EXPECT(readlink("s", text, sizeof(text)) == 1 && unlink("s") == 0 && has("b", "third"));
    EXPECT(mkfifo("fifo", 0600) == 0 && lstat("fifo", &st) == 0 && S_ISFIFO(st.st_mode));
    EXPECT(unlink("fifo") == 0);
    memset(longest, 'x', 256);
    longest[256] = '\0';
    EXPECT(fails(open(longest, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG));
    longest[255] = '\0';
    fd = open(longest, O_CREAT | O_WRONLY | O_EXCL, 0644);
    EXPECT(fd >= 0 && close(fd) == 0 && fails(open(longest, O_CREAT | O_EXCL, 0644), EEXIST));
    EXPECT(unlink(longest) == 0);
    EXPECT(setxattr("b", "user.colour", "blue", 4, 0) == 0 || errno == EOPNOTSUPP);
    if (getxattr("b", "user.colour", text, sizeof(text)) >= 0) {
        EXPECT(memcmp(text, "blue", 4) == 0 && removexattr("b", "user.colour") == 0);
        EXPECT(setxattr("b", "trusted.x", "y", 1, 0) == 0);
        EXPECT(getxattr("b", "trusted.x", text, sizeof(text)) == 1 && text[0] == 'y');
    }
    /* Not by the host's name of it, which any user could set; and security.* is the host's. */
    EXPECT(fails((int)getxattr("b", "user.virtiofs.trusted.x", text, sizeof(text)), EOPNOTSUPP));
    EXPECT(fails((int)setxattr("b", "user.virtiofs.trusted.x", "z", 1, 0), EOPNOTSUPP));
    EXPECT(fails((int)setxattr("b", "security.x", "y", 1, 0), EOPNOTSUPP));
    fd = open("b", O_WRONLY | O_APPEND);
    EXPECT(write(fd, "+", 1) == 1 && close(fd) == 0 && has("b", "third+") && unlink("b") == 0);
}

/*
 * Rights. As root makes it, and as user 1000 finds it.
 */

static void rights(void)
{
    struct stat st;
    int status;

    umask(0);
    put("secret", "s");
    put("public", "p");
    put("mine", "m");
    EXPECT(chmod("secret", 0600) == 0 && chmod("public", 0644) == 0 && chmod("mine", 0600) == 0);
    EXPECT(chown("mine", 1000, 1000) == 0);
    EXPECT(mkdir("closed", 0700) == 0 && mkdir("open", 0777) == 0 && mkdir("sticky", 01777) == 0);
    EXPECT(mkdir("group", 02777) == 0 && chown("group", 0, 500) == 0 && chmod("group", 02777) == 0);
    put("sticky/roots", "r");
    put("tool", "t");
    EXPECT(chmod("tool", 04755) == 0 && stat("tool", &st) == 0 && st.st_mode & S_ISUID);
    if (fork() == 0) {
        failed |= setgid(1000) < 0 || setuid(1000) < 0;
        EXPECT(fails(open("secret", O_RDONLY), EACCES) && has("public", "p"));
        EXPECT(fails(open("public", O_WRONLY), EACCES) && has("mine", "m"));
        EXPECT(fails(access("closed/x", F_OK), EACCES) && fails(chmod("public", 0777), EPERM));
        EXPECT(fails(chown("mine", 0, 0), EPERM) && fails(unlink("sticky/roots"), EPERM));
        put("open/new", "n");
        EXPECT(stat("open/new", &st) == 0 && st.st_uid == 1000 && st.st_gid == 1000);
        put("group/new", "n");
        EXPECT(stat("group/new", &st) == 0 && st.st_uid == 1000 && st.st_gid == 500);
        EXPECT(mkdir("group/sub", 0755) == 0 && stat("group/sub", &st) == 0 && st.st_gid == 500 &&
               st.st_mode & S_ISGID);
        EXPECT(symlink("x", "open/link") == 0 && lstat("open/link", &st) == 0 && st.st_uid == 1000);
        fflush(stdout);
        _exit(failed);
    }
    EXPECT(wait(&status) > 0 && status == 0);
    /* A write by root's hand takes it away, too, as on any file system... of root's it stays. */
    EXPECT(chown("tool", 1000, 1000) == 0 && stat("tool", &st) == 0 && !(st.st_mode & S_ISUID));
    EXPECT(utimensat(AT_FDCWD, "mine", (struct timespec[2]){{1000000001, 5}, {1000000002, 6}}, 0) ==
           0);
    EXPECT(stat("mine", &st) == 0 && st.st_mtim.tv_sec == 1000000002 && st.st_mtim.tv_nsec == 6);
}

/*
 * Appending to a file that is mapped: pages go back to where they are from
 */

static void holds(const char *name, const char *text)
{
    char got[64] = "";
    int fd = open(name, O_RDONLY);

    expect(read(fd, got, sizeof(got) - 1) == (ssize_t)strlen(text) && strcmp(got, text) == 0, name);
    close(fd);
}

/* By the first handle and by the second one, of which either appends. */
static void append_mapped(const char *name, int append_first)
{
    int first = open(name, O_RDWR | O_CREAT | (append_first ? O_APPEND : 0), 0644);
    int second = open(name, O_RDWR | (append_first ? 0 : O_APPEND));
    char *map;

    EXPECT(write(append_first ? first : second, "0123456789abcdef", 16) == 16);
    for (int mapped = 0; mapped < 2; mapped++) {
        map = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, mapped ? second : first, 0);
        EXPECT(map != MAP_FAILED);
        memset(map, 'x' + mapped, 4);
        EXPECT(msync(map, 16, MS_SYNC) == 0);
        munmap(map, 16);
    }
    EXPECT(write(append_first ? first : second, "!", 1) == 1);
    close(first);
    close(second);
    holds(name, "yyyy456789abcdef!");
}

static void append(void)
{
    append_mapped("appended-first", 1);
    append_mapped("appended-later", 0);
}

int main(int argc, char **argv)
{
    if (argc < 3 || chdir(argv[2]) < 0)
        return 2;
    if (strcmp(argv[1], "random") == 0 && argc > 4) {
        seed = strtoull(argv[3], NULL, 0);
        random_file(".", (unsigned)atoi(argv[4]));
    } else if (strcmp(argv[1], "names") == 0) {
        names();
    } else if (strcmp(argv[1], "rights") == 0) {
        rights();
    } else if (strcmp(argv[1], "append") == 0) {
        append();
    } else {
        return 2;
    }
    printf("%s: %s\n", argv[1], failed ? "bad" : "all good");
    return failed;
}
