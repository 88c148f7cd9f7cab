/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes. The driver knows a node by a number: the epoch of this file system, a generation
 * and the place in a table, so that the number of a forgotten node is never another's.
 *
 * A node that no request uses is in a list, the one that was used last at its end. When
 * descriptors run out, those at the front are closed. fs_node_get() opens them anew, from the
 * nearest ancestor that is open, and compares what it finds with what the node was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/virtio/fs/fs_internal.h"

#define FS_DEPTH_MAX 4096u

static struct fs_identity fs_identity(const struct statx *st)
{
    return (struct fs_identity){
        .dev = makedev(st->stx_dev_major, st->stx_dev_minor),
        .ino = st->stx_ino,
        .born_s = st->stx_mask & STATX_BTIME ? st->stx_btime.tv_sec : 0,
        .born_ns = st->stx_mask & STATX_BTIME ? st->stx_btime.tv_nsec : 0,
        .type = st->stx_mode & S_IFMT,
    };
}

static bool fs_identity_equal(const struct fs_identity *a, const struct fs_identity *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->type == b->type && a->born_s == b->born_s &&
           a->born_ns == b->born_ns;
}

static uint32_t *fs_bucket(struct fs *fs, const struct fs_identity *identity)
{
    uint64_t hash = (identity->ino ^ identity->dev << 40) * 0x9e3779b97f4a7c15ull;

    return &fs->buckets[(hash >> 40) % FS_BUCKETS];
}

/* The guest chooses names: without a secret it could put all of them into one bucket. */
static uint32_t *fs_place_bucket(struct fs *fs, uint32_t parent, const char *name)
{
    uint64_t hash = parent ^ fs->secret[0];
    size_t len = strlen(name);

    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t piece = 0;
        unsigned __int128 product;

        memcpy(&piece, name + at, len - at < sizeof(piece) ? len - at : sizeof(piece));
        product = (unsigned __int128)(hash ^ piece) * fs->secret[1];
        hash = (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    return &fs->places[hash % FS_BUCKETS];
}

/*
 * The list of idle nodes that have a descriptor. Locked.
 */

static void fs_node_unlist(struct fs *fs, struct fs_node *node)
{
    if (!node->listed)
        return;
    *(node->older == FS_NONE ? &fs->oldest : &fs_nth(fs, node->older)->newer) = node->newer;
    *(node->newer == FS_NONE ? &fs->newest : &fs_nth(fs, node->newer)->older) = node->older;
    node->listed = false;
}

static void fs_node_list(struct fs *fs, struct fs_node *node)
{
    uint32_t index = node->index;

    if (node->listed || node->users || node->fd < 0 || node->unlinked || index == FS_ROOT)
        return;
    node->older = fs->newest;
    node->newer = FS_NONE;
    *(node->older == FS_NONE ? &fs->oldest : &fs_nth(fs, node->older)->newer) = index;
    fs->newest = index;
    node->listed = true;
}

/*
 * Places. Locked.
 */

static void fs_node_drop(struct fs *fs, uint32_t index);

/* The parent, which may be without use now, or FS_NONE. */
static uint32_t fs_node_unplace(struct fs *fs, struct fs_node *node)
{
    uint32_t index = node->index, parent = node->parent, *link;

    if (!node->name)
        return FS_NONE;
    link = fs_place_bucket(fs, parent, node->name);
    while (*link != index)
        link = &fs_nth(fs, *link)->next_place;
    *link = node->next_place;
    free(node->name);
    node->name = NULL;
    node->parent = FS_NONE;
    fs_nth(fs, parent)->children--;
    return parent;
}

static struct fs_node *fs_node_at(struct fs *fs, uint32_t parent, const char *name)
{
    uint32_t index = *fs_place_bucket(fs, parent, name);

    while (index != FS_NONE &&
           (fs_nth(fs, index)->parent != parent || strcmp(fs_nth(fs, index)->name, name) != 0))
        index = fs_nth(fs, index)->next_place;
    return index == FS_NONE ? NULL : fs_nth(fs, index);
}

/* Without memory for the name the node has no place. */
static void fs_node_place(struct fs *fs, struct fs_node *node, uint32_t parent, const char *name)
{
    uint32_t index = node->index, old, *bucket;

    node->unlinked = false;
    if (index == FS_ROOT || (node->name && node->parent == parent && !strcmp(node->name, name)))
        return;
    /* The host moved folders into each other: places stay a tree. */
    for (uint32_t at = parent; at != FS_NONE; at = fs_nth(fs, at)->parent)
        if (at == index)
            return;
    old = fs_node_unplace(fs, node);
    node->name = strdup(name);
    if (node->name) {
        bucket = fs_place_bucket(fs, parent, name);
        node->parent = parent;
        node->next_place = *bucket;
        *bucket = index;
        fs_nth(fs, parent)->children++;
    }
    if (old != FS_NONE)
        fs_node_drop(fs, old);
}

/*
 * The end of a node. Locked.
 */

/*
 * Frees the node if nothing refers to it, and then its parent, and so on. Without the lock
 * while a descriptor is closed: the last one of a file without a name frees its blocks.
 */
static void fs_node_drop(struct fs *fs, uint32_t index)
{
    while (index != FS_NONE && index != FS_ROOT) {
        struct fs_node *node = fs_nth(fs, index);
        uint32_t *link, parent;
        int fd = node->fd;

        if (!node->used || node->lookups || node->users || node->children)
            return;
        fs_node_unlist(fs, node);
        link = fs_bucket(fs, &node->identity);
        while (*link != index)
            link = &fs_nth(fs, *link)->next;
        *link = node->next;
        parent = fs_node_unplace(fs, node);
        node->used = false;
        node->fd = -1;
        node->generation++;
        node->next = fs->free_node;
        fs->free_node = index;
        if (fd >= 0) {
            fs->nr_fds--;
            pthread_mutex_unlock(&fs->lock);
            close(fd);
            pthread_mutex_lock(&fs->lock);
        }
        index = parent;
    }
}

static void fs_node_hold(struct fs *fs, struct fs_node *node)
{
    node->users++;
    fs_node_unlist(fs, node);
}

static void fs_node_unhold(struct fs *fs, struct fs_node *node)
{
    node->users--;
    fs_node_list(fs, node);
    fs_node_drop(fs, node->index);
}

bool fs_node_close_oldest(struct fs *fs)
{
    struct fs_node *node;
    struct statx st;
    int fd = -1;
    bool unlinked;

    pthread_mutex_lock(&fs->lock);
    if (fs->oldest == FS_NONE) {
        pthread_mutex_unlock(&fs->lock);
        return false;
    }
    node = fs_nth(fs, fs->oldest);
    fs_node_hold(fs, node);
    pthread_mutex_unlock(&fs->lock);
    /* The guest may have it open: its contents would go with this descriptor. */
    unlinked = fs_stat(node->fd, true, &st) == 0 && st.stx_nlink == 0;
    pthread_mutex_lock(&fs->lock);
    node->unlinked = unlinked;
    if (!unlinked && node->users == 1) {
        fd = node->fd;
        node->fd = -1;
        fs->nr_fds--;
    }
    fs_node_unhold(fs, node);
    pthread_mutex_unlock(&fs->lock);
    if (fd >= 0)
        close(fd);
    return true;
}

/* Locked. */
static bool fs_can_keep(const struct fs *fs, int fd)
{
    return fs->nr_fds < fs->max_fds && fd < fs->end_fd;
}

/*
 * Open a node anew
 */

/* Locked. The given node, or the ancestor of it that has to be opened first; NULL: no place. */
static struct fs_node *fs_node_highest_closed(struct fs *fs, struct fs_node *node)
{
    while (node->name && fs_nth(fs, node->parent)->fd < 0)
        node = fs_nth(fs, node->parent);
    return node->name ? node : NULL;
}

/* A descriptor of the node whose place that is, or -errno. */
static int fs_node_open_place(struct fs *fs, const struct fs_node *node, int parent,
                              const char *name)
{
    struct fs_identity identity;
    struct statx st;
    int error, fd = fs_open_name(fs, parent, name, O_PATH | O_NOFOLLOW, 0, true);

    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? -ESTALE : fd;
    error = fs_stat(fd, true, &st);
    identity = error ? (struct fs_identity){0} : fs_identity(&st);
    if (!error && !fs_identity_equal(&identity, &node->identity))
        error = -ESTALE;
    if (error)
        close(fd);
    return error ? error : fd;
}

/* `node` is held. Each round opens one ancestor, and the last one `node` itself. */
static int fs_node_reopen(struct fs *fs, struct fs_node *node)
{
    int error = 0;

    pthread_mutex_lock(&fs->lock);
    for (unsigned n = 0; !error && node->fd < 0; n++) {
        struct fs_node *parent, *child = fs_node_highest_closed(fs, node);
        char name[FS_NAME_MAX + 1];
        int fd;

        if (!child || n == FS_DEPTH_MAX) {
            error = -ESTALE;
            break;
        }
        parent = fs_nth(fs, child->parent);
        strcpy(name, child->name);
        fs_node_hold(fs, parent);
        fs_node_hold(fs, child);
        pthread_mutex_unlock(&fs->lock);
        fd = fs_node_open_place(fs, child, parent->fd, name);
        pthread_mutex_lock(&fs->lock);
        /* A rename that began meanwhile opened it before it took the place away. */
        error = fd < 0 && child->fd < 0 ? fd : 0;
        if (fd >= 0 && child->fd < 0 && fs_can_keep(fs, fd)) {
            child->fd = fd;
            fs->nr_fds++;
            fd = -1;
        } else if (fd >= 0 && child->fd < 0) {
            error = -ENFILE;
        }
        fs_node_unhold(fs, child);
        fs_node_unhold(fs, parent);
        if (fd >= 0) { /* another thread opened it first, or there is no room */
            pthread_mutex_unlock(&fs->lock);
            close(fd);
            pthread_mutex_lock(&fs->lock);
        }
    }
    pthread_mutex_unlock(&fs->lock);
    return error;
}

/*
 * For operations
 */

static struct fs_node *fs_node_of(struct fs *fs, uint64_t id)
{
    uint32_t index = (uint32_t)(id % FS_NODES_MAX);
    struct fs_node *node;

    if (id == FS_ROOT)
        return fs_nth(fs, FS_ROOT);
    if (index <= FS_ROOT || index >= fs->nr_nodes)
        return NULL;
    node = fs_nth(fs, index);
    return node->used && node->lookups && fs_number(fs, index, node->generation) == id ? node
                                                                                       : NULL;
}

struct fs_node *fs_node_get(struct fs *fs, const struct fs_request *r, uint64_t id, int *error)
{
    struct fs_node *node;
    bool closed;

    pthread_mutex_lock(&fs->lock);
    node = fs_node_of(fs, id);
    if (node)
        fs_node_hold(fs, node);
    closed = node && node->fd < 0;
    pthread_mutex_unlock(&fs->lock);
    *error = node ? 0 : -ESTALE;
    if (closed)
        *error = r->may_wait ? fs_node_reopen(fs, node) : FS_WAIT;
    if (*error) {
        fs_node_put(fs, node);
        node = NULL;
    }
    return node;
}

void fs_node_put(struct fs *fs, struct fs_node *node)
{
    if (!node)
        return;
    pthread_mutex_lock(&fs->lock);
    fs_node_unhold(fs, node);
    pthread_mutex_unlock(&fs->lock);
}

struct fs_proc fs_node_path(const struct fs_node *node)
{
    return fs_proc(node->fd);
}

bool fs_node_is_local(const struct fs *fs, const struct fs_node *node)
{
    return fs->local && node->device == 0;
}

bool fs_node_is_on_root_device(const struct fs *fs, const struct statx *st)
{
    return makedev(st->stx_dev_major, st->stx_dev_minor) == fs_nth(fs, FS_ROOT)->identity.dev;
}

int fs_node_forget(struct fs *fs, uint64_t id, uint64_t lookups, bool may_wait)
{
    struct fs_node *node;
    struct statx st;
    bool slow = false;

    pthread_mutex_lock(&fs->lock);
    node = fs_node_of(fs, id);
    if (!node || id == FS_ROOT) {
        pthread_mutex_unlock(&fs->lock);
        return 0;
    }
    /* With the last descriptor of a file without a name, the host frees its blocks. */
    if (!may_wait && node->fd >= 0)
        slow = !fs_node_is_local(fs, node) || fs_stat(node->fd, false, &st) || st.stx_nlink == 0;
    if (!slow) {
        node->lookups -= lookups < node->lookups ? lookups : node->lookups;
        fs_node_drop(fs, node->index);
    }
    pthread_mutex_unlock(&fs->lock);
    return slow ? FS_WAIT : 0;
}

/*
 * New nodes
 */

/* Locked. Index 0 is that of the root's device. */
static uint16_t fs_device(struct fs *fs, uint64_t dev)
{
    unsigned i = 0;

    while (i < fs->nr_devices && fs->devices[i] != dev)
        i++;
    if (i == FS_DEVICES_MAX) /* more than anybody mounts: numbers may be those of another */
        return FS_DEVICES_MAX - 1;
    if (i == fs->nr_devices)
        fs->devices[fs->nr_devices++] = dev;
    return (uint16_t)i;
}

/* Locked. There is a place behind the last node. */
static bool fs_node_grow(struct fs *fs)
{
    uint32_t chunk = fs->nr_nodes / FS_CHUNK;

    if (fs->nr_nodes == FS_NODES_MAX)
        return false;
    if (!fs->chunks[chunk])
        fs->chunks[chunk] = calloc(FS_CHUNK, sizeof(struct fs_node));
    return fs->chunks[chunk] != NULL;
}

/* Locked. A free place in the table, or NULL. */
static struct fs_node *fs_node_new(struct fs *fs, int fd, const struct fs_identity *identity)
{
    uint32_t index = fs->free_node, *bucket = fs_bucket(fs, identity);
    struct fs_node *node;

    if (!fs_can_keep(fs, fd) || (index == FS_NONE && !fs_node_grow(fs)))
        return NULL;
    if (index != FS_NONE)
        fs->free_node = fs_nth(fs, index)->next;
    else
        index = fs->nr_nodes++;
    node = fs_nth(fs, index);
    *node = (struct fs_node){
        .identity = *identity,
        .index = index,
        .generation = node->generation,
        .fd = fd,
        .used = true,
        .device = fs_device(fs, identity->dev),
        .next = *bucket,
        .parent = FS_NONE,
    };
    *bucket = index;
    fs->nr_fds++;
    return node;
}

uint64_t fs_node_add(struct fs *fs, int fd, const struct statx *st, const struct fs_node *parent,
                     const char *name, struct fuse_attr *attr)
{
    const struct fs_identity identity = fs_identity(st);
    struct fs_node *node = NULL;
    uint64_t id = 0;
    uint32_t index;

    pthread_mutex_lock(&fs->lock);
    for (index = *fs_bucket(fs, &identity); index != FS_NONE; index = fs_nth(fs, index)->next)
        if (fs_identity_equal(&fs_nth(fs, index)->identity, &identity))
            break;
    if (index == FS_NONE) {
        node = fs_node_new(fs, fd, &identity);
        fd = node ? -1 : fd;
    } else {
        node = fs_nth(fs, index);
        if (node->fd < 0 && fs_can_keep(fs, fd)) {
            node->fd = fd;
            fs->nr_fds++;
            fd = -1;
        }
    }
    if (node) {
        index = node->index;
        id = index == FS_ROOT ? FS_ROOT : fs_number(fs, index, node->generation);
        node->lookups++;
        fs_attr_fill(fs, st, node->device, attr);
        fs_node_hold(fs, node);
        if (name)
            fs_node_place(fs, node, parent->index, name);
        fs_node_unhold(fs, node);
    }
    pthread_mutex_unlock(&fs->lock);
    if (fd >= 0)
        close(fd);
    return id;
}

/*
 * Names that the guest removes and moves
 */

struct fs_node *fs_node_keep(struct fs *fs, const struct fs_node *parent, const char *name)
{
    struct fs_node *node;
    bool closed;

    pthread_mutex_lock(&fs->lock);
    node = fs_node_at(fs, parent->index, name);
    if (node)
        fs_node_hold(fs, node);
    closed = node && node->fd < 0;
    pthread_mutex_unlock(&fs->lock);
    /* A node that cannot be opened is not what the name stands for now. */
    if (closed)
        fs_node_reopen(fs, node);
    return node;
}

/* Locked. */
static void fs_node_forget_place(struct fs *fs, struct fs_node *node)
{
    uint32_t parent = fs_node_unplace(fs, node);

    if (parent != FS_NONE)
        fs_node_drop(fs, parent);
}

void fs_node_name_is_gone(struct fs *fs, const struct fs_node *parent, const char *name)
{
    struct fs_node *node;

    pthread_mutex_lock(&fs->lock);
    node = fs_node_at(fs, parent->index, name);
    if (node)
        fs_node_forget_place(fs, node);
    pthread_mutex_unlock(&fs->lock);
}

void fs_node_name_has_moved(struct fs *fs, const struct fs_node *parent, const char *name,
                            const struct fs_node *to, const char *to_name, bool exchanged)
{
    uint32_t from_index = parent->index, to_index = to->index;
    struct fs_node *node, *other;

    pthread_mutex_lock(&fs->lock);
    node = fs_node_at(fs, from_index, name);
    other = fs_node_at(fs, to_index, to_name);
    if (other && other != node)
        fs_node_forget_place(fs, other);
    if (node && node != other)
        fs_node_place(fs, node, to_index, to_name);
    if (other && other != node && exchanged)
        fs_node_place(fs, other, from_index, name);
    pthread_mutex_unlock(&fs->lock);
}

/*
 * The root, and the end of all
 */

int fs_node_root(struct fs *fs)
{
    struct fs_node *root;
    struct statx st;
    int error = fs_stat(fs->options.root, true, &st);

    if (error)
        return error;
    if (!fs_node_grow(fs))
        return -ENOMEM;
    root = fs_nth(fs, FS_ROOT);
    *root = (struct fs_node){
        .identity = fs_identity(&st),
        .index = FS_ROOT,
        .lookups = 1,
        .fd = fs->options.root,
        .used = true,
        .next = FS_NONE,
        .parent = FS_NONE,
    };
    fs_device(fs, root->identity.dev);
    *fs_bucket(fs, &root->identity) = FS_ROOT;
    fs->nr_nodes = FS_ROOT + 1;
    return 0;
}

void fs_node_free_all(struct fs *fs)
{
    for (uint32_t i = FS_ROOT + 1; i < fs->nr_nodes; i++) {
        if (fs_nth(fs, i)->used && fs_nth(fs, i)->fd >= 0)
            close(fs_nth(fs, i)->fd);
        free(fs_nth(fs, i)->name);
    }
    for (uint32_t i = 0; i < FS_CHUNKS; i++)
        free(fs->chunks[i]);
}
