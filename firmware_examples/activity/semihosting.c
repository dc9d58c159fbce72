/* The activity demo on a bare core that prints through semihosting.
 *
 * Under QEMU the text appears on the terminal and the exit code is the demo's.  On a board,
 * semihosting needs a debugger: without one its breakpoint faults.  To run stand-alone, let
 * print_text write to a UART instead and drop the call of leave(). */
#include "semihosting.h"

#include <stdint.h>

#include "demo.h"

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

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
