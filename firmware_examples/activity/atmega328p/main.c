/* The activity demo on an ATmega328P (an Arduino Uno or Nano), printing on UART0 at 115200 baud,
 * 8 data bits, no parity.  The recorded windows and the weights stay in flash. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include <stdint.h>

#include "demo.h"

#define BAUD_RATE 115200UL
/* Double-speed mode, rounded to the nearest divisor: 2.1 % off at 16 MHz, which receivers take. */
#define BAUD_DIVISOR ((F_CPU + 4UL * BAUD_RATE) / (8UL * BAUD_RATE) - 1UL)

static void uart_begin(void)
{
    UBRR0 = (uint16_t)BAUD_DIVISOR;
    UCSR0A = (uint8_t)_BV(U2X0);
    UCSR0C = (uint8_t)(_BV(UCSZ01) | _BV(UCSZ00));
    UCSR0B = (uint8_t)_BV(TXEN0);
}

static void uart_send(char character)
{
    while ((UCSR0A & _BV(UDRE0)) == 0) {
    }
    /* Clears the transmit-complete flag, which uart_drain waits for. */
    UCSR0A = (uint8_t)(_BV(U2X0) | _BV(TXC0));
    UDR0 = (uint8_t)character;
}

static void uart_drain(void)
{
    while ((UCSR0A & _BV(TXC0)) == 0) {
    }
}

static void print_text(const char *text)
{
    while (*text != '\0') {
        uart_send(*text++);
    }
}

int main(void)
{
    uart_begin();
    (void)demo_run(print_text);
    uart_drain();
    /* Asleep with interrupts off: done for good.  simavr ends the simulation here. */
    cli();
    sleep_enable();
    for (;;) {
        sleep_cpu();
    }
}
