/*
 * Cycles of Thumb code on a Cortex-M0+, M3 or M4 whose memory answers at once: docs/cycles.md has
 * the model and its sources.  Included once, by qemu_count.c.
 *
 * The cost of an instruction depends on the one behind it (which may load in its shadow, or wait for
 * its result) and on what it did (whether it branched, whether it accessed memory at all), so it is
 * known when the next one starts: `time_next` settles the one before.
 */
#ifndef RNN2C_THUMB_TIMING_H
#define RNN2C_THUMB_TIMING_H

#include <string.h>

#include "thumb.h"

/* What has been seen of the instruction that is not settled yet. */
static struct {
    const thumb_t *insn;      /* NULL: none */
    bool accessed;            /* a load or store that an IT block skips accesses nothing */
    bool behind_load;         /* it may use the second cycle of the load before it */
    unsigned misaligned;      /* further bus accesses */
} now;

typedef unsigned (*cost_t)(const thumb_t *t, const thumb_t *next, bool taken);

static cost_t cost;           /* NULL: no model */
static uint64_t cycles;

static bool is_access(const thumb_t *t)
{
    switch (t->kind) {
    case LOAD: case STORE: case LOAD_MANY: case STORE_MANY: case TABLE_BRANCH:
    case FLOAT_LOAD: case FLOAT_STORE: case FLOAT_MANY: return true;
    default: return false;
    }
}

/* ---- Cortex-M0+ ----------------------------------------------------------------------------- */

static unsigned cost_m0plus(const thumb_t *t, const thumb_t *next, bool taken)
{
    (void)next;
    switch (t->kind) {
    case LOAD: case STORE: return 2;
    case LOAD_MANY: return t->count + (t->loads_pc ? 3u : 1u);
    case STORE_MANY: return t->count + 1u;
    case BRANCH: return t->links ? 3 : taken ? 2 : 1;
    case BRANCH_REGISTER: return 2;
    case SYSTEM: return 3;
    default: return 1;
    }
}

/* ---- Cortex-M3 and M4 ----------------------------------------------------------------------- */

enum { REFILL_EARLY = 1, REFILL_REGISTER = 2, REFILL_LOAD = 3 };

/* A 32-bit target that begins in the upper half of a word needs a second fetch. */
static unsigned refill(unsigned least, const thumb_t *target)
{
    unsigned needed = least + (target->bytes == 4 && target->address % 4 != 0);
    return needed < REFILL_LOAD ? needed : REFILL_LOAD;
}

static bool waits_for(const thumb_t *t, const thumb_t *next)
{
    switch (t->kind) {
    case DATA: case MULTIPLY: case MULTIPLY_ADD: case MULTIPLY_LONG: case MULTIPLY_ADD_LONG:
    case DIVIDE: return is_access(next) && (t->written & next->address_from);
    case FLOAT: case FLOAT_MULTIPLY_ADD: case FLOAT_DIVIDE:
        return t->float_written & next->float_read;
    default: return false;
    }
}

static unsigned cost_of_access(const thumb_t *t, const thumb_t *next)
{
    if (!now.accessed)
        return 1;
    switch (t->kind) {
    case LOAD:
        if (t->loads_pc)
            return 2 + refill(REFILL_LOAD, next);
        return now.behind_load && !t->updates_base ? 1 : 2;
    case STORE: return t->register_offset && !now.behind_load ? 2 : 1;
    case TABLE_BRANCH: return 3 + refill(REFILL_LOAD, next);
    case FLOAT_LOAD: case FLOAT_STORE: return 2;
    default: return 1 + t->count + (t->loads_pc ? refill(REFILL_LOAD, next) : 0);
    }
}

static unsigned cost_m4(const thumb_t *t, const thumb_t *next, bool taken)
{
    unsigned stall = waits_for(t, next) + now.misaligned;

    if (is_access(t))
        return stall + cost_of_access(t, next);
    switch (t->kind) {
    case DIVIDE: return stall + 12;
    case BRANCH: return taken ? 1 + refill(REFILL_EARLY, next) : 1;
    case BRANCH_REGISTER: return taken ? 1 + refill(REFILL_REGISTER, next) : 1;
    case FLOAT_MULTIPLY_ADD: return stall + 3;
    case FLOAT_DIVIDE: return stall + 14;
    case FLOAT_PAIR: return 2;
    default: return stall + 1;
    }
}

static unsigned cost_m3(const thumb_t *t, const thumb_t *next, bool taken)
{
    unsigned more = 0;                /* than the M4, whose multiplications take one cycle */

    switch (t->kind) {
    case MULTIPLY_ADD: more = 1; break;
    case MULTIPLY_LONG: more = 4; break;
    case MULTIPLY_ADD_LONG: more = 6; break;
    default: break;
    }
    return more + cost_m4(t, next, taken);
}

/* ---- instruction by instruction ------------------------------------------------------------- */

/* Whether `next` may start while the load `t` still waits for its data. */
static bool shadows(const thumb_t *t, const thumb_t *next)
{
    return t->kind == LOAD && now.accessed && !t->loads_pc && !t->updates_base
           && !(t->written & next->address_from);
}

/* `next` starts, and nothing of it is known but what it is. */
static void time_next(const thumb_t *next)
{
    bool shadow = false;

    if (now.insn) {
        bool taken = next->address != now.insn->address + now.insn->bytes;
        cycles += cost(now.insn, next, taken);
        shadow = shadows(now.insn, next);
    }
    memset(&now, 0, sizeof now);
    now.insn = next;
    now.behind_load = shadow;
}

/* The one before `next` is the last. */
static void time_last(const thumb_t *next)
{
    time_next(next);
    now.insn = NULL;
}

static void time_access(uint32_t address, unsigned bytes)
{
    now.accessed = true;
    if (address % bytes)
        now.misaligned += bytes == 4 && address % 2 ? 2 : 1;
}

static bool choose_model(const char *name)
{
    static const struct {
        const char *name;
        cost_t cost;
    } models[] = {{"cortex-m0plus", cost_m0plus}, {"cortex-m3", cost_m3}, {"cortex-m4", cost_m4}};

    for (unsigned k = 0; k < sizeof models / sizeof *models; k++)
        if (!strcmp(models[k].name, name))
            cost = models[k].cost;
    return cost;
}

#endif
