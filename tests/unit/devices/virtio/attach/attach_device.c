/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/devices/virtio/attach/attach_device.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/death.h"

#define DAMAGE_MAX 480u /* bytes of a block: the device, its queues, and some requests in flight */

void attach_must(struct attached *a, bool is, const char *what)
{
    if (is)
        return;
    fprintf(stderr, "%s%s, death before store %u, round %u: %s\n", a->of->name,
            a->q[0].packed ? ", packed" : "", a->store, a->round, what);
    a->failed = true;
}

void attach_give(struct attached *a, unsigned queue, unsigned token, const struct driver_seg *segs,
                 unsigned count)
{
    a->done[token].count = 0;
    CHECK(driver_add(&a->q[queue], segs, count, false, (void *)(uintptr_t)(token + 1)));
}

void attach_kick(struct attached *a, unsigned queue)
{
    CHECK(a->host.class->regions[0].write(a->host.device, 0x050, 4, queue, NULL) == 0);
}

void attach_used_once(struct attached *a, unsigned token, uint32_t len)
{
    char what[96];

    snprintf(what, sizeof(what), "buffer %u was used %u times, with %u bytes", token,
             a->done[token].count, a->done[token].len);
    attach_must(a, a->done[token].count == 1 && a->done[token].len >= len, what);
}

void *attach_bytes(struct attached *a, unsigned token)
{
    return driver_at(&a->world, ATTACH_AT(token));
}

/* The driver looks, and is told why it should. */
static void collect(struct attached *a)
{
    bool any = false;
    uint32_t len = 0, causes = driver_acknowledge(plugin_host_virtio(&a->host));
    void *token;

    for (unsigned i = 0; i < a->of->queues; i++)
        while ((token = driver_get(&a->q[i], &len))) {
            a->done[(uintptr_t)token - 1].count++;
            a->done[(uintptr_t)token - 1].len = len;
            a->done[(uintptr_t)token - 1].order = ++a->used;
            any = true;
        }
    attach_must(a, !any || causes & 1, "the driver is not told of used buffers");
}

static void live(void *opaque)
{
    struct attached *a = opaque;

    attach_must(a, a->of->work(a, true), "it is stuck");
}

static const struct rv_device_class *load(const char *path)
{
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL), *class;

    if (!object)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(object);
    class = dlsym(object, "ringvisor_device");
    CHECK(class);
    return class;
}

/* From a copy: the file that is loaded already would be the same object. */
void attach_load_again(struct attached *a)
{
    char from[4096], to[96];
    int in, out;

    snprintf(from, sizeof(from), "%s/%s.so", getenv("TEST_DEVICES"), a->of->plugin);
    strcpy(to, "/tmp/attach-plugin-XXXXXX");
    in = open(from, O_RDONLY);
    out = mkstemp(to);
    CHECK(in >= 0 && out >= 0);
    while (sendfile(out, in, NULL, 1u << 30) > 0)
        ;
    a->host.class = load(to);
    unlink(to);
    close(in);
    close(out);
}

static void start(struct attached *a, bool packed)
{
    const struct attach_case *of = a->of;
    uint64_t features = of->features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
                        (packed ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0);
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s.so", getenv("TEST_DEVICES"), of->plugin);
    driver_world_init(&a->world);
    plugin_host_init_class(&a->host, load(path), a->world.ram, DRIVER_RAM_BASE, DRIVER_RAM_SIZE);
    memcpy(a->properties, of->properties, sizeof(of->properties));
    a->host.properties = a->properties;
    a->host.quiet = true;
    if (of->prepare)
        of->prepare(a);
    CHECK(plugin_host_start(&a->host, 0) == 0);
    CHECK(driver_negotiate(plugin_host_virtio(&a->host), features));
    for (unsigned i = 0; i < of->queues; i++) {
        driver_queue_init(&a->q[i], &a->world, i, of->size, features);
        CHECK(driver_queue_enable(plugin_host_virtio(&a->host), &a->q[i]));
    }
    driver_ok(plugin_host_virtio(&a->host));
}

static void keep(struct attached *a)
{
    death_keep(a->world.ram, a->of->data ? DRIVER_RAM_SIZE : DRIVER_DATA - DRIVER_RAM_BASE);
    if (a->host.class->state_size)
        death_keep(a->host.state, a->host.class->state_size);
    for (unsigned i = 0; i < sizeof(a->host.block) / sizeof(a->host.block[0]); i++)
        if (a->host.block[i].block)
            death_keep(a->host.block[i].block, a->host.block[i].size);
}

static void take_over(struct attached *a)
{
    a->dead = true;
    if (a->of->died)
        a->of->died(a);
    plugin_host_die(&a->host);
    attach_must(a, plugin_host_start(&a->host, RV_CREATE_RESUME) == 0, "it was not taken over");
    if (!a->failed)
        attach_must(a, a->of->work(a, false), "it is stuck after the takeover");
}

static void remove_folder(const struct attached *a)
{
    static const char *const files[] = {"a", "v"};
    char name[80];

    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]) && a->folder[0]; i++) {
        snprintf(name, sizeof(name), "%s/%s", a->folder, files[i]);
        unlink(name);
    }
    if (a->folder[0])
        rmdir(a->folder);
}

static void run(const struct attach_case *of, bool packed, unsigned store, struct attach_end *end)
{
    struct attached *a = calloc(1, sizeof(*a));

    CHECK(a);
    a->of = of;
    a->store = store;
    start(a, packed);
    of->begin(a);
    keep(a);
    end->died = death_run(store, live, a, &end->stores);
    if (end->died)
        take_over(a);
    if (!a->failed) {
        collect(a);
        of->check(a);
    }
    CHECK(a->host.class->state_size <= sizeof(end->state));
    if (!of->state_counts)
        memcpy(end->state, a->host.state, a->host.class->state_size);
    if (!a->failed) {
        a->round = 1;
        a->dead = false;
        of->begin(a);
        live(a);
        collect(a);
        of->check(a);
    }
    end->failed = a->failed;
    remove_folder(a);
}

/*
 * State that is damaged
 */

struct left {
    uint8_t *at;
    size_t size;
    uint8_t *copy;
};

static unsigned find_left(struct attached *a, struct left left[])
{
    unsigned nr = 0;

    left[nr++] = (struct left){(uint8_t *)a->host.state, a->host.class->state_size, NULL};
    for (unsigned i = 0; i < sizeof(a->host.block) / sizeof(a->host.block[0]); i++)
        if (a->host.block[i].block)
            left[nr++] = (struct left){a->host.block[i].block, a->host.block[i].size, NULL};
    left[nr++] = (struct left){a->world.ram, DRIVER_RAM_SIZE, NULL}; /* put back, not damaged */
    for (unsigned i = 0; i < nr; i++) {
        left[i].copy = malloc(left[i].size + 1);
        CHECK(left[i].copy);
        memcpy(left[i].copy, left[i].at, left[i].size);
    }
    return nr;
}

static void go_on_with_damage(struct attached *a)
{
    if (plugin_host_start(&a->host, RV_CREATE_RESUME) != 0)
        return;
    a->of->work(a, true);
    if (a->of->died)
        a->of->died(a);
    if (a->host.disk.open)
        plugin_host_disk_complete_all(&a->host.disk);
    plugin_host_stop(&a->host);
}

static void damage(const struct attach_case *of, bool packed)
{
    static const uint8_t wrong[] = {1, 0x80, 0xff};
    struct attached *a = calloc(1, sizeof(*a));
    struct left left[6];
    unsigned nr;

    CHECK(a);
    a->of = of;
    start(a, packed);
    of->begin(a);
    for (unsigned i = 0; i < of->queues; i++)
        attach_kick(a, i);
    plugin_host_die(&a->host);
    nr = find_left(a, left);
    for (unsigned part = 0; part + 1 < nr; part++)
        for (size_t at = 0; at < left[part].size && at < DAMAGE_MAX; at++) {
            for (unsigned i = 0; i < nr; i++)
                memcpy(left[i].at, left[i].copy, left[i].size);
            left[part].at[at] ^= wrong[at % sizeof(wrong)];
            go_on_with_damage(a);
        }
    remove_folder(a);
}

bool attach_damaged(const struct attach_case *of, bool packed)
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        damage(of, packed);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void attach_run(const struct attach_case *of, bool packed, unsigned store, struct attach_end *end)
{
    int pipes[2], status;
    pid_t child;

    memset(end, 0, sizeof(*end));
    CHECK(pipe(pipes) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        run(of, packed, store, end);
        _exit(write(pipes[1], end, sizeof(*end)) == sizeof(*end) ? 0 : 1);
    }
    close(pipes[1]);
    if (read(pipes[0], end, sizeof(*end)) != sizeof(*end))
        end->failed = true;
    close(pipes[0]);
    CHECK(waitpid(child, &status, 0) == child);
}
