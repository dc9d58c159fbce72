int32_t limited;
__asm__("ssat %0, #8, %1" : "=r"(limited) : "r"(x));
RNN2C_KNOWN((limited >= -128) && (limited <= 127));
return (int8_t)limited;
