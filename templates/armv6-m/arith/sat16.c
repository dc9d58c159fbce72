int32_t limited;
__asm__(".syntax unified\n\tsxth %0, %1\n\tcmp %0, %1\n\tbeq 1f\n\tasrs %0, %1, #31\n\teors %0, %2\n\tb 2f\n\t1:\n\tnop\n\tnop\n\tnop\n\t2:" : "=&l"(limited) : "l"(x), "l"(32767) : "cc");
RNN2C_KNOWN((limited >= -32768) && (limited <= 32767));
return (int16_t)limited;
