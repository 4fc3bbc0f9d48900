/* op.c: what is known of each op, expanded from the rows of ops.h.  The order is that of enum Op. */
#include "ir.h"

#include <string.h>

#define E1(name, infix, signature, low, high, kernel, adjoint, doc) \
    { #name, infix, CLASS_ELEMENTWISE, 1, signature, low, high, #kernel, { adjoint }, doc, __LINE__ },
#define E2(name, infix, signature, low, high, kernel, adjoint_x, adjoint_w, doc) \
    { #name, infix, CLASS_ELEMENTWISE, 2, signature, low, high, #kernel, { adjoint_x, adjoint_w }, doc, __LINE__ },
#define E3(name, infix, signature, low, high, kernel, adjoint_x, adjoint_w, adjoint_v, doc) \
    { #name, infix, CLASS_ELEMENTWISE, 3, signature, low, high, #kernel, { adjoint_x, adjoint_w, adjoint_v }, doc, \
      __LINE__ },
#define LEAF(name, arity, doc) { #name, NULL, CLASS_LEAF, arity, SIG_NONE, 0, 0, NULL, { NULL }, doc, __LINE__ },
#define LINEAR(name, arity, doc) { #name, NULL, CLASS_LINEAR, arity, SIG_NONE, 0, 0, NULL, { NULL }, doc, __LINE__ },
#define OTHER(name, arity, adjoint, doc) \
    { #name, NULL, CLASS_OTHER, arity, SIG_NONE, 0, 0, NULL, { adjoint }, doc, __LINE__ },
#define OTHER2(name, arity, adjoint_x, adjoint_w, tangent, doc) \
    { #name, NULL, CLASS_OTHER, arity, SIG_NONE, 0, 0, NULL, { adjoint_x, adjoint_w, tangent }, doc, __LINE__ },
#define RULED(name, arity, adjoint_x, adjoint_v, tangent_x, tangent_v, doc) \
    { #name, NULL, CLASS_RULED, arity, SIG_NONE, 0, 0, NULL, { adjoint_x, adjoint_v, tangent_x, tangent_v }, doc, __LINE__ },

const OpInfo op_info[OP_COUNT] = {
#include "ops.h"
};

int op_find(const char *name)
{
    for (int k = 0; k < OP_COUNT; k++)
        if (strcmp(op_info[k].name, name) == 0)
            return k;
    return -1;
}
