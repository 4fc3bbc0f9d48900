/* RISC-V port, machine mode on QEMU's virt: reset, traps, semihosting and minstret, which -icount makes exact.
 * This file alone is compiled with _zicsr: naming it for the link would choose a library of another ABI. */
#include "port.h"

extern uint32_t bss_start[], bss_end[];

void reset(void);
void trap(void);
void start(void);

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, ADP_STOPPED_APPLICATION_EXIT = 0x20026 };

static long semihost(long operation, const void *argument)
{
    register long a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;

    __asm__ volatile(".balign 16\n .option push\n .option norvc\n"
                     "slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n .option pop"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

void port_write(const char *text) { semihost(SYS_WRITE0, text); }

_Noreturn void port_exit(int status)
{
    const long block[2] = {ADP_STOPPED_APPLICATION_EXIT, status};

    semihost(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

__attribute__((aligned(4))) void trap(void)
{
    port_write("FAULT\n");
    port_exit(PORT_FAULT);
}

#ifdef __riscv_flen
#define ENABLE_FLOAT "li t0, 0x2000\n csrs mstatus, t0\n csrw fcsr, zero\n"
#else
#define ENABLE_FLOAT ""
#endif

__attribute__((naked, section(".init"), used)) void reset(void)
{
    __asm__ volatile(".option push\n .option norelax\n la gp, __global_pointer$\n .option pop\n"
                     "la sp, stack_top\n la t0, trap\n csrw mtvec, t0\n" ENABLE_FLOAT "j start");
}

void start(void)
{
    for (uint32_t *to = bss_start; to < bss_end; to++) *to = 0;
    port_counter_start();
    port_exit(port_main());
}

const uint32_t port_counts_per_1000 = 1000;

void port_counter_start(void) {}

uint32_t port_counter(void)
{
    uint32_t count;

    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}
