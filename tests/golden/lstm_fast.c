int lstm_step(lstm_state_t *s, const lstm_x_t x[LSTM_X_SIZE], lstm_y_t y[LSTM_Y_SIZE])
{
    if ((s == NULL) || (x == NULL) || (y == NULL)) {
        return LSTM_ERROR_NULL;
    }
    const uint8_t now = (uint8_t)(s->now & 1u);
    const int8_t *const rnn_h = s->rnn_h[now];
    int8_t *const rnn_h_new = s->rnn_h[now ^ 1u];

    { /* limit 'x' to [-512, 511] */
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            const int32_t q = lstm_clamp(x[j], -512, 511);
            s->x_limited[j] = (int16_t)q;
        }
    }
    RNN2C_STAGE_END(0);

    { /* rnn: LSTM gates i f g o; c' = f*c + i*g; h' = o*tanh(c') */
        const int8_t *w = lstm_rnn_weights;
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            int32_t i_sum = RNN2C_READ_I16(&lstm_rnn_bias[4u * j]);
            int32_t f_sum = RNN2C_READ_I16(&lstm_rnn_bias[(4u * j) + 1u]);
            int32_t g_sum = RNN2C_READ_I16(&lstm_rnn_bias[(4u * j) + 2u]);
            int32_t o_sum = RNN2C_READ_I16(&lstm_rnn_bias[(4u * j) + 3u]);
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* model input 'x', limited */
                const int16_t v = s->x_limited[k];
                i_sum += (int32_t)RNN2C_READ_I8(&w[0]) * v;
                f_sum += (int32_t)RNN2C_READ_I8(&w[1]) * v;
                g_sum += (int32_t)RNN2C_READ_I8(&w[2]) * v;
                o_sum += (int32_t)RNN2C_READ_I8(&w[3]) * v;
                w += 4;
            }
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* hidden state, Q0.7 */
                const int8_t v = rnn_h[k];
                i_sum += RNN2C_READ_I8(&w[0]) * v;
                f_sum += RNN2C_READ_I8(&w[1]) * v;
                g_sum += RNN2C_READ_I8(&w[2]) * v;
                o_sum += RNN2C_READ_I8(&w[3]) * v;
                w += 4;
            }
            const int32_t i_pre = lstm_requantize(i_sum, RNN2C_READ_U16(&lstm_rnn_multiplier[4u * j]), 18); /* Q3.12 = sum * multiplier / 2^18 */
            const int16_t i_index = lstm_shift_sat(i_pre, 7, 9); /* Q3.5 */
            const int16_t i = lstm_look(lstm_sigmoid_direct_table, i_index, 256); /* Q0.15 */
            const int32_t f_pre = lstm_requantize(f_sum, RNN2C_READ_U16(&lstm_rnn_multiplier[(4u * j) + 1u]), 19); /* Q3.12 = sum * multiplier / 2^19 */
            const int16_t f_index = lstm_shift_sat(f_pre, 7, 9); /* Q3.5 */
            const int16_t f = lstm_look(lstm_sigmoid_direct_table, f_index, 256); /* Q0.15 */
            const int32_t g_pre = lstm_requantize(g_sum, RNN2C_READ_U16(&lstm_rnn_multiplier[(4u * j) + 2u]), 19); /* Q3.12 = sum * multiplier / 2^19 */
            const int16_t g_index = lstm_shift_sat(g_pre, 6, 9); /* Q2.6 */
            const int16_t g = lstm_look(lstm_tanh_direct_table, g_index, 256); /* Q0.15 */
            const int32_t o_pre = lstm_requantize(o_sum, RNN2C_READ_U16(&lstm_rnn_multiplier[(4u * j) + 3u]), 18); /* Q3.12 = sum * multiplier / 2^18 */
            const int16_t o_index = lstm_shift_sat(o_pre, 7, 9); /* Q3.5 */
            const int16_t o = lstm_look(lstm_sigmoid_direct_table, o_index, 256); /* Q0.15 */
            const int16_t c = lstm_gated_sum(f, s->rnn_c[j], i, g, 3); /* f*c + i*g: Q3.12 */
            const int32_t c_tanh_half = lstm_add(c, 32); /* half a step */
            const int16_t c_tanh_index = lstm_shift_sat(c_tanh_half, 6, 9); /* Q2.6 */
            const int16_t c_tanh = lstm_look(lstm_tanh_direct_table, c_tanh_index, 256); /* Q0.15 */
            const int32_t h_wide = lstm_mul_round(o, c_tanh, 23); /* o*tanh(c): Q0.15 * Q0.15 -> Q0.7 */
            const int8_t h = lstm_sat8(h_wide);
            rnn_h_new[j] = h;
            y[j] = h;
            s->rnn_c[j] = c;
        }
    }
    RNN2C_STAGE_END(1);

    s->now = (uint8_t)(now ^ 1u);
    return LSTM_OK;
}
