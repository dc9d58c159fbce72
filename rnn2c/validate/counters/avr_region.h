/*
 * The regions that avr_run counts: marks open and close them, each gives one line of JSON.
 *
 * Laps are counted from the begin of the region.  The marks themselves are never counted: a region
 * is what was executed after the begin mark and before the end mark.
 */
#ifndef RNN2C_AVR_REGION_H
#define RNN2C_AVR_REGION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum status {
    STATUS_USAGE = 120,    /* bad option, unknown MCU, unreadable file */
    STATUS_CRASH = 121,    /* access outside RAM, invalid instruction, PC outside the program */
    STATUS_STACK = 122,    /* the stack has reached .data or .bss */
    STATUS_CYCLES = 123,   /* MAXCYCLES executed, or a jump to itself: will never end */
    STATUS_MARKS = 124     /* begin inside a region, end outside, unknown mark, too many laps */
};

enum { MARK_BEGIN = 1, MARK_END = 2, MARK_LAP = 3, MARK_LAP_BIT = 4, MAX_LAPS = 256 };

typedef struct {
    uint64_t instructions, cycles;
} count_t;

typedef struct {
    uint32_t pc;
    uint16_t sp;
} place_t;

static struct {
    bool open;
    unsigned number;
    count_t begin;
    uint16_t begin_sp, lowest_sp;
    unsigned laps;
    count_t lap[MAX_LAPS];
} region;

static void __attribute__((noreturn, format(printf, 2, 3)))
fail(enum status status, const char *format, ...)
{
    va_list arguments;

    fflush(stdout);
    fputs("avr_run: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit((int)status);
}

static void print_laps(FILE *counts, const char *name, bool cycles)
{
    fprintf(counts, ", \"%s\": [", name);
    for (unsigned k = 0; k < region.laps; k++) {
        uint64_t value = cycles ? region.lap[k].cycles : region.lap[k].instructions;
        fprintf(counts, "%s%llu", k ? ", " : "", (unsigned long long)value);
    }
    fputc(']', counts);
}

static void print_region(FILE *counts, count_t total)
{
    fprintf(counts, "{\"region\": %u, \"instructions\": %llu, \"cycles\": %llu, \"stack\": %d",
            region.number, (unsigned long long)total.instructions,
            (unsigned long long)total.cycles, region.begin_sp - region.lowest_sp);
    print_laps(counts, "lap_instructions", false);
    print_laps(counts, "lap_cycles", true);
    fputs("}\n", counts);
    fflush(counts);
}

/* `before` and `after`: executed so far, without and with the marking instruction.  The counters
 * of a region start after its begin mark; each lap mark moves that start by its own cost. */
static void take_mark(FILE *counts, unsigned mark, place_t here, count_t before, count_t after)
{
    count_t inside = {before.instructions - region.begin.instructions,
                      before.cycles - region.begin.cycles};

    switch (mark) {
    case MARK_BEGIN:
        if (region.open)
            fail(STATUS_MARKS, "begin mark inside region %u, at 0x%04x", region.number,
                 here.pc);
        region.open = true;
        region.number++;
        region.laps = 0;
        region.begin = after;
        region.begin_sp = region.lowest_sp = here.sp;
        break;
    case MARK_END:
        if (!region.open)
            fail(STATUS_MARKS, "end mark outside a region, at 0x%04x", here.pc);
        region.open = false;
        print_region(counts, inside);
        break;
    case MARK_LAP:
    case MARK_LAP_BIT:
        if (!region.open)
            break;               /* the same object code also runs where nothing is counted */
        if (region.laps == MAX_LAPS)
            fail(STATUS_MARKS, "more than %d laps in region %u", MAX_LAPS, region.number);
        region.lap[region.laps++] = inside;
        region.begin.instructions += after.instructions - before.instructions;
        region.begin.cycles += after.cycles - before.cycles;
        break;
    default:
        fail(STATUS_MARKS, "unknown mark %u, at 0x%04x", mark, here.pc);
    }
}

#endif
