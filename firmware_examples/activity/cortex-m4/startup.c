/* Reset and vector table of a Cortex-M without any vendor files.
 * The memory symbols come from the linker script. */
#include <stdint.h>

extern uint32_t link_data_image[];
extern uint32_t link_data_start[];
extern uint32_t link_data_end[];
extern uint32_t link_bss_start[];
extern uint32_t link_bss_end[];
extern uint32_t link_stack_top[];

int main(void);
void reset_handler(void);

static void stop(void)
{
    for (;;) {
    }
}

void reset_handler(void)
{
    const uint32_t *from = link_data_image;
    for (uint32_t *to = link_data_start; to < link_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = link_bss_start; to < link_bss_end; to++) {
        *to = 0;
    }
    (void)main();
    stop();
}

/* The 15 system exceptions; the demo enables no interrupt.  A fault stops in a debugger-friendly
 * endless loop: replace it with the product's own policy. */
struct vector_table {
    const uint32_t *stack_top;
    void (*handlers[15])(void);
};

extern const struct vector_table vectors;
const struct vector_table vectors __attribute__((section(".vectors"), used)) = {
    link_stack_top,
    {reset_handler, stop, stop, stop, stop, stop, 0, 0, 0, 0, stop, stop, 0, stop, stop},
};
