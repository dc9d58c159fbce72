/* One window is init, 150 times from_raw and step, finish: what a product does with live samples.
 * The class is the largest logit; no softmax is needed for that. */
#include "demo.h"

#include <stdint.h>

#include "har.h"
#include "windows.h"

#if HAR_X_SIZE != WINDOWS_CHANNELS || HAR_LOGITS_SIZE != WINDOWS_CLASSES
#error "har.h is not the activity model: it needs 6 inputs and 7 logits"
#endif

/* Static, so that the linker's size report includes it. */
static har_state_t state;

static void read_sample(uint8_t window, uint8_t step, int16_t raw[WINDOWS_CHANNELS])
{
    for (uint8_t c = 0; c < WINDOWS_CHANNELS; c++) {
        raw[c] = WINDOWS_READ_I16(&windows_counts[window][step][c]);
    }
}

static uint8_t largest(const har_logits_t logits[HAR_LOGITS_SIZE])
{
    uint8_t best = 0;
    for (uint8_t k = 1; k < HAR_LOGITS_SIZE; k++) {
        if (logits[k] > logits[best]) {
            best = k;
        }
    }
    return best;
}

static int classify(uint8_t window, uint8_t *class_index)
{
    int16_t raw[WINDOWS_CHANNELS];
    har_x_t x[HAR_X_SIZE];
    har_logits_t logits[HAR_LOGITS_SIZE];
    int code = har_init(&state);
    for (uint8_t step = 0; code >= 0 && step < WINDOWS_STEPS; step++) {
        read_sample(window, step, raw);
        code = har_from_raw(raw, x);
        if (code >= 0) {
            code = har_step(&state, x);
        }
    }
    if (code >= 0) {
        code = har_finish(&state, logits);
    }
    if (code >= 0) {
        *class_index = largest(logits);
    }
    return code;
}

static void print_class(demo_print_t *print, uint8_t class_index)
{
    char name[WINDOWS_NAME_SIZE];
    for (uint8_t i = 0; i < WINDOWS_NAME_SIZE; i++) {
        name[i] = (char)WINDOWS_READ_U8(&windows_names[class_index][i]);
    }
    print(name);
}

static void print_number(demo_print_t *print, uint8_t number)
{
    char digits[4];
    uint8_t at = 3;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10u);
        number = (uint8_t)(number / 10u);
    } while (number > 0u);
    print(&digits[at]);
}

static void print_answer(demo_print_t *print, uint8_t window, uint8_t said, uint8_t label)
{
    print("window ");
    print_number(print, window);
    print(": ");
    print_class(print, said);
    print(said == label ? ", right\n" : ", wrong, it is ");
    if (said != label) {
        print_class(print, label);
        print("\n");
    }
}

int demo_run(demo_print_t *print)
{
    uint8_t right = 0;
    for (uint8_t window = 0; window < WINDOWS_COUNT; window++) {
        uint8_t said = 0;
        const uint8_t label = WINDOWS_READ_U8(&windows_labels[window]);
        const int code = classify(window, &said);
        if (code < 0) {
            print("the model refused a call\n");
            return code;
        }
        print_answer(print, window, said, label);
        right = (uint8_t)(right + (said == label ? 1u : 0u));
    }
    print_number(print, right);
    print(" of ");
    print_number(print, WINDOWS_COUNT);
    print(" windows right\n");
    return 0;
}
