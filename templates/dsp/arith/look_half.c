const int32_t sign = (int32_t)x >> 15;
const int32_t entry = table[((int32_t)x ^ sign) - sign];
return (int16_t)(((entry ^ sign) - sign) + (total & sign));
