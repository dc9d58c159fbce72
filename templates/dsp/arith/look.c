int32_t entry;
__asm__("ldrsh %0, [%1, %2, lsl #1]" : "=r"(entry) : "r"(&table[zero]), "r"((int32_t)x));
RNN2C_KNOWN((entry >= -32768) && (entry <= 32767));
return (int16_t)entry;
