/* The activity demo as an Arduino sketch: answers on the serial monitor at 115200 baud.
 *
 * `make MODEL=<output folder of rnn2c build> sketch` puts this file, the model's C and the recorded
 * windows into one folder, which the Arduino IDE opens.  For live samples replace demo_run by
 * har_from_raw and har_step for every sample and har_finish for an answer: see demo.c. */
extern "C" {
#include "demo.h"
}

static void print_text(const char *text)
{
    Serial.print(text);
}

void setup()
{
    Serial.begin(115200);
    while (!Serial) { /* boards with native USB wait for the monitor */
    }
    const unsigned long begin = millis();
    demo_run(print_text);
    Serial.print("milliseconds for all windows: ");
    Serial.println(millis() - begin);
}

void loop()
{
}
