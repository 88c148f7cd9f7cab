/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol of proto/ring.h: publishing by `seq`, and sleeping with a
 * `waiting` flag and a doorbell. What must hold:
 *   - a message is read whole, once, and in order (the assertions), and
 *   - nobody sleeps for ever beside an unread message (Spin's search for
 *     invalid end states: all processes but memory must come to their ends).
 *
 * Memory is weaker than x86-TSO: a store goes to a buffer and reaches memory at
 * any later time, stores to different words in any order (only those to one
 * word keep theirs). Loads and exchanges act on memory at once; no side loads a
 * word that it stores to, so nothing need be forwarded. Of loads, the one
 * reordering that the protocol has to prevent is modelled by hand in `look`.
 *
 *   release   the store leaves its buffer after the earlier stores that it guards
 *   acquire   the entry is loaded after its `seq`
 *   fence     waits until this side's earlier stores have left their buffers
 *
 * The doorbell is a device: it stays rung until it is answered, and ringing it
 * twice is ringing it once.
 *
 * Scenario (one of)
 *   STREAM    a producer and a consumer
 *   MANY      two producers, each with its ring, and one consumer with one
 *             doorbell: the vmm and its pCPUs
 *   EXCHANGE  two sides that both send and receive: events and commands
 *   IDLE      a consumer that is at times not to be had but by its doorbell, which
 *             it spares the producer while `polling`: a pCPU that runs a guest
 * Fault (any, or none): what the protocol must not do without
 *   NO_PRODUCER_FENCE NO_CONSUMER_FENCE NO_SECOND_LOOK NO_RELEASE NO_ACQUIRE
 *   NO_TAIL_RELEASE NO_IDLE_FENCE
 */

#define RINGS   2
#define ENTRIES 2 /* of a ring */

/*
 * On each ring. More than a ring holds, so that entries are used again; but not
 * with two rings to interleave, where it is the one doorbell that matters.
 */
#if defined(STREAM)
#define MESSAGES 5
#elif defined(EXCHANGE)
#define MESSAGES 3
#else
#define MESSAGES 2
#endif

/* Ring r's consumer has this doorbell. */
#ifdef EXCHANGE
#define BELL(r) r
#else
#define BELL(r) 0
#endif

#define SLOT(r, position) ((r) * ENTRIES + (position) % ENTRIES)

/* Memory. Words of `struct rv_channel`, by slot or by ring. */
byte payload[RINGS * ENTRIES];
byte seq[RINGS * ENTRIES];
byte tail[RINGS];
bit waiting[RINGS];
bit polling[RINGS];
bit bell[RINGS];

/* Stores on their way to it. */
chan payload_buffer[RINGS * ENTRIES] = [1] of { byte };
chan seq_buffer[RINGS * ENTRIES] = [1] of { byte };
chan tail_buffer[RINGS] = [1] of { byte };
chan waiting_buffer[RINGS] = [2] of { bit };
chan polling_buffer[RINGS] = [2] of { bit };

#define PUBLISHED(r)                                                                              \
    (empty(payload_buffer[SLOT(r, 0)]) && empty(payload_buffer[SLOT(r, 1)]) &&                    \
     empty(seq_buffer[SLOT(r, 0)]) && empty(seq_buffer[SLOT(r, 1)]))

proctype slot_memory(byte i)
{
    byte v;
end:
    do
    :: atomic { payload_buffer[i]?v -> payload[i] = v; v = 0 }
#ifdef NO_RELEASE
    :: atomic { seq_buffer[i]?v -> seq[i] = v; v = 0 }
#else
    /* rv_ring_publish: the entry is in memory before its seq. */
    :: atomic { empty(payload_buffer[i]) && nempty(seq_buffer[i]) -> seq_buffer[i]?v; seq[i] = v; v = 0 }
#endif
    od
}

proctype ring_memory(byte r)
{
    byte v;
end:
    do
    :: atomic { tail_buffer[r]?v -> tail[r] = v; v = 0 }
    :: atomic { waiting_buffer[r]?v -> waiting[r] = v; v = 0 }
    :: atomic { polling_buffer[r]?v -> polling[r] = v; v = 0 }
    od
}

/* The producer knows that the other's guest may run. */
inline kick_if_it_does_not_look(r)
{
#ifdef IDLE
    if
    :: polling[r]
    :: else -> bell[BELL(r)] = 1
    fi
#else
    skip
#endif
}

/* Send `head + 1` as the message at position `head`. */
inline produce(r, head)
{
    /* A full ring: poll `tail`. */
    (head - tail[r] < ENTRIES);
    payload_buffer[SLOT(r, head)]!(head + 1);
    seq_buffer[SLOT(r, head)]!(head + 1);
#ifndef NO_PRODUCER_FENCE
    PUBLISHED(r); /* the fence */
#endif
    if
    :: waiting[r] ->
       if /* the exchange */
       :: atomic { waiting[r] -> waiting[r] = 0 }; bell[BELL(r)] = 1
       :: else -> kick_if_it_does_not_look(r)
       fi
    :: else -> kick_if_it_does_not_look(r)
    fi;
    head++
}

/*
 * Look at the entry at position `next`, and take it if it is there. Without
 * acquire, the entry may be loaded before its seq: `early` holds what it was then.
 */
inline look(r, next, found)
{
#ifdef NO_ACQUIRE
    early = payload[SLOT(r, next)];
#endif
    if
    :: seq[SLOT(r, next)] == next + 1 ->
#ifdef NO_TAIL_RELEASE
       tail_buffer[r]!(next + 1); /* the entry is given back, and then read */
#endif
#ifdef NO_ACQUIRE
       assert(early == next + 1);
#else
       assert(payload[SLOT(r, next)] == next + 1);
#endif
#ifndef NO_TAIL_RELEASE
       tail_buffer[r]!(next + 1);
#endif
       next++;
       found = true
    :: else
    fi
}

#ifdef EXCHANGE

/* Sends on `out` and receives on `in`. The asker runs ahead of the answers. */
proctype side(byte out; byte in; bool asks)
{
    byte sent, received;
#ifdef NO_ACQUIRE
    byte early;
#endif
    bool found;
    do
    :: sent == MESSAGES && received == MESSAGES -> break
    :: sent < MESSAGES && (asks -> sent - received < ENTRIES : sent < received) ->
       produce(out, sent)
    :: received < MESSAGES && (asks -> received < sent : received == sent) ->
       found = false;
       look(in, received, found);
       if
       :: found
       :: else ->
          waiting_buffer[in]!1;
#ifndef NO_CONSUMER_FENCE
          empty(waiting_buffer[in]); /* the fence */
#endif
#ifndef NO_SECOND_LOOK
          look(in, received, found);
#endif
          if
          :: found
          :: else -> bell[BELL(in)] -> bell[BELL(in)] = 0
          fi;
          waiting_buffer[in]!0
       fi
    od
}

#else

#ifdef MANY
#define USED RINGS
#else
#define USED 1
#endif

proctype producer(byte r)
{
    byte head;
    do
    :: head < MESSAGES -> produce(r, head)
    :: else -> break
    od
}

inline set_waiting(value)
{
    r = 0;
    do
    :: r < USED -> waiting_buffer[r]!value; r++
    :: else -> break
    od
}

inline look_at_all()
{
    r = 0;
    do
    :: r < USED -> look(r, next[r], found); r++
    :: else -> break
    od
}

#ifdef IDLE

/* As command_wait() and exit_serve() of the stub. */
proctype consumer()
{
    byte next;
    byte exits; /* of the guest, by itself */
    bool found;
    do
    :: next == MESSAGES -> break
    :: else ->
       if /* the guest runs */
       :: bell[0] -> bell[0] = 0
       :: exits < 2 -> exits++
       fi;
       polling_buffer[0]!1;
       found = false;
       look(0, next, found);
       if
       :: found
       :: !found -> /* an interrupt of its own */
       :: !found ->
          waiting_buffer[0]!1;
          empty(waiting_buffer[0]); /* the fence */
          look(0, next, found);
          if
          :: found
          :: else -> bell[0] -> bell[0] = 0
          fi;
          waiting_buffer[0]!0
       fi;
       polling_buffer[0]!0;
#ifndef NO_IDLE_FENCE
       empty(polling_buffer[0]); /* the fence */
#endif
       found = true;
       do
       :: found -> found = false; look(0, next, found)
       :: else -> break
       od
    od
}

#else

proctype consumer()
{
    byte next[RINGS];
    byte r;
#ifdef NO_ACQUIRE
    byte early;
#endif
    bool found;
    do
    :: next[0] == MESSAGES && (USED == 1 || next[1] == MESSAGES) -> break
    :: else ->
       found = false;
       look_at_all();
       if
       :: found
       :: else ->
          set_waiting(1);
#ifndef NO_CONSUMER_FENCE
          empty(waiting_buffer[0]) && empty(waiting_buffer[1]); /* the fence */
#endif
#ifndef NO_SECOND_LOOK
          look_at_all();
#endif
          if
          :: found
          :: else -> bell[0] -> bell[0] = 0
          fi;
          set_waiting(0)
       fi
    od
}

#endif

#endif

init
{
    atomic {
        byte i;
        for (i : 0 .. RINGS * ENTRIES - 1) {
            run slot_memory(i)
        }
        for (i : 0 .. RINGS - 1) {
            run ring_memory(i)
        }
#ifdef EXCHANGE
        run side(0, 1, true);
        run side(1, 0, false)
#else
        for (i : 0 .. USED - 1) {
            run producer(i)
        }
        run consumer()
#endif
    }
}
