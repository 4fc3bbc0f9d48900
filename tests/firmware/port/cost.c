/* board_start and board_stop on a core: `cost NAME INSTRUCTIONS STACK` for the call between them.
 *
 * Stack is measured by painting: board_start fills everything below the caller's frame, board_stop looks how deep the
 * paint was scratched.  The counter is read last on the way in and first on the way out, and what an empty pair reads
 * (port_main measures it once) is taken off. */
#include "board.h"
#include "port.h"

extern uint32_t stack_limit[];

int main(void);

static const uint32_t paint = 0x5AA55AA5u;
static uint32_t *caller_stack;
static uint32_t start_count, stop_count, empty_count;

static void write_number(uint32_t number)
{
    char text[12];
    uint32_t at = sizeof text;

    text[--at] = '\0';
    do {
        text[--at] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number != 0);
    text[--at] = ' ';
    port_write(text + at);
}

__attribute__((noinline)) void board_start(void)
{
    volatile uint32_t *word = stack_limit;
    uint32_t *own_stack;

#ifdef __riscv
    __asm__ volatile("mv %0, sp" : "=r"(own_stack));
#else
    __asm__ volatile("mov %0, sp" : "=r"(own_stack));
#endif
    caller_stack = __builtin_dwarf_cfa();
    while (word < own_stack) *word++ = paint;
    start_count = port_counter();
}

__attribute__((noinline)) static void write_cost(const char *name, uint32_t stack)
{
    const uint32_t all = stop_count - start_count;
    const uint64_t counts = all > empty_count ? all - empty_count : 0;

    port_write("cost ");
    port_write(name);
    write_number((uint32_t)((counts * 1000u + port_counts_per_1000 / 2u) / port_counts_per_1000));
    write_number(stack);
    port_write("\n");
}

/* Keeps its own frame small, because that is the least that it can see: writing is a tail call. */
__attribute__((noinline)) void board_stop(const char *name)
{
    const volatile uint32_t *word = stack_limit;

    stop_count = port_counter();
    while (word < caller_stack && *word == paint) word++;
    if (name != 0) write_cost(name, (uint32_t)((uintptr_t)caller_stack - (uintptr_t)word));
}

int port_main(void)
{
    board_start();
    board_stop(0);
    empty_count = stop_count - start_count;
    return main();
}
