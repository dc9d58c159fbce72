uint8_t entry;
const uint8_t *at = table;
__asm__("add %A1, %B2\n\tadc %B1, __zero_reg__\n\tlpm %0, Z" : "=r"(entry), "+z"(at) : "r"(x));
return entry;
