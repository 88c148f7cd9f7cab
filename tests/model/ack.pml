/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * InterruptACK of virtio-mmio as a posted write, and InterruptStatus in memory
 * (devices/virtio/core/virtio_device.c, virtio_shown.c): the device may be told late of an
 * acknowledgement, by a driver that has not looked at the queue since. The device uses REQUESTS
 * buffers, one by one, at any time; the driver sleeps until it is interrupted. The worker may die
 * before each of its stores to what outlives it, DEATHS times in all, and is replaced. What must hold:
 *   - the driver sees all that was used: nothing waits for ever without an interrupt on its way (Spin's
 *     search for invalid end states, and the driver must come to its end).
 *
 * Memory is as in ring.pml: a store reaches it later, and those to different words in any order. The
 * interrupt is one of edges: it is pending or not, and a second edge is the same as one.
 *
 * Driver (one of)
 *   ONCE    reads InterruptStatus, acknowledges it if it is not 0, and looks at the queue
 *   TWICE   acknowledges what it has read once or twice
 *   UNTIL   reads and acknowledges until InterruptStatus is 0, as many times as that takes
 * Fault (one, or none): what the protocol must not do without
 *   NO_LOOK          the device does not look for acknowledgements that are on their way
 *   NO_DEVICE_FENCE  it looks before what it has used is in memory
 *   NO_STUB_FENCE    the driver goes on before its acknowledgement is in the ring
 *   COUNTS_ONE       of those on their way it expects one
 *   TRUSTS           a worker that takes over expects none
 *   NO_TELL          ... and does not interrupt for what the one before has used
 *   EDGE_FIRST       the interrupt comes before InterruptStatus is in memory
 *   QUEUE_FIRST      the driver's own: it looks at the queue before it acknowledges
 */

#define REQUESTS 3
#define DEATHS   1
#define ENTRIES  2 /* of the ring */

/* Memory: how many buffers are used; InterruptStatus; acknowledgements. And stores on their way. */
byte used;
bool shown;
chan ring = [ENTRIES] of { bit };
chan used_buffer = [2] of { byte };
chan shown_buffer = [2] of { bool };
chan ring_buffer = [2] of { bit };

/* What outlives a worker: the device's state, and the journal. */
bool status, current, put_back;
byte completed;

bool edge; /* pending at the guest's GIC */
byte deaths;

proctype memory()
{
end:
    do
    :: atomic { used_buffer?used }
    :: atomic { shown_buffer?shown }
    :: atomic { nempty(ring_buffer) && nfull(ring) -> ring_buffer?_; ring!1 }
    od
}

inline acknowledge()
{
    ring_buffer!1;
#ifndef NO_STUB_FENCE
    empty(ring_buffer) /* rv_ring_wants_wakeup() */
#endif
}

/* The guest's CPU, in the guest and in the stub. */
proctype driver()
{
    byte seen;
    bool read;

    do
    :: seen == REQUESTS -> break
    :: edge ->
       edge = false;
again:
       read = shown;
       if
       :: read ->
#ifdef QUEUE_FIRST
          seen = used;
#endif
          acknowledge();
#ifdef TWICE
          if
          :: acknowledge()
          :: skip
          fi;
#endif
#ifdef UNTIL
          goto again;
#endif
#ifndef QUEUE_FIRST
          seen = used
#endif
       :: else ->
#ifdef UNTIL
          seen = used
#else
          skip /* it is not this device's */
#endif
       fi
    od
}

#define MAY_DIE                                  \
    if                                           \
    :: deaths < DEATHS -> deaths++; goto replace \
    :: skip                                      \
    fi

/* What is shown, and the edge. */
inline update_irq()
{
    MAY_DIE;
#ifdef EDGE_FIRST
    edge = edge || (status && !line);
#endif
    shown_buffer!status;
#ifndef EDGE_FIRST
    empty(shown_buffer); /* the release of the command that takes it to the guest */
    MAY_DIE;
    edge = edge || (status && !line);
#endif
    line = status
}

/* Of the acknowledgements on their way, and of what the one before was doing. */
inline expect()
{
#ifndef NO_DEVICE_FENCE
    empty(used_buffer); /* the fence */
#endif
#ifndef NO_LOOK
    unheard = len(ring) + put_back;
#endif
#ifdef COUNTS_ONE
    unheard = (unheard > 1 -> 1 : unheard);
#endif
    again = (again < unheard -> unheard : again)
}

proctype worker()
{
    bool line;
    byte again, unheard;

end:
    do
    /* A request is done. The ring has it before the device's state does. */
    :: completed < REQUESTS ->
       MAY_DIE;
       used_buffer!(completed + 1);
       MAY_DIE;
       completed++;
       MAY_DIE;
       status = true;
       expect();
       update_irq()
    :: atomic { put_back -> put_back = false; current = true } -> goto handle
    :: atomic { !put_back && nempty(ring) -> ring?_; current = true } ->
handle:
       if
       :: again -> again--
       :: else -> MAY_DIE; status = false
       fi;
       line = false;
       update_irq();
       MAY_DIE;
       current = false
    od;

replace:
    atomic {
        put_back = put_back || current;
        current = false
    };
    line = false;
    again = 0;
#ifndef NO_TELL
    MAY_DIE;
    status = true;
    update_irq();
#ifndef TRUSTS
    expect();
#endif
#endif
    goto end
}

init
{
    atomic {
        run memory();
        run driver();
        run worker()
    }
}
