int32_t chosen = a;
int32_t less;
int32_t sign;
__asm__(".syntax unified\n\tasrs %1, %0, #31\n\tasrs %2, %3, #31\n\tsubs %0, %0, %3\n\tsbcs %1, %2\n\tbics %0, %1\n\tadds %0, %0, %3"
        : "+l"(chosen), "=&l"(less), "=&l"(sign) : "l"(b) : "cc");
return chosen;
