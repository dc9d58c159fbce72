int gru_step(gru_state_t *s, const gru_x_t x[GRU_X_SIZE], gru_y_t y[GRU_Y_SIZE])
{
    if ((s == NULL) || (x == NULL) || (y == NULL)) {
        return GRU_ERROR_NULL;
    }
    const uint8_t now = (uint8_t)(s->now & 1u);
    const int8_t *const rnn_h = s->rnn_h[now];
    int8_t *const rnn_h_new = s->rnn_h[now ^ 1u];

    { /* limit 'x' to [-512, 511] */
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            const int32_t q = gru_clamp(x[j], -512, 511);
            s->x_limited[j] = (int16_t)q;
        }
    }
    RNN2C_STAGE_END(0);

    { /* rnn: GRU gates r z; n = tanh(nx + r*nh); h' = n + z*(h - n) */
        const int8_t *w = gru_rnn_weights;
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            int32_t r_sum = RNN2C_READ_I16(&gru_rnn_bias[4u * j]);
            int32_t z_sum = RNN2C_READ_I16(&gru_rnn_bias[(4u * j) + 1u]);
            int32_t nx_sum = RNN2C_READ_I16(&gru_rnn_bias[(4u * j) + 2u]);
            int32_t nh_sum = RNN2C_READ_I16(&gru_rnn_bias[(4u * j) + 3u]);
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* model input 'x', limited */
                const int16_t v = s->x_limited[k];
                r_sum += (int32_t)RNN2C_READ_I8(&w[0]) * v;
                z_sum += (int32_t)RNN2C_READ_I8(&w[1]) * v;
                nx_sum += (int32_t)RNN2C_READ_I8(&w[2]) * v;
                w += 3;
            }
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* hidden state, Q0.7 */
                const int8_t v = rnn_h[k];
                r_sum += RNN2C_READ_I8(&w[0]) * v;
                z_sum += RNN2C_READ_I8(&w[1]) * v;
                nh_sum += RNN2C_READ_I8(&w[2]) * v;
                w += 3;
            }
            const int32_t r_pre = gru_requantize(r_sum, RNN2C_READ_U16(&gru_rnn_multiplier[4u * j]), 18); /* Q3.12 = sum * multiplier / 2^18 */
            const int16_t r_index = gru_shift_sat(r_pre, 7, 9); /* Q3.5 */
            const int16_t r = gru_look(gru_sigmoid_direct_table, r_index, 256); /* Q0.15 */
            const int32_t z_pre = gru_requantize(z_sum, RNN2C_READ_U16(&gru_rnn_multiplier[(4u * j) + 1u]), 20); /* Q3.12 = sum * multiplier / 2^20 */
            const int16_t z_index = gru_shift_sat(z_pre, 7, 9); /* Q3.5 */
            const int16_t z = gru_look(gru_sigmoid_direct_table, z_index, 256); /* Q0.15 */
            const int32_t nx_wide = gru_requantize(nx_sum, RNN2C_READ_U16(&gru_rnn_multiplier[(4u * j) + 2u]), 18); /* Q3.12 = sum * multiplier / 2^18 */
            const int16_t nx = gru_sat16(nx_wide);
            const int32_t nh_wide = gru_requantize(nh_sum, RNN2C_READ_U16(&gru_rnn_multiplier[(4u * j) + 3u]), 18); /* Q3.12 = sum * multiplier / 2^18 */
            const int16_t nh = gru_sat16(nh_wide);
            const int32_t nh_reset = gru_mul_round(r, nh, 15); /* r*nh: Q0.15 * Q3.12 -> Q3.12 */
            const int32_t n_both = gru_add(nx, nh_reset);
            const int16_t n_index = gru_shift_sat(n_both, 6, 9); /* Q2.6 */
            const int16_t n = gru_look(gru_tanh_direct_table, n_index, 256); /* Q0.15 */
            const int16_t h_wide = gru_blend(n, s->rnn_h_wide[j], z); /* n + z*(h - n): Q0.15 */
            const int32_t h_q7 = gru_round_shift(h_wide, 8); /* Q0.15 -> Q0.7 */
            const int8_t h = gru_sat8(h_q7);
            rnn_h_new[j] = h;
            y[j] = h;
            s->rnn_h_wide[j] = h_wide;
        }
    }
    RNN2C_STAGE_END(1);

    s->now = (uint8_t)(now ^ 1u);
    return GRU_OK;
}
