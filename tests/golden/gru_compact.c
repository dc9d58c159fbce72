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
            const int16_t r_pre = gru_shift_sat16(r_sum, 2); /* Q3.12 = sum / 2^2 */
            const uint8_t r = gru_lut_u8(gru_sigmoid_u8_table, r_pre); /* Q0.8 */
            const int16_t z_pre = gru_shift_sat16(z_sum, 2); /* Q3.12 = sum / 2^2 */
            const uint8_t z = gru_lut_u8(gru_sigmoid_u8_table, z_pre); /* Q0.8 */
            const int16_t nx = gru_shift_sat16(nx_sum, 2); /* Q3.12 = sum / 2^2 */
            const int16_t nh = gru_shift_sat16(nh_sum, 2); /* Q3.12 = sum / 2^2 */
            const int16_t nh_reset = gru_mul_u8(r, nh); /* r*nh: Q3.12 */
            const int16_t n_pre = gru_add_sat16(nx, nh_reset); /* Q3.12 */
            const int16_t n = gru_lut_slope(gru_tanh_q12_table, gru_tanh_q12_slope_table, n_pre); /* Q3.12 */
            const int16_t n_q14 = gru_times(n, 4); /* Q3.12 -> Q1.14 */
            const int16_t h_wide = gru_blend_u8(n_q14, s->rnn_h_wide[j], z); /* n + z*(h - n): Q1.14 */
            const int8_t h = gru_round_sat8(h_wide, 7); /* Q1.14 -> Q0.7 */
            rnn_h_new[j] = h;
            y[j] = h;
            s->rnn_h_wide[j] = h_wide;
        }
    }
    RNN2C_STAGE_END(1);

    s->now = (uint8_t)(now ^ 1u);
    return GRU_OK;
}
