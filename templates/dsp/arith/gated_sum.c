const int32_t added = ((int32_t)i * g) >> shift;
int32_t total;
__asm__("smlabb %0, %1, %2, %3" : "=r"(total) : "r"((int32_t)f), "r"((int32_t)c), "r"(added));
total = total + 16384;
__asm__("ssat %0, #16, %1, asr #15" : "=r"(total) : "r"(total));
RNN2C_KNOWN((total >= -32768) && (total <= 32767));
return (int16_t)total;
