/* The portable part of the activity demo: classify the recorded windows and print the answers. */
#ifndef DEMO_H
#define DEMO_H

/* Prints a NUL-terminated text wherever this board prints. */
typedef void demo_print_t(const char *text);

/* Runs the model over every window of windows.h, one sample at a time as a sensor would deliver
 * them, and prints one line per window.  Returns 0, or the negative code of the model's C. */
int demo_run(demo_print_t *print);

#endif
