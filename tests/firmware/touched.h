/* touched.h: what the programs of touched.awk share. */
enum { GUARD = 32 };

static int touched_failed;

/* Both start with GUARD elements that nobody may write to, and end with as many. */
static void touched_judge(const void *first, const void *second, size_t width, long size, const char *fn)
{
    const unsigned char *a = first, *b = second;
    long inside = 0, outside = 0;

    for (long k = 0; k < size + 2 * GUARD; k++) {
        const int same = memcmp(&a[(size_t)k * width], &b[(size_t)k * width], width) == 0;
        if (k < GUARD || k >= size + GUARD) outside += same;
        else inside += same;
    }
    if (inside < size || outside) {
        printf("%s: %ld of %ld elements of the workspace are written, and %ld beside it\n", fn, inside, size, outside);
        touched_failed = 1;
    }
}

static int touched_end(void) { return touched_failed; }
