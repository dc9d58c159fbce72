int rnn_step(rnn_state_t *s, const rnn_x_t x[RNN_X_SIZE], rnn_y_t y[RNN_Y_SIZE])
{
    if ((s == NULL) || (x == NULL) || (y == NULL)) {
        return RNN_ERROR_NULL;
    }
    const uint8_t now = (uint8_t)(s->now & 1u);
    const int8_t *const rnn_h = s->rnn_h[now];
    int8_t *const rnn_h_new = s->rnn_h[now ^ 1u];

    { /* limit 'x' to [-512, 511] */
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            const int32_t q = rnn_clamp(x[j], -512, 511);
            s->x_limited[j] = (int16_t)q;
        }
    }
    RNN2C_STAGE_END(0);

    { /* rnn: RNN h' = tanh(W x + U h) */
        const int8_t *w = rnn_rnn_weights;
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            int32_t h_sum = RNN2C_READ_I16(&rnn_rnn_bias[j]);
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* model input 'x', limited */
                const int16_t v = s->x_limited[k];
                h_sum += (int32_t)RNN2C_READ_I8(&w[0]) * v;
                w += 1;
            }
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* hidden state, Q0.7 */
                const int8_t v = rnn_h[k];
                h_sum += RNN2C_READ_I8(&w[0]) * v;
                w += 1;
            }
            const int32_t h_pre_wide = rnn_requantize(h_sum, RNN2C_READ_U16(&rnn_rnn_multiplier[j]), 18); /* Q3.12 = sum * multiplier / 2^18 */
            const int16_t h_pre = rnn_sat16(h_pre_wide);
            const int16_t h_tanh = rnn_lut(rnn_tanh_table, h_pre); /* Q0.15 */
            const int32_t h_q7 = rnn_round_shift(h_tanh, 8); /* Q0.15 -> Q0.7 */
            const int8_t h = rnn_sat8(h_q7);
            rnn_h_new[j] = h;
            y[j] = h;
        }
    }
    RNN2C_STAGE_END(1);

    s->now = (uint8_t)(now ^ 1u);
    return RNN_OK;
}
