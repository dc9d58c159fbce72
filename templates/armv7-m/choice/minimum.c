int32_t chosen = a;
__asm__("cmp %0, %1\n\tit gt\n\tmovgt %0, %1" : "+r"(chosen) : "rI"(b) : "cc");
return chosen;
