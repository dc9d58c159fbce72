int32_t word;
__asm__("asr %0, %1, #8\n\tldr %0, [%2, %0, lsl #2]" : "=&r"(word) : "r"((int32_t)x), "r"(&table[128]));
int32_t mixed;
__asm__("smlabb %0, %1, %2, %3" : "=r"(mixed) : "r"(word), "r"(x & 255), "r"(word >> 8));
mixed = mixed >> 8;
RNN2C_KNOWN((mixed >= -32768) && (mixed <= 32767));
return (int16_t)mixed;
