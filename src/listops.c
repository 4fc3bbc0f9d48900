/* listops.c: --list-ops: the op table, and the builtins that are written in terms of it. */
#include "driver.h"

#include <string.h>

static const char *class_name(OpClass class)
{
    switch (class) {
    case CLASS_LEAF: return "leaf";
    case CLASS_ELEMENTWISE: return "elementwise";
    case CLASS_LINEAR: return "linear";
    case CLASS_OTHER: return "other";
    case CLASS_RULED: return "ruled";
    case CLASS_REGION: return "region";
    }
    return "";
}

static void list_op(const OpInfo *op)
{
    printf("%-18s %-11s ", op->name, class_name(op->class));
    if (op->arity < 0) printf("  any  ");
    else printf("%5d  ", op->arity);
    printf("%s\n", op->doc);
    if (op->class != CLASS_ELEMENTWISE && op->class != CLASS_OTHER && op->class != CLASS_RULED) return;
    const char *names = op->class == CLASS_RULED ? "xv" : "xwv";
    for (int k = 0; names[k] && k < op->arity; k++)
        if (op->adjoint[k]) printf("%38s%c_bar: %s\n", "", names[k], op->adjoint[k]);
}

int command_list_ops(Context *ctx)
{
    printf("%-18s %-11s %5s  %s\n", "op", "class", "takes",
           "what it is, and the adjoint of each operand for the adjoint g of the result y");
    for (int op = 0; op < OP_COUNT; op++) list_op(&op_info[op]);
    int count, column = 0;
    const Str *names = builtin_names(ctx, &count);
    puts("\nbuiltins made of these:");
    for (int k = 0; k < count; k++) {
        if (op_find(names[k]) >= 0) continue;
        int width = (int)strlen(names[k]) + 1;
        if (column && column + width > 100) putchar('\n'), column = 0;
        column += printf("%s%s", column ? " " : "  ", names[k]);
    }
    putchar('\n');
    return EXIT_DONE;
}
