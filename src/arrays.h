/* arrays.h: the array files that users have: NumPy's .npy, and tables in .csv.  For `load` and for --run. */
#ifndef ADC_ARRAYS_H
#define ADC_ARRAYS_H

#include "ir/ir.h"

/* is_table: from a .csv, whose rows and columns may also stand for a vector.  elem: what the file holds; whole numbers
 * are ints however wide, so who wants ints looks at the range. */
typedef struct ArrayFile {
    Elem elem;
    int rank;
    int64_t size[RANK_USER];
    int64_t count;
    double *data;
    bool is_table;
} ArrayFile;

/* NULL when all is well; else what is wrong, as the end of "cannot read 'x.npy': ..". */
const char *array_read(Context *, const char *path, ArrayFile *);
bool array_has_shape(const ArrayFile *, const Type *);

#endif
