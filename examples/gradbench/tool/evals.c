/* evals.c: the twelve evals: what of their inputs becomes which argument and which size of a model, and what of the
 * results becomes their output. */
#include "tool.h"

#include <string.h>

static json_t *list_json(const double *data, long count)
{
    return tensor_json(&(Tensor){ .data = (double *)data, .rank = 1, .shape = { count } });
}

static void expect_shape(Job *job, const char *key, const Tensor *t, long a, long b)
{
    if (t->shape[0] != a || (t->rank > 1 && t->shape[1] != b))
        job_fail(job, "'%s' has %ld x %ld numbers, not %ld x %ld", key, t->shape[0], t->shape[1], a, b);
}

/* the tensor of this shape as an argument */
static void add_tensor(Job *job, const json_t *input, const char *key, int rank, long a, long b)
{
    Tensor t = get_tensor(job, input, key, rank);
    expect_shape(job, key, &t, a, b);
    add_input(job, t.data);
}

/* ---- hello ------------------------------------------------------------------------------------------------------- */
static void hello(Job *job, const json_t *input)
{
    add_real(job, get_real(job, input, NULL));
    add_output(job, 0, 0, 0, 0);
}

static const Function hello_functions[] = {
    { "square", "squared", "rp", hello, NULL },
    { "double", "doubled", "rp", hello, NULL },
    { 0 },
};

/* ---- gmm --------------------------------------------------------------------------------------------------------- */
/* Where d is 1 the matrices have nothing below their diagonals, and the model has one element without use. */
static void gmm_input(Job *job, const json_t *input)
{
    long d = get_int(job, input, "d"), k = get_int(job, input, "k"), n = get_int(job, input, "n");
    add_size(job, "D", d);
    add_size(job, "K", k);
    add_size(job, "N", n);
    add_tensor(job, input, "x", 2, n, d);
    add_int(job, get_int(job, input, "m"));
    add_real(job, get_real(job, input, "gamma"));
    add_tensor(job, input, "alpha", 1, k, 0);
    add_tensor(job, input, "mu", 2, k, d);
    add_tensor(job, input, "q", 2, k, d);
    if (d > 1)
        add_tensor(job, input, "l", 2, k, d * (d - 1) / 2);
    else
        add_input(job, job_alloc(job, (size_t)(k > 0 ? k : 1), sizeof(double)));
}

static void gmm_objective(Job *job, const json_t *input)
{
    gmm_input(job, input);
    add_output(job, 0, 0, 0, 0);
}

static void gmm_jacobian(Job *job, const json_t *input)
{
    gmm_input(job, input);
    long d = job->sizes[0].value, k = job->sizes[1].value;
    add_output(job, 1, k, 0, 0);
    add_output(job, 2, k, d, 0);
    add_output(job, 2, k, d, 0);
    add_output(job, 2, k, d > 1 ? d * (d - 1) / 2 : 1, 0);
}

static json_t *gmm_output(const Job *job, const json_t *input)
{
    (void)input;
    Tensor l = job->outputs[3];
    if (job->sizes[0].value == 1)
        l.shape[1] = 0;
    return json_pack("{s:o, s:o, s:o, s:o}", "alpha", tensor_json(&job->outputs[0]),
                     "mu", tensor_json(&job->outputs[1]), "q", tensor_json(&job->outputs[2]), "l", tensor_json(&l));
}

static const Function gmm_functions[] = {
    { "objective", "objective", "pirppppp", gmm_objective, NULL },
    { "jacobian", "jacobian", "pirpppppppp", gmm_jacobian, gmm_output },
    { 0 },
};

/* ---- ba ---------------------------------------------------------------------------------------------------------- */
/* One camera, point, weight and observation, `count` times */
static void add_copies(Job *job, const double *values, long width, long count)
{
    double *out = job_alloc(job, (size_t)(width * count), sizeof *out);
    for (long k = 0; k < width * count; k++)
        out[k] = values[k % width];
    add_input(job, out);
}

static void ba_input(Job *job, const json_t *input)
{
    long n = get_int(job, input, "n"), m = get_int(job, input, "m"), p = get_int(job, input, "p");
    Tensor cam = get_tensor(job, input, "cam", 1), x = get_tensor(job, input, "x", 1);
    Tensor feat = get_tensor(job, input, "feat", 1);
    double w = get_real(job, input, "w");
    expect_shape(job, "cam", &cam, 11, 0);
    expect_shape(job, "x", &x, 3, 0);
    expect_shape(job, "feat", &feat, 2, 0);
    add_size(job, "N", n);
    add_size(job, "M", m);
    add_size(job, "P", p);
    if (!job_good(job))
        return;
    add_copies(job, cam.data, 11, n);
    add_copies(job, x.data, 3, m);
    add_copies(job, &w, 1, p);
    add_copies(job, feat.data, 2, p);
    int32_t *camera = job_alloc(job, (size_t)p, sizeof *camera), *point = job_alloc(job, (size_t)p, sizeof *point);
    for (long k = 0; k < p; k++) {
        camera[k] = (int32_t)(k % n);
        point[k] = (int32_t)(k % m);
    }
    add_input(job, camera);
    add_input(job, point);
}

static void ba_objective(Job *job, const json_t *input)
{
    ba_input(job, input);
    long p = job->sizes[2].value;
    add_output(job, 2, p, 2, 0);
    add_output(job, 1, p, 0, 0);
}

static json_t *ba_objective_output(const Job *job, const json_t *input)
{
    (void)input;
    json_int_t p = job->sizes[2].value;
    return json_pack("{s:{s:o, s:I}, s:{s:f, s:I}}", "reproj_error", "elements", list_json(job->outputs[0].data, 2),
                     "repeated", p, "w_err", "element", job->outputs[1].data[0], "repeated", p);
}

static void ba_jacobian(Job *job, const json_t *input)
{
    ba_input(job, input);
    long p = job->sizes[2].value;
    if (p < 10)
        job_fail(job, "p is %ld, and the answer needs at least 10", p);
    add_output(job, 3, p, 2, 15);
    add_output(job, 1, p, 0, 0);
}

/* Entries of the matrix in rows: two rows of 15 for each observation, then a row of one for each weight. */
static json_int_t ba_row_start(long p, long row) { return row <= 2 * p ? 15 * row : 30 * p + (row - 2 * p); }

static json_int_t ba_column(const Job *job, long entry)
{
    long n = job->sizes[0].value, m = job->sizes[1].value, p = job->sizes[2].value;
    if (entry >= 30 * p)
        return 11 * n + 3 * m + (entry - 30 * p);
    long i = entry / 30, k = entry % 15;
    return k < 11 ? 11 * (i % n) + k : k < 14 ? 11 * n + 3 * (i % m) + (k - 11) : 11 * n + 3 * m + i;
}

static json_t *ba_jacobian_output(const Job *job, const json_t *input)
{
    (void)input;
    long p = job->sizes[2].value;
    json_t *rows = json_array(), *cols = json_array(), *vals = list_json(job->outputs[0].data, 30);
    for (long k = 0; k < 30; k++) {
        json_array_append_new(rows, json_integer(ba_row_start(p, k)));
        json_array_append_new(cols, json_integer(ba_column(job, k)));
    }
    json_array_append_new(rows, json_integer(ba_row_start(p, 3 * p)));
    json_array_append_new(cols, json_integer(ba_column(job, 31 * p - 1)));
    json_array_append_new(vals, json_real(job->outputs[1].data[p - 1]));
    return json_pack("{s:o, s:o, s:o}", "rows", rows, "cols", cols, "vals", vals);
}

static const Function ba_functions[] = {
    { "objective", "objective", "pppppppp", ba_objective, ba_objective_output },
    { "jacobian", "jacobian_values", "pppppppp", ba_jacobian, ba_jacobian_output },
    { 0 },
};

/* ---- lstm -------------------------------------------------------------------------------------------------------- */
static void lstm_input(Job *job, const json_t *input)
{
    Tensor main = get_tensor(job, input, "main_params", 2), sequence = get_tensor(job, input, "sequence", 2);
    long layers = main.shape[0] / 2, b = main.shape[1] / 4, c = sequence.shape[0];
    expect_shape(job, "main_params", &main, 2 * layers, 4 * b);
    expect_shape(job, "sequence", &sequence, c, b);
    if (c < 2)
        job_fail(job, "'sequence' needs two characters or more");
    add_size(job, "L", layers);
    add_size(job, "B", b);
    add_size(job, "C", c);
    add_input(job, main.data);
    add_tensor(job, input, "extra_params", 2, 3, b);
    add_tensor(job, input, "state", 2, 2 * layers, b);
    add_input(job, sequence.data);
}

static void lstm_objective(Job *job, const json_t *input)
{
    lstm_input(job, input);
    add_output(job, 0, 0, 0, 0);
}

static void lstm_jacobian(Job *job, const json_t *input)
{
    lstm_input(job, input);
    long layers = job->sizes[0].value, b = job->sizes[1].value;
    add_output(job, 1, 8 * layers * b, 0, 0);
    add_output(job, 1, 3 * b, 0, 0);
}

static json_t *lstm_output(const Job *job, const json_t *input)
{
    (void)input;
    json_t *list = tensor_json(&job->outputs[0]), *rest = tensor_json(&job->outputs[1]);
    bool good = list && rest && !json_array_extend(list, rest);
    json_decref(rest);
    if (good)
        return list;
    json_decref(list);
    return NULL;
}

static const Function lstm_functions[] = {
    { "objective", "objective", "ppppp", lstm_objective, NULL },
    { "jacobian", "jacobian", "pppppp", lstm_jacobian, lstm_output },
    { 0 },
};

/* ---- ht ---------------------------------------------------------------------------------------------------------- */
enum { BONES = 22, THETA = 26 };

static void ht_parents(Job *job, const json_t *model)
{
    Tensor t = get_tensor(job, model, "parents", 1);
    expect_shape(job, "parents", &t, BONES, 0);
    int32_t *out = job_alloc(job, BONES, sizeof *out);
    for (int k = 0; k < BONES && job_good(job); k++) {
        if (!(t.data[k] >= -1 && t.data[k] < k))
            job_fail(job, "the parent of bone %d comes after it", k);
        else
            out[k] = (int32_t)t.data[k];
    }
    add_input(job, out);
}

/* a 4 x 4 matrix for each bone */
static void ht_matrices(Job *job, const json_t *model, const char *key)
{
    Tensor t = get_tensor(job, model, key, 3);
    expect_shape(job, key, &t, BONES, 4);
    if (t.shape[2] != 4)
        job_fail(job, "'%s' needs 4 x 4 matrices", key);
    add_input(job, t.data);
}

/* Numbers the vertices that occur from 0; old[k] is vertex k of those. The rest of the mesh is left out. */
static long ht_number_vertices(Job *job, int32_t *corners, long count, long vertices, int32_t *old)
{
    int32_t *number = job_alloc(job, (size_t)vertices, sizeof *number), next = 0;
    for (long k = 0; k < count; k++) {
        if (!number[corners[k]]) {
            old[next] = corners[k];
            number[corners[k]] = ++next;
        }
        corners[k] = number[corners[k]] - 1;
    }
    return next;
}

static int ht_bones_of(const double *weights, int32_t *bones, double *kept)
{
    int count = 0;
    for (int k = 0; k < BONES; k++)
        if (weights[k] != 0) {
            bones[count] = k;
            kept[count++] = weights[k];
        }
    return count;
}

/* Positions, and the bones that a vertex moves with, as many for each as some vertex has. */
static void ht_mesh(Job *job, const json_t *model, const int32_t *old, long count)
{
    Tensor positions = get_tensor(job, model, "base_positions", 2), weights = get_tensor(job, model, "weights", 2);
    expect_shape(job, "base_positions", &positions, positions.shape[0], 4);
    expect_shape(job, "weights", &weights, positions.shape[0], BONES);
    int32_t found[BONES];
    double kept[BONES], *place = job_alloc(job, 4 * (size_t)count, sizeof *place);
    int blend = 1;
    for (long k = 0; k < count && job_good(job); k++) {
        int n = ht_bones_of(weights.data + BONES * old[k], found, kept);
        blend = n > blend ? n : blend;
        memcpy(place + 4 * k, positions.data + 4 * old[k], 4 * sizeof *place);
    }
    int32_t *bones = job_alloc(job, (size_t)(blend * count), sizeof *bones);
    double *share = job_alloc(job, (size_t)(blend * count), sizeof *share);
    for (long k = 0; k < count && job_good(job); k++) {
        int n = ht_bones_of(weights.data + BONES * old[k], found, kept);
        memcpy(bones + blend * k, found, (size_t)n * sizeof *found);
        memcpy(share + blend * k, kept, (size_t)n * sizeof *kept);
    }
    add_size(job, "BLEND", blend);
    add_input(job, place);
    add_input(job, bones);
    add_input(job, share);
}

/* The vertices of the points: one for each, or the three of its triangle. */
static int32_t *ht_corners(Job *job, const json_t *data, bool complicated, long vertices, long *count)
{
    if (!complicated)
        return get_indices(job, data, "correspondences", 1, vertices, count);
    const json_t *model = json_object_get(data, "model");
    long triangles = (long)json_array_size(json_object_get(model, "triangles")), n, corners;
    int32_t *which = get_indices(job, data, "correspondences", 1, triangles, &n);
    int32_t *mesh = get_indices(job, model, "triangles", 2, vertices, &corners);
    int32_t *out = job_alloc(job, 3 * (size_t)n, sizeof *out);
    if (corners != 3 * triangles)
        job_fail(job, "'triangles' needs three corners each");
    for (long k = 0; k < 3 * n && job_good(job); k++)
        out[k] = mesh[3 * which[k / 3] + k % 3];
    *count = 3 * n;
    return out;
}

static void ht_input(Job *job, const json_t *input)
{
    const json_t *data = json_object_get(input, "data"), *model = json_object_get(data, "model");
    bool complicated = json_array_size(json_object_get(input, "us")) > 0;
    long vertices = (long)json_array_size(json_object_get(model, "base_positions")), count;
    int32_t *corners = ht_corners(job, data, complicated, vertices, &count);
    int32_t *old = job_alloc(job, (size_t)count, sizeof *old);
    long n = complicated ? count / 3 : count;
    add_size(job, "N", n);
    if (!job_good(job))
        return;
    add_size(job, "V", ht_number_vertices(job, corners, count, vertices, old));
    add_tensor(job, input, "theta", 1, THETA, 0);
    ht_parents(job, model);
    ht_matrices(job, model, "base_relatives");
    ht_matrices(job, model, "inverse_base_absolutes");
    ht_mesh(job, model, old, job->sizes[1].value);
    add_bool(job, json_is_true(json_object_get(model, "is_mirrored")));
    add_input(job, corners);
    if (complicated)
        add_tensor(job, input, "us", 2, n, 2);
    add_tensor(job, data, "points", 2, n, 3);
}

static void ht_objective(Job *job, const json_t *input)
{
    ht_input(job, input);
    add_output(job, 1, 3 * job->sizes[0].value, 0, 0);
}

static void ht_simple_jacobian(Job *job, const json_t *input)
{
    ht_input(job, input);
    add_output(job, 2, 3 * job->sizes[0].value, THETA, 0);
}

static void ht_complicated_jacobian(Job *job, const json_t *input)
{
    ht_input(job, input);
    add_output(job, 2, 3 * job->sizes[0].value, 2 + THETA, 0);
}

static const Function ht_simple_functions[] = {
    { "objective", "simple", "pppppppbppp", ht_objective, NULL },
    { "jacobian", "simple_jacobian", "pppppppbppp", ht_simple_jacobian, NULL },
    { 0 },
};

static const Function ht_complicated_functions[] = {
    { "objective", "complicated", "pppppppbpppp", ht_objective, NULL },
    { "jacobian", "complicated_jacobian", "pppppppbpppp", ht_complicated_jacobian, NULL },
    { 0 },
};

/* ---- kmeans ------------------------------------------------------------------------------------------------------ */
static void kmeans_input(Job *job, const json_t *input)
{
    Tensor points = get_tensor(job, input, "points", 2), centroids = get_tensor(job, input, "centroids", 2);
    expect_shape(job, "centroids", &centroids, centroids.shape[0], points.shape[1]);
    add_size(job, "N", points.shape[0]);
    add_size(job, "K", centroids.shape[0]);
    add_size(job, "D", points.shape[1]);
    add_input(job, points.data);
    add_input(job, centroids.data);
}

static void kmeans_cost(Job *job, const json_t *input)
{
    kmeans_input(job, input);
    add_output(job, 0, 0, 0, 0);
}

static void kmeans_dir(Job *job, const json_t *input)
{
    kmeans_input(job, input);
    add_output(job, 2, job->sizes[1].value, job->sizes[2].value, 0);
}

static const Function kmeans_functions[] = {
    { "cost", "cost", "ppp", kmeans_cost, NULL },
    { "dir", "dir", "ppp", kmeans_dir, NULL },
    { 0 },
};

/* ---- lse, llsq, det, ode: a vector, and its gradient ------------------------------------------------------------- */
static long vector_input(Job *job, const json_t *input, const char *key, const char *size)
{
    Tensor x = get_tensor(job, input, key, 1);
    add_size(job, size, x.shape[0]);
    add_input(job, x.data);
    return x.shape[0];
}

static void lse_primal(Job *job, const json_t *input)
{
    vector_input(job, input, "x", "N");
    add_output(job, 0, 0, 0, 0);
}

static void lse_gradient(Job *job, const json_t *input)
{
    add_output(job, 1, vector_input(job, input, "x", "N"), 0, 0);
}

static const Function lse_functions[] = {
    { "primal", "primal", "pp", lse_primal, NULL },
    { "gradient", "gradient", "pp", lse_gradient, NULL },
    { 0 },
};

static long llsq_input(Job *job, const json_t *input)
{
    long n = get_int(job, input, "n");
    if (n < 2)
        job_fail(job, "n is %ld, and two points are needed", n);
    add_size(job, "N", n);
    return vector_input(job, input, "x", "M");
}

static void llsq_primal(Job *job, const json_t *input)
{
    llsq_input(job, input);
    add_output(job, 0, 0, 0, 0);
}

static void llsq_gradient(Job *job, const json_t *input) { add_output(job, 1, llsq_input(job, input), 0, 0); }

static const Function llsq_functions[] = {
    { "primal", "primal", "pp", llsq_primal, NULL },
    { "gradient", "gradient", "pp", llsq_gradient, NULL },
    { 0 },
};

static void det_input(Job *job, const json_t *input)
{
    long ell = get_int(job, input, "ell");
    add_size(job, "L", ell);
    add_tensor(job, input, "A", 1, ell * ell, 0);
}

static void det_primal(Job *job, const json_t *input)
{
    det_input(job, input);
    add_output(job, 0, 0, 0, 0);
}

static void det_gradient(Job *job, const json_t *input)
{
    det_input(job, input);
    add_output(job, 1, job->sizes[0].value * job->sizes[0].value, 0, 0);
}

static const Function det_functions[] = {
    { "primal", "primal", "pp", det_primal, NULL },
    { "gradient", "gradient", "pp", det_gradient, NULL },
    { 0 },
};

static void ode_function(Job *job, const json_t *input)
{
    add_size(job, "S", get_int(job, input, "s"));
    add_output(job, 1, vector_input(job, input, "x", "N"), 0, 0);
}

static const Function ode_functions[] = {
    { "primal", "primal", "pp", ode_function, NULL },
    { "gradient", "gradient", "pp", ode_function, NULL },
    { 0 },
};

/* ---- particle, saddle -------------------------------------------------------------------------------------------- */
static void particle(Job *job, const json_t *input)
{
    add_real(job, get_real(job, input, "w"));
    add_output(job, 0, 0, 0, 0);
}

static const Function particle_functions[] = {
    { "ff", "ff", "rp", particle, NULL },
    { "fr", "fr", "rp", particle, NULL },
    { "rf", "rf", "rp", particle, NULL },
    { "rr", "rr", "rp", particle, NULL },
    { 0 },
};

static void saddle(Job *job, const json_t *input)
{
    add_tensor(job, input, "start", 1, 2, 0);
    add_output(job, 1, 4, 0, 0);
}

static const Function saddle_functions[] = {
    { "ff", "ff", "pp", saddle, NULL },
    { "fr", "fr", "pp", saddle, NULL },
    { "rf", "rf", "pp", saddle, NULL },
    { "rr", "rr", "pp", saddle, NULL },
    { 0 },
};

/* ---- all --------------------------------------------------------------------------------------------------------- */
static const Model models[] = {
    { "hello", "hello", hello_functions },
    { "gmm", "gmm", gmm_functions },
    { "ba", "ba", ba_functions },
    { "lstm", "lstm", lstm_functions },
    { "ht", "ht_simple", ht_simple_functions },
    { "ht", "ht_complicated", ht_complicated_functions },
    { "kmeans", "kmeans", kmeans_functions },
    { "lse", "lse", lse_functions },
    { "llsq", "llsq", llsq_functions },
    { "det", "det", det_functions },
    { "ode", "ode", ode_functions },
    { "particle", "particle", particle_functions },
    { "saddle", "saddle", saddle_functions },
};

const Model *find_model(const char *module, const json_t *input)
{
    bool has_us = json_array_size(json_object_get(input, "us")) > 0;
    for (size_t k = 0; k < sizeof models / sizeof *models; k++)
        if (!strcmp(models[k].module, module))
            return &models[k + (has_us && !strcmp(module, "ht"))];
    return NULL;
}

const Function *find_function(const Model *m, const char *name)
{
    for (const Function *f = m->functions; f->name; f++)
        if (!strcmp(f->name, name))
            return f;
    return NULL;
}
