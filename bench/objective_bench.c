/* objective_bench.c: one gradient or Jacobian by adc and by hand on random data: checks that they agree, then prints the times
 * of a call. RACE_GMM, .. says which; sizes are macros as well. */
#define _POSIX_C_SOURCE 200809L
#include "median.h"
#include "objectives.h"

#include "model.h"

#include <math.h>
#include <stdint.h>

static uint64_t random_state = 1;

static double uniform(double low, double high)
{
    random_state = UINT64_C(6364136223846793005) * random_state + UINT64_C(1442695040888963407);
    return low + (high - low) * ((double)(random_state >> 11) * 0x1p-53);
}

static void fill(double *values, int count, double low, double high)
{
    for (int k = 0; k < count; k++)
        values[k] = uniform(low, high);
}

static void choose(int32_t *values, int count, int below)
{
    for (int k = 0; k < count; k++)
        values[k] = (int32_t)uniform(0, below);
}

#define COUNT(array) (int)(sizeof(array) / sizeof(double))

#if defined RACE_GMM
enum { CALLS = 1 };
static double alpha[GMM_K], means[GMM_K * GMM_D], icf[GMM_K * GMM_D * (GMM_D + 1) / 2], x[GMM_N * GMM_D];
typedef struct { double f, alpha_grad[COUNT(alpha)], means_grad[COUNT(means)], icf_grad[COUNT(icf)]; } Results;
static double work[GMM_GRAD_WORK_SIZE + 1];
static void prepare(void)
{
    fill(alpha, COUNT(alpha), -1, 1);
    fill(means, COUNT(means), -1, 1);
    fill(icf, COUNT(icf), -0.5, 0.5);
    fill(x, COUNT(x), -1, 1);
}
#define ADC(r) gmm_grad(alpha, means, icf, x, 0.7, 2, &(r)->f, (r)->alpha_grad, (r)->means_grad, (r)->icf_grad, work)
#define HAND(r) gmm_grad_hand(alpha, means, icf, x, 0.7, 2, &(r)->f, (r)->alpha_grad, (r)->means_grad, (r)->icf_grad)
#elif defined RACE_LSTM
enum { CALLS = 1 };
static double main_params[8 * LSTM_L * LSTM_B], extra[3 * LSTM_B], state[2 * LSTM_L * LSTM_B], sequence[LSTM_C * LSTM_B];
typedef struct { double loss, main_grad[COUNT(main_params)], extra_grad[COUNT(extra)]; } Results;
static double work[LSTM_GRAD_WORK_SIZE + 1];
static void prepare(void)
{
    fill(main_params, COUNT(main_params), -1, 1);
    fill(extra, COUNT(extra), -1, 1);
    fill(state, COUNT(state), -1, 1);
    for (int k = 0; k < COUNT(sequence); k++)
        sequence[k] = uniform(0, 1) > 0.5;
}
#define ADC(r) lstm_grad(main_params, extra, state, sequence, &(r)->loss, (r)->main_grad, (r)->extra_grad, work)
#define HAND(r) lstm_grad_hand(main_params, extra, state, sequence, &(r)->loss, (r)->main_grad, (r)->extra_grad)
#elif defined RACE_BA
enum { CALLS = 1 };
static double cameras[11 * BA_N], points[3 * BA_M], weights[BA_P], seen[2 * BA_P];
static int32_t camera[BA_P], point[BA_P];
typedef struct { double error[2 * BA_P], weight_error[BA_P], blocks[30 * BA_P], weight_slopes[BA_P]; } Results;
static void prepare(void)
{
    fill(cameras, COUNT(cameras), -0.5, 0.5);
    fill(points, COUNT(points), 1, 3);
    fill(weights, COUNT(weights), 0.5, 1.5);
    fill(seen, COUNT(seen), -1, 1);
    choose(camera, BA_P, BA_N);
    choose(point, BA_P, BA_M);
}
#define ARGUMENTS(r) \
    cameras, points, weights, camera, point, seen, (r)->error, (r)->weight_error, (r)->blocks, (r)->weight_slopes
#define HAND(r) ba_jacobian_hand(ARGUMENTS(r))
#if BA_JACOBIAN_WORK_SIZE
static double work[BA_JACOBIAN_WORK_SIZE + 1];
#define ADC(r) ba_jacobian(ARGUMENTS(r), work)
#else
#define ADC(r) ba_jacobian(ARGUMENTS(r))
#endif
#elif defined RACE_HAND_SIMPLE || defined RACE_HAND_COMPLICATED
enum { CALLS = 20, BONES = 22 };
static double theta[26], relative[16 * BONES], inverse_rest[16 * BONES], rest[3 * HAND_V], weight[4 * HAND_V];
static double point[3 * HAND_N], us[2 * HAND_N];
static int32_t parent[BONES], bone[4 * HAND_V], corner[HAND_N], triangle[3 * HAND_F], face[HAND_N];
typedef struct { double error[3 * HAND_N], by_theta[26 * 3 * HAND_N], by_us[2 * 3 * HAND_N]; } Results;

/* As in a hand: a forearm, a wrist, five fingers of four bones. */
static void prepare(void)
{
    fill(theta, COUNT(theta), -0.5, 0.5);
    fill(relative, COUNT(relative), -0.5, 0.5);
    fill(inverse_rest, COUNT(inverse_rest), -0.5, 0.5);
    for (int k = 0; k < BONES; k++) {
        parent[k] = k == 0 ? -1 : k == 21 ? 0 : k % 4 == 1 ? 0 : k - 1;
        for (int i = 0; i < 4; i++)
            relative[16 * k + 12 + i] = inverse_rest[16 * k + 12 + i] = i == 3;
    }
    fill(rest, COUNT(rest), -1, 1);
    fill(weight, COUNT(weight), 0, 0.5);
    choose(bone, 4 * HAND_V, BONES);
    choose(corner, HAND_N, HAND_V);
    choose(triangle, 3 * HAND_F, HAND_V);
    choose(face, HAND_N, HAND_F);
    fill(point, COUNT(point), -1, 1);
    fill(us, COUNT(us), 0, 0.5);
    for (int k = 0; k < HAND_V; k++)                        /* one to four bones each */
        for (int i = 1 + k % 4; i < 4; i++) {
            weight[4 * k + i] = 0;
            bone[4 * k + i] = 0;
        }
}
#define SHARED theta, parent, relative, inverse_rest, rest, bone, weight
#define SHARED_TOO theta, us, parent, relative, inverse_rest, rest, bone, weight
#ifdef RACE_HAND_SIMPLE
static double work[HAND_SIMPLE_JACOBIAN_WORK_SIZE + 1];
#define ADC(r) hand_simple_jacobian(SHARED, corner, point, (r)->error, (r)->by_theta, work)
#define HAND(r) hand_simple_jacobian_hand(SHARED, corner, point, (r)->error, (r)->by_theta)
#else
static double work[HAND_COMPLICATED_JACOBIAN_WORK_SIZE + 1];
#define ADC(r) hand_complicated_jacobian(SHARED_TOO, triangle, face, point, (r)->error, (r)->by_us, (r)->by_theta, work)
#define HAND(r) hand_complicated_jacobian_hand(SHARED_TOO, triangle, face, point, (r)->error, (r)->by_us, (r)->by_theta)
#endif
#elif defined RACE_PENDULUM
enum { CALLS = 10 };
static double u[PENDULUM_N], p[2] = { 2, 0.1 }, start[2] = { 0.3, 0.1 };
typedef struct { double loss, start_grad[2], p_grad[2], u_grad[PENDULUM_N]; } Results;
static double work[PENDULUM_GRAD_WORK_SIZE + 1];
static void prepare(void) { fill(u, COUNT(u), -1, 1); }
#define ADC(r) pendulum_grad(start, p, u, &(r)->loss, (r)->start_grad, (r)->p_grad, (r)->u_grad, work)
#define HAND(r) pendulum_grad_hand(start, p, u, &(r)->loss, (r)->start_grad, (r)->p_grad, (r)->u_grad)
#else
enum { CALLS = 10 };
static double u[CARTPOLE_N], p[3] = { 1, 0.2, 0.5 }, start[4] = { 0.3, 0.1, 0.2, -0.1 };
typedef struct { double loss, start_grad[4], p_grad[3], u_grad[CARTPOLE_N]; } Results;
static double work[CARTPOLE_GRAD_WORK_SIZE + 1];
static void prepare(void) { fill(u, COUNT(u), -1, 1); }
#define ADC(r) cartpole_grad(start, p, u, &(r)->loss, (r)->start_grad, (r)->p_grad, (r)->u_grad, work)
#define HAND(r) cartpole_grad_hand(start, p, u, &(r)->loss, (r)->start_grad, (r)->p_grad, (r)->u_grad)
#endif

static Results adc_results, hand_results;

static void by_adc(int calls)
{
    while (calls--) ADC(&adc_results);
}

static void by_hand(int calls)
{
    while (calls--) HAND(&hand_results);
}

/* Only equal results may be compared in speed. */
static void check_equal(const double *a, const double *b, int count)
{
    double largest = 0, error = 0;
    for (int k = 0; k < count; k++) {
        largest = fmax(largest, fabs(b[k]));
        error = isfinite(a[k]) ? fmax(error, fabs(a[k] - b[k])) : HUGE_VAL;
    }
    if (error <= 1e-10 * largest) return;
    fprintf(stderr, "the results by adc and by hand differ by %g of %g\n", error, largest);
    exit(EXIT_FAILURE);
}

int main(void)
{
    prepare();
    time_in_turns(by_adc, by_hand, CALLS);
    check_equal((const double *)&adc_results, (const double *)&hand_results, (int)(sizeof(Results) / sizeof(double)));
    return EXIT_SUCCESS;
}
