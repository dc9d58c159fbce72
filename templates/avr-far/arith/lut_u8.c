return RNN2C_READ_U8(table + ((uint16_t)x >> 8));
