/* Sizes are what is touched: guards around every array, any content on entry, and a tape that is only read.
 * NAME_WORK_SIZE and NAME_TAPE_SIZE come from the header; every model has the same signature. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 32, ROOM = N + 2 };
static int failed, passed;

static void expect(int good, const char *what)
{
    if (!good) printf("%s: %s\n", MODEL, what);
    failed += !good;
    passed += good;
}

typedef struct { double *whole, *part; long size; } Array;

static Array array_new(long size, int fill)
{
    Array a = {malloc((size_t)(size + 2 * GUARD) * sizeof(double)), NULL, size};
    if (!a.whole) abort();
    memset(a.whole, 0xA5, (size_t)(size + 2 * GUARD) * sizeof(double));
    a.part = a.whole + GUARD;
    memset(a.part, fill, (size_t)size * sizeof(double));
    return a;
}

static void array_end(Array a, const char *what)
{
    const unsigned char *front = (const unsigned char *)a.whole, *back = (const unsigned char *)(a.part + a.size);
    int good = 1;
    for (size_t k = 0; k < GUARD * sizeof(double); k++) good &= front[k] == 0xA5 && back[k] == 0xA5;
    expect(good, what);
    free(a.whole);
}

/* What both runs left alike was written.  The last element must be; of a tape all. */
static void touched(Array a, Array b, int all, const char *what)
{
    long last = 0, count = 0;
    for (long k = 0; k < a.size; k++)
        if (memcmp(&a.part[k], &b.part[k], sizeof(double)) == 0) last = k + 1, count++;
    expect(last == a.size && (!all || count == a.size), what);
}

static double x[N], p = 0.7;

static void fill_x(void)
{
    unsigned state = 12345;
    for (int k = 0; k < N; k++) {
        state = state * 1664525u + 1013904223u;
        x[k] = 0.2 + (double)(state >> 8) / 16777216.0;
    }
}

#if G_WORK_SIZE > 0
#define G_WORK , work.part
#else
#define G_WORK
#endif
#if H_WORK_SIZE > 0
#define H_WORK , work.part
#else
#define H_WORK
#endif
#if FWD_WORK_SIZE > 0
#define FWD_WORK , work.part
#else
#define FWD_WORK
#endif
#if BWD_WORK_SIZE > 0
#define BWD_WORK , work.part
#else
#define BWD_WORK
#endif
#if FWD_TAPE_SIZE > 0
#define FWD_TAPE , tape.part
#define BWD_TAPE tape.part,
#else
#define FWD_TAPE
#define BWD_TAPE
#endif

static Array run_g(Array out, int fill)
{
    Array work = array_new(G_WORK_SIZE, fill);
    g(x, p, out.part, out.part + 1, out.part + 1 + N G_WORK);
    return work;
}

static Array run_h(Array out, int fill)
{
    Array work = array_new(H_WORK_SIZE, fill);
    double v[N], y;
    for (int k = 0; k < N; k++) v[k] = 1.0 / (k + 1);
    Array grads = array_new(ROOM, 0);
    h(x, p, v, -0.5, &y, grads.part, grads.part + N, out.part, out.part + N H_WORK);
    array_end(grads, "hvp writes beside a gradient");
    return work;
}

static Array run_fwd(Array tape, double *y, int fill)
{
    Array work = array_new(FWD_WORK_SIZE, fill);
    fwd(x, p, y FWD_TAPE FWD_WORK);
    (void)tape;
    return work;
}

static Array run_bwd(Array tape, double seed, Array out, int fill)
{
    Array work = array_new(BWD_WORK_SIZE, fill);
    bwd(x, p, seed, BWD_TAPE out.part, out.part + N BWD_WORK);
    (void)tape;
    return work;
}

static void check_one(Array (*run)(Array, int), const char *what)
{
    Array a = array_new(ROOM, 0), b = array_new(ROOM, 0), work_a = run(a, 0xFF), work_b = run(b, 0x11);
    expect(memcmp(a.part, b.part, (N + 1) * sizeof(double)) == 0 && isfinite(a.part[0]), "what was in the workspace matters");
    touched(work_a, work_b, 0, "the workspace is larger than what is used");
    array_end(work_a, what), array_end(work_b, what), array_end(a, what), array_end(b, what);
}

static void check_split(void)
{
    static const double seeds[] = {1, -2.5, 0.125, 1};
    Array direct = array_new(ROOM, 0), out = array_new(ROOM, 0);
    Array tape = array_new(FWD_TAPE_SIZE, 0xFF), other = array_new(FWD_TAPE_SIZE, 0x11), copy = array_new(FWD_TAPE_SIZE, 0);
    double y = 0, y2 = 0;
    array_end(run_g(direct, 0), "grad writes beside its workspace");
    Array a = run_fwd(tape, &y, 0xFF), b = run_fwd(other, &y2, 0x11);
    expect(FWD_TAPE_SIZE == BWD_TAPE_SIZE, "two sizes of one tape");
    expect(y <= direct.part[0] && y >= direct.part[0] && y2 <= y && y2 >= y, "the values differ from those of grad");
    touched(tape, other, 1, "fwd leaves elements of the tape as they were");
    touched(a, b, 0, "fwd has more workspace than it uses");
    array_end(a, "fwd writes beside its workspace"), array_end(b, "fwd writes beside its workspace");
    memcpy(copy.part, tape.part, FWD_TAPE_SIZE * sizeof(double));
    for (int k = 0; k < 4; k++) {
        a = run_bwd(tape, seeds[k], out, 0xFF);
        double worst = 0, scale = 1;
        for (int i = 0; i < N + 1; i++) {
            worst = fmax(worst, fabs(out.part[i] - seeds[k] * direct.part[1 + i]));
            scale = fmax(scale, fabs(direct.part[1 + i]));
        }
        expect(worst <= 1e-12 * scale, "forward and backward differ from grad");
        expect(memcmp(copy.part, tape.part, FWD_TAPE_SIZE * sizeof(double)) == 0, "bwd changes the tape");
        b = run_bwd(tape, seeds[k], out, 0x11);
        touched(a, b, 0, "bwd has more workspace than it uses");
        array_end(a, "bwd writes beside its workspace"), array_end(b, "bwd writes beside its workspace");
    }
    array_end(tape, "something writes beside the tape"), array_end(other, "something writes beside the tape");
    array_end(direct, "grad writes beside its results"), array_end(out, "bwd writes beside its results");
    free(copy.whole);
}

int main(void)
{
    fill_x();
    check_one(run_g, "grad writes beside its arrays");
    check_one(run_h, "hvp writes beside its arrays");
    check_split();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
