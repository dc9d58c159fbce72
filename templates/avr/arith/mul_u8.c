int16_t product;
__asm__("mul %A2, %1\n\tmov %A0, r1\n\tclr %B0\n\tlsl r0\n\tadc %A0, %B0\n\t"
        "mulsu %B2, %1\n\tadd %A0, r0\n\tadc %B0, r1\n\tclr __zero_reg__"
        : "=&r"(product) : "a"(gate), "a"(x) : "r0");
return product;
