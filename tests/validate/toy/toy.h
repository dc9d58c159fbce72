/* A model small enough to check by hand, with every kind of port.  Per step: h[j] = clamp(h[j] / 2
   + w[j] . x + bias[token]), n = n + 1, y = h.  finish: label = low bytes of n and of the sum of h.
   TOY_FAULT_... macros plant the defects that the verification tools must find. */
#ifndef TOY_H
#define TOY_H

#include <stddef.h>
#include <stdint.h>

#define TOY_MODEL_ID 0x70795431u
#define TOY_X_SIZE 3
#define TOY_TOKEN_SIZE 1
#define TOY_H0_SIZE 4
#define TOY_N0_SIZE 1
#define TOY_Y_SIZE 4
#define TOY_SUM_SIZE 1
#define TOY_LABEL_SIZE 2
#define TOY_SAVE_SIZE 16

typedef int8_t toy_x_t;
typedef uint16_t toy_token_t;
typedef int16_t toy_h0_t;
typedef int32_t toy_n0_t;
typedef int16_t toy_y_t;
typedef int32_t toy_sum_t;
typedef uint8_t toy_label_t;

typedef struct {
    int16_t h[TOY_H0_SIZE];
    int32_t n;
} toy_state_t;

int toy_init(toy_state_t *s, const toy_h0_t h0[TOY_H0_SIZE], const toy_n0_t n0[TOY_N0_SIZE]);
int toy_step(toy_state_t *s, const toy_x_t x[TOY_X_SIZE], const toy_token_t token[TOY_TOKEN_SIZE],
             toy_y_t y[TOY_Y_SIZE], toy_sum_t sum[TOY_SUM_SIZE]);
int toy_finish(const toy_state_t *s, toy_label_t label[TOY_LABEL_SIZE]);
int toy_run(toy_state_t *s, const toy_x_t *x, const toy_token_t *token, size_t steps, toy_y_t *y,
            toy_sum_t *sum, toy_label_t label[TOY_LABEL_SIZE]);
int toy_save(const toy_state_t *s, uint8_t image[TOY_SAVE_SIZE]);
int toy_restore(toy_state_t *s, const uint8_t image[TOY_SAVE_SIZE]);
int toy_from_raw(const int16_t raw[TOY_X_SIZE], toy_x_t x[TOY_X_SIZE]);
int toy_selftest(void);

#endif
