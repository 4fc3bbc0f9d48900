/* board_report on any port: `value NAME BITS...`, the bits of each element in hexadecimal, so that nothing is lost on
 * the way and no printf is linked.  Eight digits are a float, sixteen a double. */
#include "board.h"
#include "port.h"
#include <string.h>

static void write_bits(real value)
{
    unsigned char bytes[sizeof(real)];
    char text[2 * sizeof(real) + 2] = " ";
    uint32_t i;

    memcpy(bytes, &value, sizeof bytes);
    for (i = 0; i < 2u * sizeof(real); i++) { /* every port is little-endian */
        text[1u + i] = "0123456789abcdef"[(bytes[sizeof(real) - 1u - i / 2u] >> (i % 2u == 0u ? 4 : 0)) & 15];
    }
    port_write(text);
}

void board_report(const char *name, const real *values, uint32_t count)
{
    uint32_t i;

    port_write("value ");
    port_write(name);
    for (i = 0; i < count; i++) write_bits(values[i]);
    port_write("\n");
}
