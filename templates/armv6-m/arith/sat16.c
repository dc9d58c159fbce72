const int32_t high = x >> 15;
const int32_t sign = high >> 16;
const int32_t beyond = high ^ sign;
const int32_t away = (32767 ^ sign) - x;
const int32_t limited = x + (away & ((-beyond) >> 30));
RNN2C_KNOWN((limited >= -32768) && (limited <= 32767));
return (int16_t)limited;
