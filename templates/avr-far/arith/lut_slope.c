const uint16_t entry = (uint16_t)x >> 8;
const uint8_t factor = RNN2C_READ_U8(slope + entry);
int16_t value = RNN2C_READ_I16(base + (2u * entry));
__asm__("mul %1, %A2\n\tadd %A0, r1\n\tclr __zero_reg__\n\tadc %B0, __zero_reg__"
        : "+r"(value) : "r"(factor), "r"(x) : "r0");
return value;
