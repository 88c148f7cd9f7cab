/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SGIs between running vCPUs without a message: the word `sgis` of el2stub/sgi.c. Two senders and
 * a target, which leaves its core and comes back at any time. Each sender writes a number to guest
 * memory and then sends the SGI; the target's handler reads the numbers. What must hold:
 *   - the target sees both senders' last numbers in the end, so no SGI is lost (Spin's search for
 *     invalid end states), and
 *   - a word whose vCPU is live nowhere is 0 (the assertions).
 * Several SGIs of one number that are pending are one, as for the GIC.
 *
 * Fault (one, or none)
 *   TAKES_FIRST   a vCPU that leaves takes what is there, and only then accepts no more
 *   KICKS_FIRST   the kick is sent before the SGI is in the word
 *   NO_LOOK       the core does not look at the word after it has acknowledged a kick
 *   NO_ATOMIC     a sender looks whether the SGI is accepted, and leaves it in a second step
 */

#define SENDERS 2
#define SENDS   2 /* of each */
#define STOPS   2

byte sent[SENDERS], seen[SENDERS]; /* guest memory */

/* The word, in two halves, which only atomic steps change together. */
bool left, accepted;

bool live; /* vcpu->pcpu */
bool kick; /* pending at the target's core */
bool lr;   /* in a list register: live, or in the vCPU's page */
bool vgic; /* pending at the vmm */

/* True: the SGI is the target core's. */
inline leave(ok)
{
#ifdef NO_ATOMIC
    ok = accepted;
    if
    :: ok -> left = true
    :: else
    fi
#else
    atomic {
        ok = accepted;
        left = left || ok
    }
#endif
}

inline kick_if_live()
{
    if
    :: live -> kick = true
    :: else
    fi
}

proctype sender(byte me)
{
    bool ok;

    do
    :: sent[me] < SENDS ->
       sent[me]++;
#ifdef KICKS_FIRST
       kick_if_live();
#endif
       leave(ok);
       if
       :: ok ->
#ifndef KICKS_FIRST
          kick_if_live()
#else
          skip
#endif
       :: else -> /* an exit: the vmm delivers it, by a command if the vCPU is live */
          vgic = true;
          kick_if_live()
       fi
    :: else -> break
    od
}

inline take()
{
    atomic {
        lr = lr || left;
        left = false
    }
}

/* The vmm's commands: an interrupt for a list register. */
inline commands()
{
    atomic {
        lr = lr || vgic;
        vgic = false
    }
}

inline go()
{
    live = true;
    accepted = true
}

inline leave_core()
{
#ifdef TAKES_FIRST
    take();
    accepted = false;
#else
    accepted = false;
    take();
#endif
    assert(!left);
    live = false;
    kick = false /* of a core that serves commands, it is no more than a reason to look */
}

proctype target()
{
    byte stops;

    go();
    do
    :: atomic { lr -> lr = false; seen[0] = sent[0]; seen[1] = sent[1] }
    :: kick && !lr -> /* it ends the guest's run */
       kick = false;
       commands();
#ifndef NO_LOOK
       take()
#endif
    :: stops < STOPS && !lr ->
       stops++;
       leave_core();
       commands(); /* before its RUN, the vmm fills the list registers in the page */
       go();
       commands();
       take() /* exit_serve() looks before the guest runs */
    :: seen[0] == SENDS && seen[1] == SENDS && !lr && !kick -> break
    od;
    assert(!left || accepted)
}

init
{
    atomic {
        run target();
        run sender(0);
        run sender(1)
    }
}
