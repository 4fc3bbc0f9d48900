/* compare TOLERANCE REFERENCE REPORT: the largest difference between the `value` lines of two reports, relative to the
 * largest element of each array of the reference.  Prints it; the status is 1 where it exceeds the tolerance or where
 * the reports are not about the same arrays.  A tolerance of 0 asks for equal bits: both must then be of one width. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Report {
    FILE *file;
    char *line, *at;
    size_t size;
} Report;

/* Advances to the next `value` line. */
static int report_next(Report *report)
{
    while (getline(&report->line, &report->size, report->file) >= 0) {
        report->line[strcspn(report->line, "\n")] = '\0';
        report->at = report->line;
        if (strncmp(report->line, "value ", 6) == 0) return 1;
    }
    return 0;
}

static char *report_word(Report *report)
{
    report->at += strspn(report->at, " ");
    char *word = report->at;
    report->at += strcspn(report->at, " ");
    if (*report->at) *report->at++ = '\0';
    return word;
}

static double from_bits(const char *digits)
{
    const uint64_t bits = strtoull(digits, NULL, 16);
    const uint32_t low = (uint32_t)bits;
    float narrow;
    double wide;

    memcpy(&narrow, &low, sizeof narrow);
    memcpy(&wide, &bits, sizeof wide);
    return strlen(digits) == 8 ? (double)narrow : wide;
}

static double largest(const Report *report)
{
    double most = 0;
    char *end = report->at;

    for (const char *word = end; *word; word = end) {
        char digits[17] = {0};
        end += strcspn(end, " ");
        memcpy(digits, word, (size_t)(end - word) < 16 ? (size_t)(end - word) : 16);
        if (isfinite(from_bits(digits))) most = fmax(most, fabs(from_bits(digits)));
        end += strspn(end, " ");
    }
    return most;
}

/* The error of one array, infinite where names, lengths or special values differ. */
static double array_error(Report *reference, Report *report)
{
    double error = 0;

    report_word(reference), report_word(report);
    if (strcmp(report_word(reference), report_word(report)) != 0) return INFINITY;
    const double scale = largest(reference);
    for (;;) {
        const char *expected = report_word(reference), *found = report_word(report);
        if (!*expected || !*found) return *expected || *found ? INFINITY : error;
        const double difference = fabs(from_bits(found) - from_bits(expected));
        if (strcmp(expected, found) == 0 || (isnan(from_bits(expected)) && isnan(from_bits(found)))) continue;
        if (isnan(difference)) return INFINITY;
        if (difference > 0) error = fmax(error, difference / (scale > 0 ? scale : 1));
        else error = fmax(error, 1e-300); /* -0 for 0: equal, but not in bits */
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) return fprintf(stderr, "usage: compare TOLERANCE REFERENCE REPORT\n"), 2;
    Report reference = {fopen(argv[2], "r"), NULL, NULL, 0}, report = {fopen(argv[3], "r"), NULL, NULL, 0};
    double error = 0;
    int arrays = 0;

    if (!reference.file || !report.file) return fprintf(stderr, "compare: cannot read the reports\n"), 2;
    for (; report_next(&reference); arrays++) {
        if (!report_next(&report)) error = INFINITY;
        else error = fmax(error, array_error(&reference, &report));
    }
    if (report_next(&report) || arrays == 0) error = INFINITY;
    printf("%.1e\n", error);
    return error > strtod(argv[1], NULL);
}
