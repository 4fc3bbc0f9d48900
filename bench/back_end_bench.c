/* back_end_bench.c: one function of two objects, LLVM's (prefix l_) and a C compiler's (prefix c_).  Prints the times
 * of a call. MODEL_NET or MODEL_DUFFING says which. */
#define _POSIX_C_SOURCE 200809L
#include "c_model.h"
#include "l_model.h"
#include "median.h"

#include <stdint.h>
#include <string.h>

static void fill(double *values, int count, uint64_t state)
{
    for (int k = 0; k < count; k++) {
        state = UINT64_C(6364136223846793005) * state + UINT64_C(1442695040888963407);
        values[k] = (double)(state >> 11) * 0x1p-52 - 1;
    }
}

#ifdef MODEL_NET
enum { N = 64, D_IN = 1000, H = 100, D_OUT = 10, CALLS = 1, INPUTS = N * D_IN + N * D_OUT + D_IN * H + H * D_OUT };
typedef struct { double loss, w1_grad[D_IN * H], w2_grad[H * D_OUT], work[C_NET_GRAD_WORK_SIZE + 1]; } Results;
#define CALL(f, r)                                                                                                     \
    f(in, in + N * D_IN, in + N * D_IN + N * D_OUT, in + N * D_IN + N * D_OUT + D_IN * H, &(r)->loss, (r)->w1_grad,    \
      (r)->w2_grad, (r)->work)
#define LLVM_FUNCTION l_net_grad
#define C_FUNCTION c_net_grad
#else
enum { CALLS = 20, INPUTS = 16 };
typedef struct { double end, grads[3], work[C_DUFFING_GRAD_WORK_SIZE + 1]; } Results;
#define CALL(f, r) f(1.5, 0.5, 0.1, in, &(r)->end, &(r)->grads[0], &(r)->grads[1], &(r)->grads[2], (r)->work)
#define LLVM_FUNCTION l_duffing_grad
#define C_FUNCTION c_duffing_grad
#endif

static double in[INPUTS];
static Results by_llvm_results, by_c_results;

static void by_llvm(int calls)
{
    while (calls--) CALL(LLVM_FUNCTION, &by_llvm_results);
}

static void by_c(int calls)
{
    while (calls--) CALL(C_FUNCTION, &by_c_results);
}

int main(void)
{
    fill(in, INPUTS, 1);
    time_in_turns(by_llvm, by_c, CALLS);
    if (memcmp(&by_llvm_results, &by_c_results, sizeof(double)) == 0) return EXIT_SUCCESS;
    fprintf(stderr, "the results of the two objects differ\n");
    return EXIT_FAILURE;
}
