int linear_step(linear_state_t *s, const linear_x_t x[LINEAR_X_SIZE], linear_y_t y[LINEAR_Y_SIZE])
{
    if ((s == NULL) || (x == NULL) || (y == NULL)) {
        return LINEAR_ERROR_NULL;
    }

    { /* fc: linear 2 -> 3 */
        const int8_t *w = linear_fc_weights;
        for (uint_fast16_t j = 0u; j < 3u; j++) {
            int32_t sum = RNN2C_READ_I16(&linear_fc_bias[j]);
            for (uint_fast16_t k = 0u; k < 2u; k++) { /* model input 'x' */
                const int8_t v = x[k];
                sum += RNN2C_READ_I8(&w[0]) * v;
                w += 1;
            }
            const int32_t scaled = linear_requantize_wide(sum, RNN2C_READ_U16(&linear_fc_multiplier[j]), 15); /* y = sum * multiplier / 2^15 */
            const int16_t y_j = linear_sat16(scaled);
            y[j] = y_j;
        }
    }
    RNN2C_STAGE_END(0);

    return LINEAR_OK;
}
