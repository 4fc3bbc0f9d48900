/* Cortex-M port: vectors, reset, faults, semihosting and a 32-bit timer that counts instructions under -icount.
 * Every exception ends in a message and status PORT_FAULT, so that no image can hang in a fault handler. */
#include "port.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

void reset_handler(void);
void start(void);

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, ADP_STOPPED_APPLICATION_EXIT = 0x20026 };

static uint32_t semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

void port_write(const char *text) { semihost(SYS_WRITE0, text); }

_Noreturn void port_exit(int status)
{
    const uint32_t block[2] = {ADP_STOPPED_APPLICATION_EXIT, (uint32_t)status};

    semihost(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

static void fault(void)
{
    port_write("FAULT\n");
    port_exit(PORT_FAULT);
}

typedef void (*Vector)(void);

__attribute__((section(".vectors"), used)) static const Vector vectors[16] = {
    (Vector)stack_top, reset_handler, fault, fault, fault, fault, fault, fault,
    fault,             fault,         fault, fault, fault, fault, fault, fault,
};

__attribute__((naked)) void reset_handler(void)
{
    __asm__ volatile("ldr r0, =stack_top\n mov sp, r0\n bl start\n .ltorg");
}

void start(void)
{
    const uint32_t *from = data_load;

#ifdef __ARM_FP
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: without it the first float instruction faults */
    __asm__ volatile("dsb\n isb");
#endif
    for (uint32_t *to = data_start; to < data_end; to++) *to = *from++;
    for (uint32_t *to = bss_start; to < bss_end; to++) *to = 0;
    port_counter_start();
    port_exit(port_main());
}

static volatile uint32_t *reg(uint32_t address) { return (volatile uint32_t *)address; }

/* With -icount shift=10 an instruction takes 1024 ns; ticks follow from the clock of the timer. */
#ifdef PORT_NRF51 /* microbit: TIMER0, 32 bits wide, 16 MHz */
const uint32_t port_counts_per_1000 = 16384;

void port_counter_start(void)
{
    *reg(0x40008508u) = 3;
    *reg(0x40008510u) = 0;
    *reg(0x40008000u) = 1;
}

uint32_t port_counter(void)
{
    *reg(0x40008040u) = 1;
    return *reg(0x40008540u);
}
#else /* mps2: CMSDK timer 0, counts down at 25 MHz */
const uint32_t port_counts_per_1000 = 25600;

void port_counter_start(void)
{
    *reg(0x40000008u) = 0xFFFFFFFFu;
    *reg(0x40000004u) = 0xFFFFFFFFu;
    *reg(0x40000000u) = 1;
}

uint32_t port_counter(void) { return 0xFFFFFFFFu - *reg(0x40000004u); }
#endif
