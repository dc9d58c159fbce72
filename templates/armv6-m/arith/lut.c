const int32_t word = table[(x >> 8) + 128];
int32_t slope;
__asm__("sxth %0, %1" : "=l"(slope) : "l"(word));
int32_t mixed = (slope * (x & 255)) + (word >> 8);
mixed = mixed >> 8;
RNN2C_KNOWN((mixed >= -32768) && (mixed <= 32767));
return (int16_t)mixed;
