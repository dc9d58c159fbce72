const int32_t high = x >> 7;
const int32_t sign = high >> 24;
const int32_t beyond = high ^ sign;
const int32_t away = (127 ^ sign) - x;
const int32_t limited = x + (away & ((-beyond) >> 30));
RNN2C_KNOWN((limited >= -128) && (limited <= 127));
return (int8_t)limited;
