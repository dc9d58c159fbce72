/* The activity demo on a Cortex-M4, printing through Arm semihosting.
 *
 * Under QEMU (machine mps2-an386) the text appears on the terminal and the exit code is the
 * demo's.  On a board, semihosting needs a debugger: without one the BKPT below faults.  To run
 * stand-alone, let print_text write to a UART instead and drop the call of leave(). */
#include <stdint.h>

#include "demo.h"

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static void print_text(const char *text)
{
    semihost(SYS_WRITE0, text);
}

static void leave(uint32_t exit_code)
{
    const uint32_t reason[2] = {APPLICATION_EXIT, exit_code};
    semihost(SYS_EXIT_EXTENDED, reason);
}

int main(void)
{
    const int code = demo_run(print_text);
    leave(code < 0 ? 1u : 0u);
    return code;
}
