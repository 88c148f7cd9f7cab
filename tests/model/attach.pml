/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a worker takes over from one that died (vmm/cpu/pcpu_recover.c, cores.c, undo.h): one pCPU with one
 * vCPU, whose guest executes STEPS instructions that trap, by turns a posted write and one that
 * waits for its reply. The worker may die before each of its stores to what outlives it, also while
 * it takes over, DEATHS times in all. What must hold:
 *   - each instruction counts once, and not before those in front of it (the assertions),
 *   - an interrupt that the handler of one of them takes out of the vCPU's list registers, by a RETRACT, is
 *     in one place at the end: it is neither lost nor doubled (the assertions), and
 *   - the guest comes to its end (Spin's search for invalid end states).
 * The stores of one side reach the other in their order here: of that, ring.pml has the model.
 *
 * Fault (one, or none): what the protocol must not do without
 *   NO_JOURNAL_FIRST  the event's place is given back before the event is in the journal
 *   NO_SEQ            an event in the ring and in the journal is not seen to be one
 *   NO_COMMAND_SEQ    a command that was published while its head was not is not found
 *   NO_UNDO           what was done for an event that was not decided is not taken back
 *   NO_DECISION       nothing tells that an event was decided before its reply is pushed
 *   NO_DROP           an exit that a stop is the end of, and which will be made again, stays
 *   NO_RUN_AT         a vCPU whose RUN was not pushed is taken for one that runs
 *   NO_RETRACT_FIRST  a RETRACT is pushed before the log has it
 *   NO_ANSWER_FIRST   the place of its answer is given back before the log has the answer
 *   NO_PUT_BACK       what it took for an event that was not decided is not put back
 *   NO_FORGET         what it took for an event that was decided stays in the log
 */

#define STEPS  4
#define DEATHS 2
#define NONE   255

#define EVENTS   24 /* more than can come: positions do not wrap */
#define COMMANDS 24
#define DEFERRED 48
#define MIDDLE   24 /* of `deferred`: put_back() goes down from there */

/* Events, and STEP(i)'s own */
#define NOTHING 0
#define POSTED  1
#define EXIT    2
#define STOPPED 3
#define ACK     4
#define TOOK    5 /* the answer to a RETRACT that took the interrupt; ACK: it took none */
#define TRAP(i) (i % 2 -> EXIT : POSTED)

/* Commands */
#define REPLY   1
#define RUN     2
#define STOP    3
#define BARRIER 4
#define RETRACT 5

#define RETRACTS 1  /* the step that has one: an EXIT */
#define TAG      10 /* of the first RETRACT: barriers have smaller ones */

/* journal_phase */
#define TAKEN    0
#define HANDLING 1
#define REPLYING 2

/* The rings. `event_head` and `command_seq`: how many are published by their `seq`. */
byte event_type[EVENTS], event_step[EVENTS], event_head, event_tail;
byte command_op[COMMANDS], command_of[COMMANDS], command_seq, command_head;

/* The journal. */
byte current_type, current_seq, current_step, phase, reply_at, run_at;
bool live;
byte deferred_type[DEFERRED], deferred_seq[DEFERRED], deferred_step[DEFERRED];
byte first = MIDDLE, last = MIDDLE;

/* The undo log, and the state that it is for: how often an instruction has counted. */
byte undo_of = NONE, undo_old;
bool undo_noted;
byte count[STEPS];

/*
 * The interrupt: in a list register, or the page of a vCPU that is off, or the GIC's state. The log has the
 * RETRACT with this tag, if there is one, and whether it is known that it has taken the interrupt.
 */
bool held = true, gic_has;
bool gic_noted, gic_old;
bool retract_logged, retract_known;
byte retract_tag;

bool guest_is_over;
byte deaths;

proctype stub()
{
    byte step, tail;
    bool runs, waits;

end:
    do
    /* The guest traps. */
    :: atomic { runs && !waits && step < STEPS ->
           assert(event_head < EVENTS);
           event_type[event_head] = TRAP(step);
           event_step[event_head] = step;
           event_head++;
           if
           :: TRAP(step) == EXIT -> waits = true
           :: else -> step++
           fi;
           guest_is_over = step == STEPS
       }
    /* A command. */
    :: atomic { tail < command_seq ->
           if
           :: command_op[tail] == REPLY ->
              assert(runs && waits && command_of[tail] == step);
              waits = false;
              step++;
              guest_is_over = step == STEPS
           :: command_op[tail] == RUN -> assert(!runs); runs = true
           :: command_op[tail] == STOP ->
              assert(runs);
              runs = false;
              waits = false; /* the instruction is executed again */
              event_type[event_head] = STOPPED;
              event_head++
           :: command_op[tail] == BARRIER ->
              event_type[event_head] = ACK;
              event_step[event_head] = command_of[tail];
              event_head++
           :: command_op[tail] == RETRACT ->
              event_type[event_head] = (held -> TOOK : ACK);
              event_step[event_head] = command_of[tail];
              held = false;
              event_head++
           fi;
           assert(event_head < EVENTS);
           tail++
       }
    od
}

/* A store of the worker's, if it lives. */
#define STORE(what)                \
    if                             \
    :: deaths < DEATHS -> goto dead \
    :: atomic { what }             \
    fi

inline push(op, about)
{
    STORE(command_op[command_head] = op; command_of[command_head] = about; command_seq = command_head + 1);
    STORE(command_head++; assert(command_head < COMMANDS))
}

inline strike(at)
{
    STORE(deferred_type[at] = NOTHING);
    do
    :: first != last && deferred_type[first] == NOTHING -> STORE(first++)
    :: else -> break
    od
}

/* pcpu_drop_stopped(): the vCPU is off, and what is over with it goes. */
inline strike_exits()
{
    i = first;
    do
    :: i < last ->
       if
#ifndef NO_DROP
       :: deferred_type[i] == EXIT -> strike(i)
#endif
       :: deferred_type[i] == STOPPED -> strike(i)
       :: else
       fi;
       i++
    :: else -> break
    od
}

/* undo_answered() */
inline answered()
{
    if
    :: retract_logged && !retract_known && retract_tag == got_step ->
       if
       :: got == TOOK -> STORE(retract_known = true)
       :: got == ACK -> STORE(retract_logged = false)
       :: else
       fi
    :: else
    fi
}

/* The next event of the ring goes to the journal's list. */
inline take_aside()
{
    (event_tail < event_head);
    got = event_type[event_tail];
    got_step = event_step[event_tail];
    if
    :: got != ACK && got != TOOK ->
       STORE(deferred_type[last] = got; deferred_seq[last] = event_tail + 1;
             deferred_step[last] = got_step);
       STORE(last++; assert(last < DEFERRED))
    :: else
    fi;
#ifdef NO_ANSWER_FIRST
    STORE(event_tail++);
    answered()
#else
    answered();
    STORE(event_tail++)
#endif
}

inline recover()
{
#ifndef NO_COMMAND_SEQ
    if
    :: command_seq > command_head -> STORE(command_head++)
    :: else
    fi;
#endif
#ifndef NO_SEQ
    if
    :: (last > MIDDLE && deferred_seq[last - 1] == event_tail + 1) ||
       (current_type && current_seq == event_tail + 1) -> STORE(event_tail++)
    :: else
    fi;
#endif
    do
    :: first != last && deferred_type[first] == NOTHING -> STORE(first++)
    :: else -> break
    od;
    i = first;
    do
    :: i < last ->
       if
       :: current_type && deferred_type[i] && deferred_seq[i] == current_seq -> strike(i)
       :: else
       fi;
       i++
    :: else -> break
    od;
#ifndef NO_RUN_AT
    if
    :: live && command_head <= run_at -> STORE(live = false)
    :: else
    fi;
#endif
    if
    :: !live -> strike_exits()
    :: else
    fi
}

/* undo_forget_retracts() */
inline forget()
{
#ifndef NO_FORGET
    STORE(retract_logged = false)
#else
    skip
#endif
}

/* put_back_retracted() */
inline put_back()
{
    if
#ifndef NO_PUT_BACK
    :: retract_logged && retract_known -> STORE(held = true)
#endif
    :: else
    fi;
    STORE(retract_logged = false)
}

/* settle_undo(), settle_exit() */
inline settle()
{
    if
    :: current_type && phase == REPLYING ->
       forget();
       if
       :: current_type == EXIT && live && command_head == reply_at -> push(REPLY, current_step)
       :: else
       fi
    :: current_type && phase != REPLYING ->
#ifndef NO_UNDO
       if
       :: undo_of == current_seq && undo_noted -> STORE(count[current_step] = undo_old)
       :: else
       fi;
       if
       :: undo_of == current_seq && gic_noted -> STORE(gic_has = gic_old)
       :: else
       fi;
#endif
       STORE(deferred_type[first - 1] = current_type; deferred_seq[first - 1] = current_seq;
             deferred_step[first - 1] = current_step);
       STORE(first--; assert(first > 0))
    :: else
    fi;
    STORE(current_type = NOTHING);
    if
    :: !live -> strike_exits()
    :: else
    fi;
    push(BARRIER, deaths);
    got = NOTHING;
    do
    :: got == ACK && got_step == deaths -> break
    :: else -> take_aside()
    od
}

/* The vCPU's unanswered exit is forgotten, and will be made again. */
inline stop_vcpu()
{
    found = false;
    i = first;
    do
    :: i < last -> found = found || deferred_type[i] == STOPPED; i++
    :: else -> break
    od;
    if
    :: live && !found ->
       push(STOP, 0);
       do
       :: found -> break
       :: else -> take_aside(); found = got == STOPPED
       od
    :: else
    fi;
    if
    :: live -> STORE(live = false); strike_exits()
    :: else
    fi
}

/* pcpu_next_event() */
inline set_current(type, seq, step)
{
    STORE(current_type = NOTHING);
    STORE(phase = TAKEN);
    STORE(current_seq = seq; current_step = step);
    STORE(current_type = type)
}

inline take()
{
    if
    :: first != last ->
       set_current(deferred_type[first], deferred_seq[first], deferred_step[first]);
       strike(first)
    :: first == last && event_tail < event_head ->
#ifdef NO_JOURNAL_FIRST
       STORE(event_tail++);
       set_current(event_type[event_tail - 1], event_tail, event_step[event_tail - 1])
#else
       set_current(event_type[event_tail], event_tail + 1, event_step[event_tail]);
       STORE(event_tail++)
#endif
    fi
}

/* irq_retract() */
inline retract()
{
    tag = TAG + command_head;
#ifdef NO_RETRACT_FIRST
    push(RETRACT, tag);
    STORE(retract_tag = tag; retract_known = false);
    STORE(retract_logged = true);
#else
    STORE(retract_tag = tag; retract_known = false);
    STORE(retract_logged = true);
    push(RETRACT, tag);
#endif
    got = NOTHING;
    do
    :: (got == ACK || got == TOOK) && got_step == tag -> break
    :: else -> take_aside()
    od;
    if
    :: got == TOOK ->
       STORE(gic_old = gic_has; gic_noted = true);
       STORE(gic_has = true)
    :: else
    fi
}

inline handle()
{
    STORE(undo_noted = false; gic_noted = false; retract_logged = false);
    STORE(undo_of = current_seq);
    STORE(phase = HANDLING);
    if
    :: current_type == POSTED || current_type == EXIT ->
       STORE(undo_old = count[current_step]; undo_noted = true);
       assert(current_step == 0 || count[current_step - 1] == 1);
       STORE(count[current_step]++; assert(count[current_step] == 1));
       if
       :: current_step == RETRACTS -> retract()
       :: else
       fi;
       STORE(reply_at = command_head);
#ifndef NO_DECISION
       STORE(phase = REPLYING);
#endif
       forget();
       if
       :: current_type == EXIT -> push(REPLY, current_step)
       :: else
       fi
    :: else
    fi;
    STORE(current_type = NOTHING)
}

proctype worker()
{
    byte i, got, got_step, tag;
    bool found;

    goto start;
dead:
    deaths++;
    i = 0;
    got = 0;
    got_step = 0;
    tag = 0;
    found = false;
    recover();
    settle();
    stop_vcpu();
    put_back();
start:
    do
    :: !live && first == last -> /* the scheduler: what was posted before comes first */
       STORE(run_at = command_head);
       STORE(live = true);
       push(RUN, 0)
    :: first != last || event_tail < event_head -> take(); handle()
    :: live && guest_is_over && first == last && event_tail == event_head -> break
    od;
    i = 0;
    do
    :: i < STEPS -> assert(count[i] == 1); i++
    :: else -> break
    od;
    assert(gic_has && !held)
}

init
{
    atomic {
        run stub();
        run worker()
    }
}
