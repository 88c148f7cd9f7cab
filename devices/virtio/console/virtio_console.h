/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Console device: virtio 1.2, 5.3. What virtio_console.c (the device and its queues),
 * virtio_console_control.c (the control messages) and virtio_console_port.c (what goes out and
 * comes in) share.
 */
#pragma once

#include <linux/virtio_console.h>

#include <ringvisor/chr.h>
#include <ringvisor/virtio/virtio_plugin.h>

#define CONSOLE_PORTS      4u
#define CONSOLE_QUEUE_SIZE 64u
#define CONSOLE_BATCH      64u /* chains of a queue in one go: then others have their turn */
#define CONSOLE_NAME_MAX   64u

/* 5.3.2: port 0's queues, the control queues, then those of the other ports. */
#define CONSOLE_CONTROL_IN  2u
#define CONSOLE_CONTROL_OUT 3u
#define CONSOLE_QUEUES(n)   (2 * (n) + 2)

/* What the driver is yet to be told of a port, in the order in which it is told. */
enum console_news {
    NEWS_ADD = 1,
    NEWS_CONSOLE = 2,
    NEWS_NAME = 4,
    NEWS_OPEN = 8,
    NEWS_SIZE = 16,
};

struct console_port_state {
    uint8_t news;
    uint8_t ready; /* the driver has the port */
    uint8_t open;  /* ... and somebody in the guest uses it */
    uint8_t pad;
};

struct console_state {
    struct console_port_state port[CONSOLE_PORTS];
    uint32_t written[CONSOLE_PORTS]; /* bytes that the back end took of the chain in flight */
    /*
     * CONSOLE_TELLING, the port's number in bits 15:8 and the news: this message is in the chain
     * that is in flight or, if none is, the driver has it.
     */
    uint32_t telling;
    uint32_t pad;
};
_Static_assert(sizeof(struct console_state) == 40, "state layout");

#define CONSOLE_TELLING (1u << 31)

struct console;

struct console_port {
    struct console *console;
    unsigned index;
    struct rv_chr *chr;
    const char *name;       /* NULL: a console */
    bool connected;         /* somebody is at the other end */
    uint16_t columns, rows; /* of his terminal; 0: unknown */
    struct virtq_chain out;
    bool out_held;
    struct virtq_chain in;
    bool in_held;
};

struct console {
    struct virtio_plugin *plugin;
    struct console_state *state;
    uint64_t *bytes_in, *bytes_out, *bad_messages;
    unsigned nr_ports;
    bool catching_up;        /* a message that an earlier process may have obeyed is obeyed first */
    struct virtq_chain news; /* for the next control message */
    bool news_held;
    struct console_port port[CONSOLE_PORTS];
};

/* virtio_console_control.c */
/* Tell the driver the news, as far as it has buffers for them. */
void console_tell(struct console *c);
/* Obey a message of the driver's. */
void console_control_one(void *device, struct virtqueue *vq, const struct virtq_chain *chain);
/* Obey those that wait. */
void console_control_out(struct console *c, struct virtqueue *vq);

/* virtio_console_port.c */
extern const struct rv_chr_callbacks console_chr; /* the client of a port's back end */
/* Write what the driver sends. False: there may be more, and nobody else will tell. */
bool console_out(struct console_port *p);
/* The port may take input. */
void console_accept(struct console_port *p);

/* virtio_console.c */
struct virtqueue *console_queue(struct console *c, unsigned index);
unsigned console_in_queue(unsigned port); /* the one behind it is the output's */
bool console_multiport(const struct console *c);
/* What there is to do on a queue now; and in the loop's next pass, if there is more. */
void console_serve(struct console *c, unsigned index);
