int32_t beyond;
__asm__("add %0, %1, %2\n\tsrli %0, %0, 16\n\tsnez %0, %0\n\tneg %0, %0" : "=&r"(beyond) : "r"(x), "r"(32768));
const int32_t limit = ((x >> 16) >> 15) ^ 32767;
const int32_t limited = x + ((limit - x) & beyond);
return (int16_t)limited;
