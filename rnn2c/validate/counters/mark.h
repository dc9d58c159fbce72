/*
 * Marks for counting: RNN2C_COUNT_BEGIN() and RNN2C_COUNT_END() around the code to count.
 *
 * Include it before everything else (`-include mark.h`) in a bench build.  With
 * -DRNN2C_COUNT_STAGES every stage of the model's step ends with a lap mark.  A mark changes no
 * register; qemu_count.c (Arm, RISC-V) and avr_run.c (AVR) leave it out of the counts.
 */
#ifndef RNN2C_MARK_H
#define RNN2C_MARK_H

#define RNN2C_MARK(instruction) __asm__ __volatile__(instruction ::: "memory")

#if defined(__arm__)
#define RNN2C_COUNT_BEGIN() RNN2C_MARK("mov r10, r10")
#define RNN2C_COUNT_END() RNN2C_MARK("mov r11, r11")
#define RNN2C_COUNT_LAP() RNN2C_MARK("mov r12, r12")
#elif defined(__riscv)
#define RNN2C_COUNT_BEGIN() RNN2C_MARK(".4byte 0x00a00013 # addi x0, x0, 10")
#define RNN2C_COUNT_END() RNN2C_MARK(".4byte 0x00b00013 # addi x0, x0, 11")
#define RNN2C_COUNT_LAP() RNN2C_MARK(".4byte 0x00c00013 # addi x0, x0, 12")
#elif defined(__AVR__)
#define RNN2C_COUNT_BEGIN() RNN2C_MARK("sbi 0x1e, 0 ; GPIOR0 bit 0")
#define RNN2C_COUNT_END() RNN2C_MARK("sbi 0x1e, 1 ; GPIOR0 bit 1")
#define RNN2C_COUNT_LAP() RNN2C_MARK("sbi 0x1e, 2 ; GPIOR0 bit 2")
#else
#error "counting works on Arm (Thumb), RISC-V and AVR only"
#endif

#ifdef RNN2C_COUNT_STAGES
#define RNN2C_STAGE_END(stage) RNN2C_COUNT_LAP()
#endif

#endif
