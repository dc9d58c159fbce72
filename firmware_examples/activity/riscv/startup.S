/* Reset of a RISC-V core without any vendor files: stack, variables, main.
 * The memory symbols come from the linker script.  The demo enables no interrupt. */
    .section .reset, "ax"
    .global _start
_start:
    la sp, link_stack_top
    la a0, link_data_image
    la a1, link_data_start
    la a2, link_data_end
copy:
    bgeu a1, a2, clear
    lw a3, 0(a0)
    sw a3, 0(a1)
    addi a0, a0, 4
    addi a1, a1, 4
    j copy
clear:
    la a1, link_bss_start
    la a2, link_bss_end
next:
    bgeu a1, a2, ready
    sw zero, 0(a1)
    addi a1, a1, 4
    j next
ready:
    call main
stop:
    j stop
