/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/disk_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct event_base *base;
char dir[64];

static int saved_stderr = -1, captured = -1;

int disk_setup(void **state)
{
    base = event_base_new();
    /* On a disk if there is one: O_DIRECT and holes are at home there. */
    strcpy(dir, "/var/tmp/test-disk-XXXXXX");
    return base && mkdtemp(dir) ? 0 : -1;
}

int disk_teardown(void **state)
{
    if (saved_stderr >= 0)
        messages_end();
    event_base_free(base);
    return shell("rm -rf '%s'", dir);
}

const char *file_path(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

void file_make(const char *name, uint64_t size, const void *head, size_t head_size)
{
    int fd = open(file_path(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, head, head_size, 0), head_size);
    close(fd);
}

uint64_t file_allocated(const char *name)
{
    struct stat st;

    assert_int_equal(stat(file_path(name), &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

void messages_begin(void)
{
    captured = memfd_create("stderr", MFD_CLOEXEC);
    saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    dup2(captured, STDERR_FILENO);
}

const char *messages_end(void)
{
    static char text[65536];
    ssize_t n;

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    saved_stderr = -1;
    n = pread(captured, text, sizeof(text) - 1, 0);
    close(captured);
    text[n < 0 ? 0 : n] = '\0';
    fputs(text, stderr);
    return text;
}

unsigned count_of(const char *text, const char *what)
{
    unsigned n = 0;

    while ((text = strstr(text, what))) {
        text++;
        n++;
    }
    return n;
}

int shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    int status;

    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct disk *open_disk(struct disk_config config)
{
    struct disk *disk = NULL;

    assert_int_equal(disk_open(base, &config, &disk), 0);
    assert_int_equal(disk_in_flight(disk), 0);
    return disk;
}

struct single {
    struct disk_request request;
    bool over;
    int error;
};

static void single_done(struct disk_request *request, int error)
{
    struct single *single = (struct single *)request;

    assert_false(single->over);
    single->over = true;
    single->error = error;
}

int do_request(struct disk *disk, enum disk_op op, uint32_t flags, uint64_t offset, void *data,
               uint64_t size)
{
    struct iovec iov = {.iov_base = data, .iov_len = size};
    struct single single = {.request = {.op = op,
                                        .flags = flags,
                                        .offset = offset,
                                        .length = size,
                                        .iov = &iov,
                                        .iov_count = 1,
                                        .done = single_done}};

    disk_submit(disk, &single.request);
    assert_false(single.over);
    while (!single.over)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    return single.error;
}

int do_read(struct disk *disk, uint64_t offset, void *data, uint64_t size)
{
    return do_request(disk, DISK_READ, 0, offset, data, size);
}

int do_write(struct disk *disk, uint64_t offset, const void *data, uint64_t size)
{
    return do_request(disk, DISK_WRITE, 0, offset, (void *)data, size);
}

int do_flush(struct disk *disk)
{
    return do_request(disk, DISK_FLUSH, 0, 0, NULL, 0);
}

#define SLOTS      24
#define SLOT_BYTES (512u * 1024)
#define SLOT_IOV   40

struct slot {
    struct disk_request request;
    struct iovec iov[SLOT_IOV];
    uint8_t *memory;
    uint64_t bytes;
    bool busy;
    struct load *load;
};

static struct slot slots[SLOTS];
static bool inside_submit;

static uint64_t dice(struct load *load, uint64_t sides)
{
    return ((uint64_t)rand_r(&load->seed) << 31 | (uint64_t)rand_r(&load->seed)) % sides;
}

/* The bytes that the request's memory holds must be those of the model. */
static void compare(const struct slot *slot)
{
    const uint8_t *expected = slot->load->model + slot->request.offset;

    for (unsigned i = 0; i < slot->request.iov_count; i++) {
        assert_memory_equal(slot->iov[i].iov_base, expected, slot->iov[i].iov_len);
        expected += slot->iov[i].iov_len;
    }
}

static void slot_done(struct disk_request *request, int error)
{
    struct slot *slot = (struct slot *)request;
    uint8_t *model = slot->load->model + request->offset;

    assert_false(inside_submit);
    assert_true(slot->busy);
    if (!error && request->op == DISK_DISCARD && !slot->load->discard_is_zero) {
        request->op = DISK_WRITE_ZEROES;
        disk_submit(slot->load->disk, request);
        return;
    }
    slot->busy = false;
    if (error) {
        slot->load->errors++;
        return;
    }
    if (request->op == DISK_READ)
        compare(slot);
    for (unsigned i = 0; request->op == DISK_WRITE && i < request->iov_count; i++) {
        memcpy(model, slot->iov[i].iov_base, slot->iov[i].iov_len);
        model += slot->iov[i].iov_len;
    }
    if (request->op == DISK_DISCARD || request->op == DISK_WRITE_ZEROES)
        memset(model, 0, slot->bytes);
}

static bool overlaps(uint64_t offset, uint64_t bytes)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        const struct disk_request *request = &slots[i].request;

        if (slots[i].busy && request->op != DISK_FLUSH &&
            offset < request->offset + slots[i].bytes && request->offset < offset + bytes)
            return true;
    }
    return false;
}

/* Cuts the memory in elements of any size and alignment, empty ones too. */
static void cut(struct slot *slot)
{
    struct load *load = slot->load;
    uint8_t *memory = slot->memory + (dice(load, 2) ? 0 : dice(load, 700));
    uint64_t left = slot->bytes;
    unsigned n = 0, most = (unsigned)dice(load, SLOT_IOV);

    while (left) {
        uint64_t bytes = n >= most ? left : dice(load, 3) ? dice(load, left + 1) : 4096;

        if (bytes > left || (n >= most && n < SLOT_IOV))
            bytes = left;
        slot->iov[n++] = (struct iovec){.iov_base = memory, .iov_len = bytes};
        memory += bytes + (dice(load, 2) ? 0 : 1);
        left -= bytes;
    }
    slot->request.iov = slot->iov;
    slot->request.iov_count = n;
}

static void submit(struct load *load, struct slot *slot)
{
    static const enum disk_op ops[] = {DISK_READ,  DISK_READ,  DISK_READ,    DISK_READ,
                                       DISK_WRITE, DISK_WRITE, DISK_WRITE,   DISK_WRITE,
                                       DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES};
    uint32_t block = disk_info(load->disk)->block_size;
    uint64_t blocks = dice(load, 4) ? dice(load, 16) : dice(load, SLOT_BYTES / block);
    uint64_t offset;

    slot->load = load;
    slot->bytes = (blocks + 1) * block;
    offset = dice(load, (load->size - slot->bytes) / block) * block;
    slot->request = (struct disk_request){
        .op = load->changes ? ops[dice(load, sizeof(ops) / sizeof(ops[0]))] : DISK_READ,
        .offset = offset,
        .length = slot->bytes,
        .done = slot_done};
    if (slot->request.op == DISK_WRITE_ZEROES && dice(load, 2))
        slot->request.flags = DISK_UNMAP;
    if (slot->request.op == DISK_DISCARD && !disk_info(load->disk)->can_discard)
        slot->request.op = DISK_WRITE_ZEROES;
    if (slot->request.op != DISK_FLUSH && overlaps(offset, slot->bytes))
        return;
    if (slot->request.op == DISK_READ || slot->request.op == DISK_WRITE)
        cut(slot);
    for (uint64_t i = 0; slot->request.op == DISK_WRITE && i < SLOT_BYTES + 2048; i += 8)
        memcpy(slot->memory + i, &(uint64_t){dice(load, UINT64_MAX)}, 8);
    slot->busy = true;
    inside_submit = true;
    disk_submit(load->disk, &slot->request);
    inside_submit = false;
}

void load_run(struct load *load)
{
    unsigned made = 0;

    for (unsigned i = 0; i < SLOTS; i++)
        slots[i].memory = aligned_alloc(4096, SLOT_BYTES + 4096);
    while (made < load->requests) {
        for (unsigned i = 0; i < SLOTS; i++) {
            if (!slots[i].busy && made < load->requests && dice(load, 3)) {
                submit(load, &slots[i]);
                made++;
            }
        }
        if (load->now && made >= load->requests / 2) {
            load->now();
            load->now = NULL;
        }
        if (dice(load, 2))
            disk_kick(load->disk);
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    assert_int_equal(disk_drain(load->disk, 60000), 0);
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_false(slots[i].busy);
        free(slots[i].memory);
    }
}
