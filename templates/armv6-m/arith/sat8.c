int32_t limited;
__asm__(".syntax unified\n\tsxtb %0, %1\n\tcmp %0, %1\n\tbeq 1f\n\tasrs %0, %1, #31\n\teors %0, %2\n\tb 2f\n\t1:\n\tnop\n\tnop\n\tnop\n\t2:" : "=&l"(limited) : "l"(x), "l"(127) : "cc");
RNN2C_KNOWN((limited >= -128) && (limited <= 127));
return (int8_t)limited;
