/* The activity demo on a bare RISC-V core, printing through semihosting.
 *
 * Under QEMU (machine virt) the text appears on the terminal and the exit code is the demo's.  On a
 * board, semihosting needs a debugger: let print_text write to a UART instead and drop leave(). */
#include <stdint.h>

#include "demo.h"

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

/* The two shifts around ebreak, all three of four bytes, are how a debugger knows the call. */
static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".balign 16\n\t"
                     ".option push\n\t"
                     ".option norvc\n\t"
                     "slli x0, x0, 0x1f\n\t"
                     "ebreak\n\t"
                     "srai x0, x0, 7\n\t"
                     ".option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
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
