const int32_t sign = (int32_t)x >> 15;
const int32_t place = ((int32_t)x ^ sign) >> 8;
const int32_t near = knots[place];
const int32_t far = knots[place + 1];
const int32_t slope = far - near + (total & sign & ((place - 1) >> 15) & 1);
const int32_t base = near ^ ((near ^ (total - far)) & sign);
const int32_t mixed = (slope * (x & 255)) + (base * 256) + (slope >> 8);
return (int16_t)(mixed >> 8);
