/* values.c: tensors to and from the text of a command line.
 *
 * Invariant: a tensor that leaves this file has exactly the type of its parameter, and its reals are values of the
 * chosen real type. */
#include "arrays.h"
#include "driver.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void tensor_round(Context *ctx, Tensor *tensor)
{
    if (!ctx->options.is_float || tensor->type->elem != ELEM_REAL) return;
    for (int64_t k = 0; k < tensor->type->count; k++) tensor->data[k] = (double)(float)tensor->data[k];
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */
static bool element_fits(double value, Elem elem)
{
    if (elem == ELEM_BOOL) return value >= 0 && value <= 1 && floor(value) >= value;
    return elem == ELEM_REAL || (value >= INT32_MIN && value <= INT32_MAX && floor(value) >= value);
}

static ValueStatus from_file(Context *ctx, const Param *param, const char *path, Tensor *out)
{
    ArrayFile array;
    const Type *type = param->node->type;
    const char *wrong = array_read(ctx, path, &array);
    if (wrong) {
        error_plain(ctx, "cannot read '%s': %s", path, wrong);
        return VALUE_UNREADABLE;
    }
    if (!array_has_shape(&array, type)) {
        const char *shape = shape_text(ctx, type_sized(ctx, ELEM_REAL, array.rank, array.size));
        error_plain(ctx, "%s is %s, but '%s' holds %s", param->name, type_text(ctx, type), path, shape);
        return VALUE_WRONG;
    }
    for (int64_t k = 0; k < array.count; k++) {
        if (element_fits(array.data[k], type->elem)) continue;
        error_plain(ctx, "%s is %s, but element %" PRId64 " of '%s' is %g", param->name, type_text(ctx, type), k, path,
                    array.data[k]);
        return VALUE_WRONG;
    }
    out->data = array.data;
    return VALUE_OK;
}

ValueStatus value_parse(Context *ctx, const Param *param, const char *text, Tensor *out)
{
    out->type = param->node->type;
    if (*text == '@') {
        ValueStatus status = from_file(ctx, param, text + 1, out);
        if (status != VALUE_OK) return status;
    } else {
        const Source *source = source_new(ctx, param->name, text, (int)strlen(text));
        out->data = literal_values(ctx, source, out->type);
        if (!out->data) return VALUE_WRONG;
    }
    tensor_round(ctx, out);
    return VALUE_OK;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */
void number_print(Context *ctx, Text *text, Elem elem, double value, bool json)
{
    if (elem == ELEM_BOOL) text_put(text, value != 0 ? "true" : "false");
    else if (elem == ELEM_INT) text_printf(text, "%.0f", value);
    else if (json && !isfinite(value)) text_put(text, isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"");
    else text_real(text, value, ctx->options.is_float);
}

/* Brackets open and close where an index of an axis begins and ends: `depth` axes from the front at element k. */
static int axes_starting(const Type *type, int64_t k)
{
    int count = 0;
    for (int axis = type->rank - 1; axis >= 0 && k % type_size(type, axis) == 0; axis--, count++)
        k /= type_size(type, axis);
    return count;
}

static void repeat(Text *text, char c, int count)
{
    for (int k = 0; k < count; k++) text_char(text, c);
}

void value_print(Context *ctx, Text *text, const Tensor *tensor, int indent, bool json)
{
    const Type *type = tensor->type;
    for (int64_t k = 0; k < type->count; k++) {
        int opening = axes_starting(type, k), closing = axes_starting(type, k + 1);
        if (k && opening && json) text_put(text, ", ");
        else if (k && opening) {
            text_put(text, ",\n");
            repeat(text, ' ', indent + type->rank - opening);
        } else if (k) text_put(text, ", ");
        repeat(text, '[', opening);
        number_print(ctx, text, type->elem, tensor->data[k], json);
        repeat(text, ']', closing);
    }
}
