const int32_t away = (int32_t)h - n;
const int32_t moved = (((int32_t)z * away) + 16384) >> 15;
const int32_t blended = n + moved;
RNN2C_KNOWN((blended >= -32768) && (blended <= 32767));
return (int16_t)blended;
