int lstm_step(lstm_state_t *s, const lstm_x_t x[LSTM_X_SIZE], lstm_y_t y[LSTM_Y_SIZE])
{
    if ((s == NULL) || (x == NULL) || (y == NULL)) {
        return LSTM_ERROR_NULL;
    }
    const uint8_t now = (uint8_t)(s->now & 1u);
    const float *const rnn_h = s->rnn_h[now];
    float *const rnn_h_new = s->rnn_h[now ^ 1u];

    { /* rnn: LSTM gates i f g o; c' = f*c + i*g; h' = o*tanh(c') */
        const float *w = lstm_rnn_weights;
        for (uint_fast16_t j = 0u; j < 2u; j++) {
            float i_sum = RNN2C_READ_F32(&lstm_rnn_bias[4u * j]);
            float f_sum = RNN2C_READ_F32(&lstm_rnn_bias[(4u * j) + 1u]);
            float g_sum = RNN2C_READ_F32(&lstm_rnn_bias[(4u * j) + 2u]);
            float o_sum = RNN2C_READ_F32(&lstm_rnn_bias[(4u * j) + 3u]);
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* model input 'x' */
                const float v = x[k];
                i_sum += RNN2C_READ_F32(&w[0]) * v;
                f_sum += RNN2C_READ_F32(&w[1]) * v;
                g_sum += RNN2C_READ_F32(&w[2]) * v;
                o_sum += RNN2C_READ_F32(&w[3]) * v;
                w += 4;
            }
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* hidden state */
                const float v = rnn_h[k];
                i_sum += RNN2C_READ_F32(&w[0]) * v;
                f_sum += RNN2C_READ_F32(&w[1]) * v;
                g_sum += RNN2C_READ_F32(&w[2]) * v;
                o_sum += RNN2C_READ_F32(&w[3]) * v;
                w += 4;
            }
            const float i = lstm_sigmoid_f32(i_sum);
            const float f = lstm_sigmoid_f32(f_sum);
            const float g = lstm_tanh_f32(g_sum);
            const float o = lstm_sigmoid_f32(o_sum);
            const float c = lstm_gated_sum_f32(f, s->rnn_c[j], i, g); /* f*c + i*g */
            const float c_tanh = lstm_tanh_f32(c);
            const float h = lstm_mul_f32(o, c_tanh); /* o*tanh(c) */
            rnn_h_new[j] = h;
            y[j] = h;
            s->rnn_c[j] = c;
        }
    }
    RNN2C_STAGE_END(0);

    s->now = (uint8_t)(now ^ 1u);
    return LSTM_OK;
}
