/* mutants.c: the test of the self-test: every rule is made wrong in turn, and the self-test must notice. */
#include "diff.h"

static bool has_rule(Op op, int operand)
{
    const OpInfo *info = &op_info[op];
    if (info->class == CLASS_ELEMENTWISE)
        return operand < info->arity && info->adjoint[operand];
    if (info->class == CLASS_LINEAR)                        /* einsum, index_add and index_set have two real operands */
        return operand == 0 || (operand == 1 && (op == OP_einsum || op == OP_index_add || op == OP_index_set));
    if (info->class == CLASS_RULED)
        return operand == RULED_X || (operand == 2 && info->arity < 0) || (operand == RULED_V && info->adjoint[1]);
    return info->class == CLASS_OTHER && operand < info->arity && info->adjoint[0];
}

/* Is the self-test's verdict on this table with one wrong rule that it is wrong?  The op itself says so first. */
static bool is_noticed(Op op, int operand, uint64_t seed, FILE *sink)
{
    Context *ctx = context_new();
    ctx->messages = sink;
    ctx->options.wrong_op = (int)op + 1;
    ctx->options.wrong_operand = operand;
    bool noticed = diff_ops_fail(ctx, seed, op, sink);
    context_free(ctx);
    return noticed;
}

void diff_check_mutants(uint64_t seed, FILE *out, int *passed, int *failed)
{
    FILE *sink = tmpfile();
    *passed = *failed = 0;
    for (int op = 0; sink && op < OP_COUNT; op++)
        for (int operand = 0; operand <= RULED_V; operand++) {
            if (!has_rule((Op)op, operand))
                continue;
            rewind(sink);
            if (is_noticed((Op)op, operand, seed, sink)) {
                ++*passed;
                continue;
            }
            ++*failed;
            fprintf(out, "a wrong rule of '%s' for operand %d goes unnoticed (ops.h:%d)\n", op_info[op].name, operand,
                    op_info[op].line);
        }
    if (sink)
        fclose(sink);
}
