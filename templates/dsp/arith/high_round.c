int32_t high;
__asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
return high;
