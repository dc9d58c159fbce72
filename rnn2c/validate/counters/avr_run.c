/*
 * avr_run: runs an AVR program on simavr, one instruction at a time, and counts exactly.
 *
 *   avr_run -m MCU [-f HZ] [-c MAXCYCLES] [-o COUNTS] file.elf
 *
 * What the program says to the runner (data addresses, the same on every classic ATmega):
 *
 *   GPIOR0 (0x3E)  mark: 1 = begin of a region, 2 = end, 3 or 4 = lap.  Reads back as 0, so that
 *                  SBI of bit 0, 1 or 2 writes 1, 2 or 4 and no register is needed for a mark.
 *   GPIOR1 (0x4A)  one character to stdout
 *   GPIOR2 (0x4B)  exit with this code (0..119)
 *
 * Each region gives one line of JSON in COUNTS (default: stderr):
 *
 *   {"region": 1, "instructions": 9, "cycles": 14, "stack": 6,
 *    "lap_instructions": [4], "lap_cycles": [5]}
 *
 * Laps are counted from the begin of the region.  The marks themselves are never counted: a region
 * is what was executed after the begin mark and before the end mark.  `stack` is the number of
 * bytes by which SP went below its value at the begin mark.
 *
 * Exit status: the program's own, or one of `enum status` with one line on stderr.  Interrupts and
 * timers do not run.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>

enum status {
    STATUS_USAGE = 120,    /* bad option, unknown MCU, unreadable file */
    STATUS_CRASH = 121,    /* access outside RAM, invalid instruction, PC outside the program */
    STATUS_STACK = 122,    /* the stack has reached .data or .bss */
    STATUS_CYCLES = 123,   /* MAXCYCLES executed, or a jump to itself: will never end */
    STATUS_MARKS = 124     /* begin inside a region, end outside, unknown mark, too many laps */
};

enum { MARK_ADDRESS = 0x3E, CONSOLE_ADDRESS = 0x4A, EXIT_ADDRESS = 0x4B };
enum { MARK_BEGIN = 1, MARK_END = 2, MARK_LAP = 3, MARK_LAP_BIT = 4 };
enum { MAX_LAPS = 256, DATA_SPACE = 0x800000 };

typedef struct {
    uint64_t instructions, cycles;
} count_t;

static struct {
    avr_t *avr;
    FILE *counts;
    uint64_t executed;           /* instructions since reset */
    uint16_t static_end;         /* first RAM address after .data, .bss and .noinit */
    uint8_t mark;                /* written by the instruction in progress, 0 = none */
    int exit_code;               /* -1: still running */
    char fault[200];             /* what the simulator complained about, "" = nothing */
} run;

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

/* ---- registers that the program writes ------------------------------------------------------ */

static void on_mark(struct avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)unused;
    avr->data[address] = 0;
    run.mark = value;
}

static void on_console(struct avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)avr, (void)address, (void)unused;
    putchar(value);
}

static void on_exit_code(struct avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused)
{
    (void)avr, (void)address, (void)unused;
    run.exit_code = value;
}

/* ---- regions -------------------------------------------------------------------------------- */

static uint16_t stack_pointer(void)
{
    return (uint16_t)(run.avr->data[R_SPL] | run.avr->data[R_SPH] << 8);
}

static void print_laps(const char *name, bool cycles)
{
    fprintf(run.counts, ", \"%s\": [", name);
    for (unsigned k = 0; k < region.laps; k++) {
        uint64_t value = cycles ? region.lap[k].cycles : region.lap[k].instructions;
        fprintf(run.counts, "%s%llu", k ? ", " : "", (unsigned long long)value);
    }
    fputc(']', run.counts);
}

static void print_region(count_t total)
{
    fprintf(run.counts, "{\"region\": %u, \"instructions\": %llu, \"cycles\": %llu, \"stack\": %d",
            region.number, (unsigned long long)total.instructions,
            (unsigned long long)total.cycles, region.begin_sp - region.lowest_sp);
    print_laps("lap_instructions", false);
    print_laps("lap_cycles", true);
    fputs("}\n", run.counts);
    fflush(run.counts);
}

/* `before` and `after`: executed so far, without and with the marking instruction.  The counters
 * of a region start after its begin mark; each lap mark moves that start by its own cost. */
static void take_mark(count_t before, count_t after)
{
    count_t inside = {before.instructions - region.begin.instructions,
                      before.cycles - region.begin.cycles};

    switch (run.mark) {
    case MARK_BEGIN:
        if (region.open)
            fail(STATUS_MARKS, "begin mark inside region %u, at 0x%04x", region.number,
                 run.avr->pc);
        region.open = true;
        region.number++;
        region.laps = 0;
        region.begin = after;
        region.begin_sp = region.lowest_sp = stack_pointer();
        break;
    case MARK_END:
        if (!region.open)
            fail(STATUS_MARKS, "end mark outside a region, at 0x%04x", run.avr->pc);
        region.open = false;
        print_region(inside);
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
        fail(STATUS_MARKS, "unknown mark %u, at 0x%04x", run.mark, run.avr->pc);
    }
    run.mark = 0;
}

/* ---- the stack ------------------------------------------------------------------------------ */

/* True after instructions that leave SP in a consistent state and may have lowered it.  Writing
 * SPH comes first in compiled code, and between it and SPL the value means nothing. */
static bool lowers_stack(uint16_t opcode)
{
    return (opcode & 0xFE0F) == 0x920F        /* PUSH */
           || (opcode & 0xFE0E) == 0x940E     /* CALL */
           || (opcode & 0xF000) == 0xD000     /* RCALL */
           || opcode == 0x9509                /* ICALL */
           || opcode == 0x9519                /* EICALL */
           || (opcode & 0xFE0F) == 0xBE0D;    /* OUT SPL, r16..r31 or r0..r15 */
}

static void watch_stack(avr_flashaddr_t pc)
{
    uint16_t sp = stack_pointer();

    /* SP points at the next free byte, so the lowest byte in use is sp + 1. */
    if (sp + 1 < run.static_end)
        fail(STATUS_STACK, "stack overflow: SP 0x%04x is below the end of .bss 0x%04x, at 0x%04x",
             sp, run.static_end, pc);
    if (sp < region.lowest_sp)
        region.lowest_sp = sp;
}

/* ---- running -------------------------------------------------------------------------------- */

/* Keeps the first error of the simulator core; warnings and traces are of no interest here. */
static void keep_fault(struct avr_t *avr, const int level, const char *format, va_list arguments)
{
    (void)avr;
    if (level != LOG_ERROR || run.fault[0])
        return;
    vsnprintf(run.fault, sizeof run.fault, format, arguments);
    for (char *c = run.fault; *c; c++)
        if (*c == '\n' || *c == '\r' || *c == '\033')
            *c = ' ';
}

static count_t executed(void)
{
    return (count_t){run.executed, run.avr->cycle};
}

static void step_one(void)
{
    avr_t *avr = run.avr;
    avr_flashaddr_t pc = avr->pc;
    count_t before = executed();

    if (pc + 1 >= avr->codeend)
        fail(STATUS_CRASH, "crash: PC 0x%04x is outside the program", pc);
    uint16_t opcode = (uint16_t)(avr->flash[pc] | avr->flash[pc + 1] << 8);

    avr->run_cycle_count = 1;    /* return after one instruction */
    avr->pc = avr_run_one(avr);
    run.executed++;

    if (run.fault[0] || avr->state != cpu_Running)
        fail(STATUS_CRASH, "crash: %s (state %d), at 0x%04x",
             run.fault[0] ? run.fault : "the core stopped", avr->state, pc);
    if (run.mark)
        take_mark(before, executed());
    if (lowers_stack(opcode))
        watch_stack(pc);
    if (opcode == 0xCFFF && run.exit_code < 0)
        fail(STATUS_CYCLES, "the program stopped in a jump to itself, at 0x%04x", pc);
}

static int run_program(uint64_t max_cycles)
{
    run.avr->state = cpu_Running;
    while (run.exit_code < 0) {
        if (run.avr->cycle >= max_cycles)
            fail(STATUS_CYCLES, "not finished after %llu cycles, at 0x%04x",
                 (unsigned long long)max_cycles, run.avr->pc);
        step_one();
    }
    if (region.open)
        fail(STATUS_MARKS, "the program ended inside region %u", region.number);
    return run.exit_code;
}

/* ---- start-up ------------------------------------------------------------------------------- */

static uint16_t static_end(const elf_firmware_t *firmware, const char *path)
{
    for (uint32_t k = 0; k < firmware->symbolcount; k++)
        if (!strcmp(firmware->symbol[k]->symbol, "_end"))
            return (uint16_t)(firmware->symbol[k]->addr - DATA_SPACE);
    fail(STATUS_USAGE, "%s has no symbol _end: link it with avr-gcc, do not strip it", path);
}

static void load(const char *mcu, uint32_t frequency, const char *path)
{
    static elf_firmware_t firmware;

    if (access(path, R_OK) || elf_read_firmware(path, &firmware))
        fail(STATUS_USAGE, "cannot read the ELF file %s", path);
    run.avr = avr_make_mcu_by_name(mcu);
    if (!run.avr)
        fail(STATUS_USAGE, "simavr has no MCU named %s", mcu);
    avr_init(run.avr);
    firmware.frequency = frequency;
    avr_load_firmware(run.avr, &firmware);
    run.static_end = static_end(&firmware, path);
    run.fault[0] = 0;
    avr_register_io_write(run.avr, MARK_ADDRESS, on_mark, NULL);
    avr_register_io_write(run.avr, CONSOLE_ADDRESS, on_console, NULL);
    avr_register_io_write(run.avr, EXIT_ADDRESS, on_exit_code, NULL);
}

static uint64_t number(const char *text, const char *option)
{
    char *end;

    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || *end || end == text || value == 0)
        fail(STATUS_USAGE, "option %s wants a positive number, not '%s'", option, text);
    return value;
}

int main(int argc, char **argv)
{
    const char *mcu = NULL;
    uint64_t frequency = 16000000, max_cycles = 10000000000;
    int option;

    run.exit_code = -1;
    run.counts = stderr;
    while ((option = getopt(argc, argv, "m:f:c:o:")) != -1) {
        switch (option) {
        case 'm': mcu = optarg; break;
        case 'f': frequency = number(optarg, "-f"); break;
        case 'c': max_cycles = number(optarg, "-c"); break;
        case 'o':
            run.counts = fopen(optarg, "w");
            if (!run.counts)
                fail(STATUS_USAGE, "cannot write %s: %s", optarg, strerror(errno));
            break;
        default: mcu = NULL; optind = argc; break;
        }
    }
    if (!mcu || optind != argc - 1)
        fail(STATUS_USAGE, "usage: avr_run -m MCU [-f HZ] [-c MAXCYCLES] [-o COUNTS] file.elf");
    avr_global_logger_set(keep_fault);
    load(mcu, (uint32_t)frequency, argv[optind]);
    return run_program(max_cycles);
}
