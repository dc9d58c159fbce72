int32_t sum = 0;
int32_t kept;
uint32_t bits = (uint32_t)b << 24;
__asm__(
    ".rept 8\n\t"
    "srai %2, %1, 31\n\t"
    "and %2, %2, %3\n\t"
    "slli %0, %0, 1\n\t"
    "add %0, %0, %2\n\t"
    "slli %1, %1, 1\n\t"
    ".endr"
    : "+&r"(sum), "+&r"(bits), "=&r"(kept) : "r"(a));
return sum;
