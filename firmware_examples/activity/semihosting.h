/* How this core asks a debugger, or an emulator, to do something. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

/* `operation`: its number in Arm's semihosting; `argument`: a text or a block of words. */
void semihost(uint32_t operation, const void *argument);

#endif
