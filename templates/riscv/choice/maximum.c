int32_t less;
__asm__("slt %0, %1, %2" : "=r"(less) : "r"(a), "r"(b));
return a ^ ((a ^ b) & -less);
