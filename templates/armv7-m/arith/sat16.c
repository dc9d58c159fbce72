int32_t limited;
__asm__("ssat %0, #16, %1" : "=r"(limited) : "r"(x));
RNN2C_KNOWN((limited >= -32768) && (limited <= 32767));
return (int16_t)limited;
