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
            const int32_t q = lstm_clamp_i16_m512_511(x[j]);
            s->x_limited[j] = (int16_t)q;
        }
    }
    RNN2C_STAGE_END(0);

    { /* rnn: LSTM gates i f g o; c' = f*c + i*g; h' = o*tanh(c') */
        const int8_t *w = lstm_rnn_weights;
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            RNN2C_I24 i_sum = RNN2C_READ_I16(&lstm_rnn_bias[4u * j]);
            RNN2C_I24 f_sum = RNN2C_READ_I16(&lstm_rnn_bias[(4u * j) + 1u]);
            RNN2C_I24 g_sum = RNN2C_READ_I16(&lstm_rnn_bias[(4u * j) + 2u]);
            RNN2C_I24 o_sum = RNN2C_READ_I16(&lstm_rnn_bias[(4u * j) + 3u]);
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* model input 'x', limited */
                const int16_t v = s->x_limited[k];
                i_sum += (RNN2C_I24)RNN2C_READ_I8(&w[0]) * v;
                f_sum += (RNN2C_I24)RNN2C_READ_I8(&w[1]) * v;
                g_sum += (RNN2C_I24)RNN2C_READ_I8(&w[2]) * v;
                o_sum += (RNN2C_I24)RNN2C_READ_I8(&w[3]) * v;
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
            const int16_t i_pre = lstm_shift_sat16_i24_2(i_sum); /* Q3.12 = sum / 2^2 */
            const uint8_t i = lstm_lut_u8(lstm_sigmoid_u8_table, i_pre); /* Q0.8 */
            const int16_t f_pre = lstm_shift_sat16_i24_2(f_sum); /* Q3.12 = sum / 2^2 */
            const uint8_t f = lstm_lut_u8(lstm_sigmoid_u8_table, f_pre); /* Q0.8 */
            const int16_t g_pre = lstm_shift_sat16_i24_2(g_sum); /* Q3.12 = sum / 2^2 */
            const int16_t g = lstm_lut_slope(lstm_tanh_q12_table, lstm_tanh_q12_slope_table, g_pre); /* Q3.12 */
            const int16_t o_pre = lstm_shift_sat16_i24_2(o_sum); /* Q3.12 = sum / 2^2 */
            const uint8_t o = lstm_lut_u8(lstm_sigmoid_u8_table, o_pre); /* Q0.8 */
            const int16_t c_kept = lstm_mul_u8(f, s->rnn_c[j]); /* f*c: Q3.12 */
            const int16_t c_added = lstm_mul_u8(i, g); /* i*g: Q3.12 */
            const int16_t c = lstm_add_sat16(c_kept, c_added); /* Q3.12 */
            const int16_t c_tanh = lstm_lut_slope(lstm_tanh_q12_table, lstm_tanh_q12_slope_table, c); /* Q3.12 */
            const int16_t h_q12 = lstm_mul_u8(o, c_tanh); /* o*tanh(c): Q3.12 */
            const int8_t h = lstm_round_sat8_5(h_q12); /* Q3.12 -> Q0.7 */
            rnn_h_new[j] = h;
            y[j] = h;
            s->rnn_c[j] = c;
        }
    }
    RNN2C_STAGE_END(1);

    s->now = (uint8_t)(now ^ 1u);
    return LSTM_OK;
}
