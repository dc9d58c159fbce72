int16_t value;
const int16_t *at = base;
__asm__("add %A1, %B3\n\tadc %B1, __zero_reg__\n\tadd %A1, %B3\n\tadc %B1, __zero_reg__\n\t"
        "lpm %A0, Z+\n\tlpm %B0, Z\n\t"
        "movw r30, %2\n\tadd r30, %B3\n\tadc r31, __zero_reg__\n\tlpm r0, Z\n\t"
        "mul r0, %A3\n\tadd %A0, r1\n\tclr __zero_reg__\n\tadc %B0, __zero_reg__"
        : "=&r"(value), "+z"(at) : "r"(slope), "r"(x) : "r0");
return value;
