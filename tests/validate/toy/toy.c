/* See toy.h. */
#include "toy.h"

#include <string.h>

#ifdef __AVR__
#include <avr/pgmspace.h>
#define STORED PROGMEM
#define LOAD_S8(p) ((int8_t)pgm_read_byte(p))
#define LOAD_S16(p) ((int16_t)pgm_read_word(p))
#else
#define STORED
#define LOAD_S8(p) (*(p))
#define LOAD_S16(p) (*(p))
#endif

#define TOKENS 5u

static const int8_t toy_weights[TOY_H0_SIZE][TOY_X_SIZE] STORED = {
    {3, -7, 120}, {-128, 5, 9}, {77, 88, -99}, {1, 2, 127}};
static const int16_t toy_bias[TOKENS] STORED = {0, -300, 25000, -32768, 4096};

#ifdef TOY_FAULT_STACK
__attribute__((noinline)) static int32_t recurse(volatile int32_t *p)
{
    volatile int32_t here[8];
    here[0] = *p + 1;
    return here[0] == 0 ? 0 : recurse(here) + here[0];
}
#endif

#ifdef TOY_FAULT_EXIT
#include <stdlib.h>
#endif

#ifdef TOY_FAULT_GLOBAL
static int16_t shared;
#endif

static int16_t clamp(int32_t v)
{
    return (int16_t)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
}

/* Each defect shows at the sixth step of a sequence. */
static void fault(toy_state_t *s)
{
    if (s->n != 5) {
        return;
    }
#ifdef TOY_FAULT_VALUE
    s->h[2] = (int16_t)(s->h[2] ^ 1);
#endif
#ifdef TOY_FAULT_LOOP
    for (;;) {
        volatile int32_t *n = &s->n;
        *n = 5;
    }
#endif
#ifdef TOY_FAULT_ADDRESS
    *(volatile int16_t *)(uintptr_t)TOY_FAULT_ADDRESS = 1;
#endif
#ifdef TOY_FAULT_UNALIGNED
    {
        const volatile uintptr_t odd = (uintptr_t)s->h + 1u;
        *(volatile int16_t *)odd = 1;
    }
#endif
#ifdef TOY_FAULT_STACK
    s->n = recurse(&s->n);
#endif
#ifdef TOY_FAULT_EXIT
    exit(0);
#endif
}

int toy_init(toy_state_t *s, const toy_h0_t h0[TOY_H0_SIZE], const toy_n0_t n0[TOY_N0_SIZE])
{
    size_t j;
    if (s == NULL) {
#ifdef TOY_FAULT_NULL
        return 0;
#else
        return -1;
#endif
    }
    for (j = 0; j < TOY_H0_SIZE; j++) {
        s->h[j] = h0 != NULL ? h0[j] : (int16_t)0;
    }
#ifdef TOY_FAULT_INIT
    (void)n0;
#else
    s->n = n0 != NULL ? n0[0] : 0;
#endif
    return 0;
}

int toy_step(toy_state_t *s, const toy_x_t x[TOY_X_SIZE], const toy_token_t token[TOY_TOKEN_SIZE],
             toy_y_t y[TOY_Y_SIZE], toy_sum_t sum[TOY_SUM_SIZE])
{
    size_t j;
    size_t k;
    if (s == NULL || x == NULL || token == NULL || y == NULL || sum == NULL) {
        return -1;
    }
    if (token[0] >= TOKENS) {
        return -3;
    }
    sum[0] = 0;
    for (j = 0; j < TOY_H0_SIZE; j++) {
        int32_t v = s->h[j] / 2 + (int32_t)LOAD_S16(&toy_bias[token[0]]);
        for (k = 0; k < TOY_X_SIZE; k++) {
            v += (int16_t)LOAD_S8(&toy_weights[j][k]) * (int16_t)x[k];
        }
#ifdef TOY_FAULT_GLOBAL
        v += shared;
        shared = (int16_t)(v & 3);
#endif
        s->h[j] = clamp(v);
        y[j] = s->h[j];
        sum[0] += s->h[j];
    }
    fault(s);
    s->n += 1;
    return 0;
}

int toy_finish(const toy_state_t *s, toy_label_t label[TOY_LABEL_SIZE])
{
    int32_t sum = 0;
    size_t j;
    if (s == NULL || label == NULL) {
        return -1;
    }
    for (j = 0; j < TOY_H0_SIZE; j++) {
        sum += s->h[j];
    }
#ifdef TOY_FAULT_FINISH
    ((toy_state_t *)(uintptr_t)s)->h[0] = 0;
#endif
    label[0] = (uint8_t)((uint32_t)s->n & 255u);
    label[1] = (uint8_t)((uint32_t)sum & 255u);
    return 0;
}

int toy_run(toy_state_t *s, const toy_x_t *x, const toy_token_t *token, size_t steps, toy_y_t *y,
            toy_sum_t *sum, toy_label_t label[TOY_LABEL_SIZE])
{
    size_t t;
    for (t = 0; t < steps; t++) {
        int code = toy_step(s, x + t * TOY_X_SIZE, token + t, y + t * TOY_Y_SIZE, sum + t);
        if (code < 0) {
            return code;
        }
    }
#ifdef TOY_FAULT_RUN
    s->h[3] = 7;
#endif
    return toy_finish(s, label);
}

static void put_u32(uint8_t *p, uint32_t v)
{
    size_t i;
    for (i = 0; i < 4; i++) {
        p[i] = (uint8_t)((v >> (8u * i)) & 255u);
    }
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int toy_save(const toy_state_t *s, uint8_t image[TOY_SAVE_SIZE])
{
    size_t j;
    if (s == NULL || image == NULL) {
        return -1;
    }
    put_u32(image, TOY_MODEL_ID);
    for (j = 0; j < TOY_H0_SIZE; j++) {
        image[4 + 2 * j] = (uint8_t)((uint16_t)s->h[j] & 255u);
        image[5 + 2 * j] = (uint8_t)((uint16_t)s->h[j] >> 8);
    }
    put_u32(image + 12, (uint32_t)s->n);
    return 0;
}

int toy_restore(toy_state_t *s, const uint8_t image[TOY_SAVE_SIZE])
{
    uint32_t n;
    size_t j;
    if (s == NULL || image == NULL) {
        return -1;
    }
#ifndef TOY_FAULT_RESTORE
    if (get_u32(image) != TOY_MODEL_ID) {
        return -4;
    }
#endif
    for (j = 0; j < TOY_H0_SIZE; j++) {
        uint16_t h = (uint16_t)((uint16_t)image[4 + 2 * j] | (uint16_t)image[5 + 2 * j] << 8);
        memcpy(&s->h[j], &h, sizeof h);
    }
    n = get_u32(image + 12);
#ifdef TOY_FAULT_SAVE
    n = 0;
#endif
    memcpy(&s->n, &n, sizeof n);
    return 0;
}

int toy_from_raw(const int16_t raw[TOY_X_SIZE], toy_x_t x[TOY_X_SIZE])
{
    size_t k;
    for (k = 0; k < TOY_X_SIZE; k++) {
        x[k] = (int8_t)(raw[k] / 256);
    }
    return 0;
}
