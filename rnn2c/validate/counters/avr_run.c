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
 * avr_region.h says what is counted.  `stack` is the number of bytes by which SP went below its
 * value at the begin mark.
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

#include "avr_region.h"

enum { MARK_ADDRESS = 0x3E, CONSOLE_ADDRESS = 0x4A, EXIT_ADDRESS = 0x4B, DATA_SPACE = 0x800000 };

static struct {
    avr_t *avr;
    FILE *counts;
    uint64_t executed;           /* instructions since reset */
    uint16_t static_end;         /* first RAM address after .data, .bss and .noinit */
    uint8_t mark;                /* written by the instruction in progress, 0 = none */
    int exit_code;               /* -1: still running */
    char fault[200];             /* what the simulator complained about, "" = nothing */
} run;

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

/* ---- the stack ------------------------------------------------------------------------------ */

static uint16_t stack_pointer(void)
{
    return (uint16_t)(run.avr->data[R_SPL] | run.avr->data[R_SPH] << 8);
}

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
    if (run.mark) {
        place_t here = {avr->pc, stack_pointer()};
        take_mark(run.counts, run.mark, here, before, executed());
        run.mark = 0;
    }
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
