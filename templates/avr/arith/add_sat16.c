int16_t sum = a;
__asm__("add %A0, %A1\n\tadc %B0, %B1\n\tbrvs 1f\n\tnop\n\tnop\n\tnop\n\trjmp 2f\n"
        "1:\n\tlsl %B0\n\tsbc %A0, %A0\n\tmov %B0, %A0\n\tsubi %B0, 0x80\n2:"
        : "+d"(sum) : "r"(b));
return sum;
