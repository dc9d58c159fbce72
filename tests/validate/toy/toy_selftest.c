/* The self-test of the toy: one step by hand. */
#include "toy.h"

int toy_selftest(void)
{
    static const toy_x_t x[TOY_X_SIZE] = {1, 0, 0};
    static const toy_token_t token[TOY_TOKEN_SIZE] = {0};
    toy_state_t s;
    toy_y_t y[TOY_Y_SIZE];
    toy_sum_t sum[TOY_SUM_SIZE];
    (void)toy_init(&s, NULL, NULL);
    (void)toy_step(&s, x, token, y, sum);
#ifdef TOY_FAULT_SELFTEST
    y[0] = 0;
#endif
    return y[0] == 3 && y[1] == -128 && y[2] == 77 && y[3] == 1 ? 0 : 1;
}
