/*
 * What a timing model has to know of a Thumb instruction, read from its encoding: its class, the
 * registers that matter for stalls, and how many it moves.  Included once, by thumb_timing.h.
 *
 * Encodings: Armv7-M Architecture Reference Manual (DDI 0403), chapters A5 to A7.  What is not told
 * apart here takes one cycle on every core that has a model.
 */
#ifndef RNN2C_THUMB_H
#define RNN2C_THUMB_H

#include <stdbool.h>
#include <stdint.h>

enum kind {
    DATA,                 /* data processing, moves, extensions, hints, IT */
    MULTIPLY,             /* 32-bit result, nothing or one register added */
    MULTIPLY_ADD,         /* MLA, MLS */
    MULTIPLY_LONG,        /* SMULL, UMULL */
    MULTIPLY_ADD_LONG,    /* SMLAL, UMLAL */
    DIVIDE,
    LOAD,
    STORE,
    LOAD_MANY,            /* LDM, POP, LDRD: `count` registers */
    STORE_MANY,           /* STM, PUSH, STRD */
    BRANCH,               /* B, BL, CBZ: the target is in the instruction */
    BRANCH_REGISTER,      /* BX, BLX, a move or addition to PC */
    TABLE_BRANCH,
    SYSTEM,               /* MRS, MSR, barriers */
    FLOAT,                /* single precision */
    FLOAT_MULTIPLY_ADD,
    FLOAT_DIVIDE,         /* and square root */
    FLOAT_LOAD,
    FLOAT_STORE,
    FLOAT_MANY,           /* VLDM, VSTM, VPUSH, VPOP: `count` words */
    FLOAT_PAIR,           /* VMOV of two core registers */
};

typedef struct {
    uint32_t address;
    uint8_t bytes;
    enum kind kind;
    uint8_t count;
    bool links;               /* BL */
    bool loads_pc;
    bool updates_base;        /* a load or store that writes its base register, too */
    bool register_offset;
    uint32_t written;         /* core registers it writes: r0 is bit 0 */
    uint32_t address_from;    /* core registers that its address is made of */
    uint32_t float_written;   /* the same for s0 to s31 */
    uint32_t float_read;
} thumb_t;

static uint32_t bit(unsigned number) { return (uint32_t)1 << number; }

static uint8_t ones(uint32_t word) { return (uint8_t)__builtin_popcount(word); }

/* ---- 16-bit instructions -------------------------------------------------------------------- */

static void single(thumb_t *t, bool loads, unsigned data, uint32_t address_from)
{
    t->kind = loads ? LOAD : STORE;
    t->written = loads ? bit(data) : 0;
    t->address_from = address_from;
}

static void many(thumb_t *t, bool loads, uint32_t list, unsigned base)
{
    t->kind = loads ? LOAD_MANY : STORE_MANY;
    t->count = ones(list);
    t->written = loads ? list : 0;
    t->loads_pc = loads && (list & bit(15));
    t->address_from = bit(base);
}

static void special_data(thumb_t *t, unsigned h)           /* 010001: high registers, BX, BLX */
{
    unsigned op = h >> 8 & 3, rd = (h >> 4 & 8) | (h & 7);

    if (op == 3 || (op != 1 && rd == 15))
        t->kind = BRANCH_REGISTER;
    else if (op != 1)
        t->written = bit(rd);
}

static void miscellaneous(thumb_t *t, unsigned h)          /* 1011 */
{
    if ((h & 0xF500) == 0xB100) {
        t->kind = BRANCH;                                  /* CBZ, CBNZ */
    } else if ((h & 0xFE00) == 0xB400) {
        many(t, false, (h & 0xFF) | (h & 0x100) << 6, 13); /* PUSH */
    } else if ((h & 0xFE00) == 0xBC00) {
        many(t, true, (h & 0xFF) | (h & 0x100) << 7, 13);  /* POP */
    } else if ((h & 0xFF00) == 0xB000) {
        t->written = bit(13);
    } else if ((h & 0xF700) == 0xB200) {
        t->written = bit(h & 7);                           /* extensions, reversals */
    }
}

static void decode_narrow(thumb_t *t, unsigned h)
{
    unsigned low = h & 7, middle = h >> 3 & 7, eight = h >> 8 & 7;

    t->bytes = 2;
    switch (h >> 12) {
    case 0x0: case 0x1: t->written = bit(low); break;
    case 0x2: case 0x3: t->written = (h >> 11) == 5 ? 0 : bit(eight); break;
    case 0x4:
        if (h & 0x800)
            single(t, true, eight, 0);                     /* from a literal pool */
        else if (h & 0x400)
            special_data(t, h);
        else if ((h >> 6 & 15) == 13)
            t->kind = MULTIPLY, t->written = bit(low);
        else if ((h >> 6 & 13) != 8 && (h >> 6 & 15) != 11)
            t->written = bit(low);                         /* not TST, CMP, CMN */
        break;
    case 0x5:
        single(t, (h >> 9 & 7) > 2, low, bit(middle) | bit(h >> 6 & 7));
        t->register_offset = true;
        break;
    case 0x6: case 0x7: case 0x8: single(t, h & 0x800, low, bit(middle)); break;
    case 0x9: single(t, h & 0x800, eight, bit(13)); break;
    case 0xA: t->written = bit(eight); break;
    case 0xB: miscellaneous(t, h); break;
    case 0xC: many(t, h & 0x800, h & 0xFF, eight); break;
    case 0xD: case 0xE: t->kind = BRANCH; break;
    }
}

/* ---- 32-bit instructions, core registers ---------------------------------------------------- */

static void wide_many(thumb_t *t, unsigned h, unsigned k)  /* 1110100 */
{
    if (!(h & 0x40)) {
        many(t, h & 0x10, k, h & 15);
    } else if ((h & 0xFFF0) == 0xE8D0 && (k & 0xFFE0) == 0xF000) {
        t->kind = TABLE_BRANCH;
        t->address_from = bit(h & 15) | bit(k & 15);
    } else if (!(h & 0x120)) {
        single(t, h & 0x10, k >> 12, bit(h & 15));         /* exclusive */
    } else {
        many(t, h & 0x10, bit(k >> 12) | bit(k >> 8 & 15), h & 15);
        t->count = 2;
        t->loads_pc = false;
    }
}

static void wide_single(thumb_t *t, unsigned h, unsigned k)        /* 1111100 */
{
    unsigned base = h & 15, data = k >> 12;
    bool is_word = (h >> 5 & 3) == 2, is_load = h & 0x10;
    bool immediate12 = (h & 0x80) || base == 15;

    if (is_load && data == 15 && !is_word)
        return;                                            /* PLD, PLI */
    single(t, is_load, data, base == 15 ? 0 : bit(base));
    t->loads_pc = is_load && data == 15;
    t->updates_base = !immediate12 && (k & 0x900) == 0x900;
    t->register_offset = !immediate12 && !(k & 0x800);
    if (t->register_offset)
        t->address_from |= bit(k & 15);
}

static void multiply(thumb_t *t, unsigned h, unsigned k)   /* 111110110 */
{
    bool plain = (h & 0x70) == 0;                          /* not one of the DSP extension */

    t->kind = plain && (k >> 12) != 15 ? MULTIPLY_ADD : MULTIPLY;
    t->written = bit(k >> 8 & 15);
}

static void multiply_long(thumb_t *t, unsigned h, unsigned k)      /* 111110111 */
{
    t->written = bit(k >> 8 & 15);
    if ((h & 0x50) == 0x10) {
        t->kind = DIVIDE;
        return;
    }
    t->written |= bit(k >> 12);
    t->kind = h & 0x40 ? MULTIPLY_ADD_LONG : MULTIPLY_LONG;
}

static void control(thumb_t *t, unsigned h, unsigned k)    /* 11110, then 1 */
{
    t->links = (k & 0xD000) == 0xD000;
    if ((k & 0xD000) == 0x8000 && (h & 0x380) == 0x380)
        t->kind = SYSTEM;
    else
        t->kind = BRANCH;
}

/* ---- 32-bit instructions, floating point ---------------------------------------------------- */

static uint32_t scalar(unsigned four, bool last) { return bit(four << 1 | last); }

static void float_data(thumb_t *t, unsigned h, unsigned k)
{
    unsigned op = h >> 4 & 11;
    bool is_other = op == 11, immediate = is_other && !(k & 0x40);
    bool compares = is_other && !immediate && (h & 14) == 4;
    uint32_t d = scalar(k >> 12, h & 0x40), n = scalar(h & 15, k & 0x80);
    uint32_t m = immediate ? 0 : scalar(k & 15, k & 0x20);

    t->kind = op < 2 || op == 9 || op == 10 ? FLOAT_MULTIPLY_ADD : FLOAT;
    if (op == 8 || (is_other && (h & 15) == 1 && (k & 0xC0) == 0xC0))
        t->kind = FLOAT_DIVIDE;
    t->float_written = compares ? 0 : d;
    t->float_read = m | (is_other ? 0 : n) | (compares || t->kind == FLOAT_MULTIPLY_ADD ? d : 0);
}

static void float_move(thumb_t *t, unsigned h, unsigned k) /* 111011 */
{
    bool to_core = h & 0x10;
    uint32_t d = scalar(k >> 12, h & 0x40);

    if ((h & 0xFFE0) == 0xEC40) {
        t->kind = FLOAT_PAIR;
        t->written = to_core ? bit(k >> 12) | bit(h & 15) : 0;
    } else if ((h & 0xFE00) == 0xEC00) {
        bool is_single = (h & 0x120) == 0x100;
        t->kind = !is_single ? FLOAT_MANY : to_core ? FLOAT_LOAD : FLOAT_STORE;
        t->count = (uint8_t)(k & 0xFF);
        t->address_from = bit(h & 15);
        t->float_read = t->kind == FLOAT_STORE ? d : 0;
    } else if (k & 0x10) {
        t->written = to_core && (k >> 12) != 15 ? bit(k >> 12) : 0;
        t->float_read = to_core ? scalar(h & 15, k & 0x80) : 0;
    } else {
        float_data(t, h, k);
    }
}

static void decode_wide(thumb_t *t, unsigned h, unsigned k)
{
    t->bytes = 4;
    if ((h & 0xEC00) == 0xEC00)
        float_move(t, h, k);
    else if ((h & 0xFE00) == 0xE800)
        wide_many(t, h, k);
    else if ((h & 0xF800) == 0xF000 && (k & 0x8000))
        control(t, h, k);
    else if ((h & 0xFE00) == 0xF800)
        wide_single(t, h, k);
    else if ((h & 0xFF80) == 0xFB00)
        multiply(t, h, k);
    else if ((h & 0xFF80) == 0xFB80)
        multiply_long(t, h, k);
    else
        t->written = bit(k >> 8 & 15);
}

/* The size comes from the first halfword: QEMU 7.2 reports 4 bytes for a 16-bit instruction that is
 * the last one of a page. */
static thumb_t decode(uint32_t address, const uint8_t *code)
{
    thumb_t t = {.address = address};
    unsigned h = (unsigned)(code[0] | code[1] << 8);

    if (h >> 11 < 0x1D)
        decode_narrow(&t, h);
    else
        decode_wide(&t, h, (unsigned)(code[2] | code[3] << 8));
    return t;
}

#endif
