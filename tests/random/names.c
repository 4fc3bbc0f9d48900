/* names.c: chance, and the variables that are in sight. */
#include "generate.h"

Variable variables[NAMES];
int variable_count, next_number, budget, orders;
int N = 3;
uint64_t state;

static uint64_t draw(void)
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

int pick(int count) { return (int)(draw() % (uint64_t)count); }
bool chance(int percent) { return pick(100) < percent; }

const char prefix[] = "svmi";
void put_name(const Variable *v) { printf("%c%d", prefix[v->kind], v->number); }

Variable *declare(Kind kind, bool is_mut, int most)
{
    Variable *v = &variables[variable_count++];
    *v = (Variable){ kind, next_number++, is_mut, most };
    return v;
}

Variable *find(Kind kind, bool is_mut)
{
    int from = pick(variable_count);
    for (int k = 0; k < variable_count; k++) {
        Variable *v = &variables[(from + k) % variable_count];
        if (v->kind == kind && (!is_mut || v->is_mut))
            return v;
    }
    return NULL;
}
