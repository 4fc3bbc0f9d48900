/* ops.h: THE TABLE.  One row per op; the only file that knows the ops.
 *
 * Enum, builtin names, type checks, evaluator, constant folder, C text, derivative, self-test and the documentation index
 * are expansions of these rows.  Includers define the row macros they want; the others expand to nothing.
 *
 *   E1, E2, E3   elementwise, one to three operands, called x, w, v
 *     name       enum suffix and builtin name
 *     infix      operator text, or NULL for a call
 *     signature  see Signature in ir.h
 *     low, high  range that the self-test samples real operands from
 *     kernel     C expression over double; also the text of the generated C (with f suffixes in float mode)
 *     adjoints   adc text, one per operand, in x, w, v, y (result) and g (adjoint of y); NONE: no derivative flows.
 *                The tangent comes from the same text: the operand's tangent is put for g.
 *     doc        one line
 *   LEAF, LINEAR, OTHER   arity (-1: any) and doc; the attributes' layout is in the comment.
 *     LINEAR     linear in each real operand: src/diff knows the adjoint as an op of this table
 *     OTHER      adjoint as text like above; `axis` is the op's axes and keep(e) puts the reduced axes back as 1
 *     OTHER2     two adjoints, and the tangent by x with g for the tangent of x: of a solve, its right-hand side.  The
 *                options of triangular_solve are known by their names
 *     RULED      a value, computed in any way, whose derivative is told: by x and, where there is a fourth operand, by v;
 *                adjoints, then tangents.  The operands are the value, x, w, v, u: w and u help to tell.  `axis` as above.
 *                It is made by the prelude, and vanishes with the binds */
#ifndef NONE
#define NONE NULL
#endif
#ifndef E1
#define E1(...)
#endif
#ifndef E2
#define E2(...)
#endif
#ifndef E3
#define E3(...)
#endif
#ifndef LEAF
#define LEAF(...)
#endif
#ifndef LINEAR
#define LINEAR(...)
#endif
#ifndef OTHER
#define OTHER(...)
#endif
#ifndef OTHER2
#define OTHER2(...)
#endif
#ifndef RULED
#define RULED(...)
#endif

/* -- arithmetic -- */
E1(neg, "-", SIG_NUMBER, -2, 2, -x, "-g", "negative")
E2(add, "+", SIG_NUMBER, -2, 2, x + w, "g", "g", "sum of two")
E2(sub, "-", SIG_NUMBER, -2, 2, x - w, "g", "-g", "difference")
E2(mul, "*", SIG_NUMBER, -2, 2, x * w, "g * w", "g * x", "product")
E2(div, "/", SIG_REAL, 1, 2, x / w, "g / w", "-(g * y / w)", "quotient")
E2(floordiv, "//", SIG_NUMBER, 1, 2, floor(x / w), NONE, NONE, "quotient rounded down")
E2(mod, "%", SIG_NUMBER, 1, 2, x - w * floor(x / w), "g", "-g * floor(x / w)", "remainder with the sign of the divisor")
E2(fmod, NULL, SIG_REAL, 1, 2, fmod(x, w), "g", "-g * trunc(x / w)", "remainder with the sign of the dividend, as in C")
E2(pow, "^", SIG_REAL, 0.5, 2, pow(x, w),
   "where(w == 0 and (x == 0 or isnan(x)), 0, g * where(w < 0.5 and x != 0 and isfinite(y), w * y / x, w * x ^ (w - 1)))",
   "where(x == 0 and w >= 0, 0, g * (y * log(x)))", "power")
E1(square, NULL, SIG_REAL, -2, 2, x * x, "g * (2 * x)", "x * x")
E1(reciprocal, NULL, SIG_REAL, 0.5, 2, 1 / x, "-(g * y * y)", "1 / x")
E1(sqrt, NULL, SIG_REAL, 0.5, 2, sqrt(x), "g / (2 * y)", "square root")
E1(rsqrt, NULL, SIG_REAL, 0.5, 2, 1 / sqrt(x), "-0.5 * g * y / x", "1 / sqrt(x)")
E1(cbrt, NULL, SIG_REAL, 0.5, 2, cbrt(x), "where(x == 0, g / (y * y), g * (y / x / 3))", "real cube root, odd")
E2(hypot, NULL, SIG_REAL, 0.5, 2, hypot(x, w), "where(y == 0, 0, g * direction(x, w))",
   "where(y == 0, 0, g * direction(w, x))", "sqrt(x^2 + w^2) without overflow; derivative 0 at 0")
E2(direction, NULL, SIG_REAL, 0.5, 2,
   hypot(x, w) <= 0 ? 0 : isfinite(hypot(x, w)) ? x / hypot(x, w) : 0.5 * x / hypot(0.5 * x, 0.5 * w),
   "where(hypot(x, w) == 0, 0, g * (direction(w, x) * (direction(w, x) / hypot(x, w))))",
   "where(hypot(x, w) == 0, 0, -g * (direction(x, w) * (direction(w, x) / hypot(x, w))))", "x / hypot(x, w), 0 at 0")
E1(one_minus_square, NULL, SIG_REAL, -0.7, 0.7, (1 - x) * (1 + x), "g * (-2 * x)", "1 - x^2, accurate near -1 and 1")
E1(abs, NULL, SIG_REAL, 0.5, 2, fabs(x), "g * sign(x)", "absolute value; derivative 0 at 0")
E1(sign, NULL, SIG_REAL, 0.5, 2, (x > 0) - (x < 0), NONE, "-1, 0 or 1")
/* -- exponentials and logarithms -- */
E1(exp, NULL, SIG_REAL, -2, 2, exp(x), "g * y", "e^x")
E1(expm1, NULL, SIG_REAL, -2, 2, expm1(x), "g * exp(x)", "e^x - 1, accurate near 0")
E1(log, NULL, SIG_REAL, 0.5, 2, log(x), "g / x", "natural logarithm")
E1(log1p, NULL, SIG_REAL, -0.5, 2, log1p(x), "g / (1 + x)", "log(1 + x), accurate near 0")
E1(log2, NULL, SIG_REAL, 0.5, 2, log2(x), "g / (x * 0.6931471805599453)", "logarithm of base 2")
E1(log10, NULL, SIG_REAL, 0.5, 2, log10(x), "g / (x * 2.302585092994046)", "logarithm of base 10")
/* -- trigonometric and hyperbolic -- */
E1(sin, NULL, SIG_REAL, -2, 2, sin(x), "g * cos(x)", "sine")
E1(cos, NULL, SIG_REAL, -2, 2, cos(x), "-g * sin(x)", "cosine")
E1(tan, NULL, SIG_REAL, -1, 1, tan(x), "g * (1 + y * y)", "tangent")
E1(asin, NULL, SIG_REAL, -0.7, 0.7, asin(x), "g / sqrt(one_minus_square(x))", "inverse sine")
E1(acos, NULL, SIG_REAL, -0.7, 0.7, acos(x), "-g / sqrt(one_minus_square(x))",
   "inverse cosine")
E1(atan, NULL, SIG_REAL, -2, 2, atan(x), "g / hypot(x, 1) / hypot(x, 1)", "inverse tangent")
E2(atan2, NULL, SIG_REAL, 0.5, 2, atan2(x, w), "g * direction(w, x) / hypot(x, w)",
   "-g * direction(x, w) / hypot(x, w)", "angle of the point (w, x)")
E1(sinh, NULL, SIG_REAL, -2, 2, sinh(x), "g * cosh(x)", "hyperbolic sine")
E1(cosh, NULL, SIG_REAL, -2, 2, cosh(x), "g * sinh(x)", "hyperbolic cosine")
E1(tanh, NULL, SIG_REAL, -2, 2, tanh(x), "g * tanh_slope(x, y)", "hyperbolic tangent")
E2(tanh_slope, NULL, SIG_REAL, -2, 2, adc_tanh_slope(x, w), "-2 * (g * y * w)", NONE, "derivative of tanh at x, where w is tanh(x)")
E1(asinh, NULL, SIG_REAL, -2, 2, asinh(x), "g / hypot(x, 1)", "inverse hyperbolic sine")
E1(acosh, NULL, SIG_REAL, 1.5, 3, acosh(x), "g / (sqrt(abs(x) - 1) * sqrt(abs(x) + 1))", "inverse hyperbolic cosine")
E1(atanh, NULL, SIG_REAL, -0.7, 0.7, atanh(x), "g / one_minus_square(x)",
   "inverse hyperbolic tangent")
/* -- special functions -- */
E1(erf, NULL, SIG_REAL, -1, 1, erf(x), "g * (1.1283791670955126 * exp_square(x, -1))", "error function")
E1(erfc, NULL, SIG_REAL, -1, 1, erfc(x), "-g * (1.1283791670955126 * exp_square(x, -1))",
   "1 - erf(x), accurate for large x")
E2(exp_square, NULL, SIG_REAL, -1, 1, adc_exp_square(x, w), "g * (2 * w * x * y)", "g * (x * y * x)",
   "exp(w * x^2); where w is a power of 2, accurate also for large x")
E1(normal_cdf, NULL, SIG_REAL, -2, 2, adc_normal_cdf(x), "g * (0.3989422804014327 * exp_square(x, -0.5))",
   "erfc(-x / sqrt(2)) / 2, the probability of less than x, accurate also far below 0")
E1(lgamma, NULL, SIG_REAL, 0.5, 3, adc_lgamma(x), "g * digamma(x)", "logarithm of |gamma(x)|")
E1(digamma, NULL, SIG_REAL, 0.5, 3, adc_digamma(x), "g * polygamma(1, x)", "derivative of lgamma")
E2(polygamma, NULL, SIG_REAL, 1, 3, adc_polygamma(x, w), NONE, "g * polygamma(x + 1, w)",
   "derivative of order x of digamma at w; x a constant integer >= 0")
/* -- piecewise -- */
E2(min, NULL, SIG_NUMBER, -2, 2, x <= w || isnan(x) ? x : w, "where(x <= w, where(x == w, 0.5 * g, g), 0)",
   "where(w <= x, where(x == w, 0.5 * g, g), 0)", "smaller of two; a tie shares its derivative")
E2(max, NULL, SIG_NUMBER, -2, 2, x >= w || isnan(x) ? x : w, "where(x >= w, where(x == w, 0.5 * g, g), 0)",
   "where(w >= x, where(x == w, 0.5 * g, g), 0)", "larger of two; a tie shares its derivative")
E3(clamp, NULL, SIG_REAL, -2, 2, x < w ? (w < v ? w : v) : (x > v ? v : x), "where(x >= w and x <= v, g, 0)",
   "where(x < w and w < v, g, 0)", "where(x > v or w >= v and x < w, g, 0)", "x held within [w, v]; derivative 1 at both bounds")
E1(floor, NULL, SIG_REAL, 0.1, 0.9, floor(x), NONE, "rounded down")
E1(ceil, NULL, SIG_REAL, 0.1, 0.9, ceil(x), NONE, "rounded up")
E1(round, NULL, SIG_REAL, 0.1, 0.4, nearbyint(x), NONE, "rounded to the nearest, half to even")
E1(trunc, NULL, SIG_REAL, 0.1, 0.9, trunc(x), NONE, "rounded towards 0")
E1(relu, NULL, SIG_REAL, 0.5, 2, x <= 0 ? 0 : x, "where(x <= 0, 0, g)", "max(x, 0); derivative 0 at 0")
E2(leaky_relu, NULL, SIG_REAL, 0.5, 2, x > 0 ? x : w * x, "where(x > 0, g, g * w)", "where(x > 0, 0, g * x)",
   "x above 0, slope * x below")
E2(elu, NULL, SIG_REAL, -2, -0.5, x > 0 ? x : w * expm1(x), "where(x > 0, g, where(x >= 0, g * w, g * w * exp(x)))",
   "where(x > 0, 0, g * expm1(x))", "x above 0, alpha * (e^x - 1) below")
E1(sigmoid, NULL, SIG_REAL, -2, 2, (x < 0 ? exp(-fabs(x)) : 1) / (1 + exp(-fabs(x))), "g * sigmoid_slope(x)", "1 / (1 + e^-x)")
E1(sigmoid_slope, NULL, SIG_REAL, -2, 2, exp(-fabs(x)) / ((1 + exp(-fabs(x))) * (1 + exp(-fabs(x)))),
   "-g * y * tanh(0.5 * x)", "derivative of sigmoid")
E1(softplus, NULL, SIG_REAL, -2, 2, (x > 0 ? x : 0) + log1p(exp(-fabs(x))), "g * sigmoid(x)", "log(1 + e^x) without overflow")
E1(logsigmoid, NULL, SIG_REAL, -2, 2, (x < 0 ? x : 0) - log1p(exp(-fabs(x))), "g * sigmoid(-x)", "log(sigmoid(x)) without overflow")
/* -- comparison, logic, selection (floats are compared without == so that -Wfloat-equal stays silent) -- */
E2(lt, "<", SIG_COMPARE, -2, 2, x < w, NONE, NONE, "less")
E2(le, "<=", SIG_COMPARE, -2, 2, x <= w, NONE, NONE, "less or equal")
E2(gt, ">", SIG_COMPARE, -2, 2, x > w, NONE, NONE, "greater")
E2(ge, ">=", SIG_COMPARE, -2, 2, x >= w, NONE, NONE, "greater or equal")
E2(eq, "==", SIG_COMPARE, -2, 2, x <= w && x >= w, NONE, NONE, "equal")
E2(ne, "!=", SIG_COMPARE, -2, 2, !(x <= w && x >= w), NONE, NONE, "not equal")
E2(and, "and", SIG_BOOL, 0, 1, x && w, NONE, NONE, "both")
E2(or, "or", SIG_BOOL, 0, 1, x || w, NONE, NONE, "either")
E1(not, "not", SIG_BOOL, 0, 1, !x, NONE, "negation")
E1(isnan, NULL, SIG_PREDICATE, -2, 2, isnan(x), NONE, "is it not a number")
E1(isfinite, NULL, SIG_PREDICATE, -2, 2, isfinite(x), NONE, "is it neither infinite nor NaN")
E3(where, NULL, SIG_SELECT, -2, 2, x ? w : v, NONE, "where(x, g, 0)", "where(x, 0, g)", "w where x holds, else v; the gradient is safe")
E1(real, NULL, SIG_TO_REAL, 0, 1, x, NONE, "int or bool as real")
E1(stop_gradient, NULL, SIG_REAL, -2, 2, x, NONE, "x, through which no derivative passes")
E1(neutral, NULL, SIG_REAL, -2, 2, x, NONE, "x, where the result is the same for any x, so that no derivative passes")

/* -- leaves -- */
LEAF(param, 0, "an input of the function")
LEAF(constant, 0, "numbers known at compile time")                /* data */
LEAF(iota, 0, "0, 1, .. n-1")                                     /* the type's size says n */
LEAF(bind, 1, "a named value that a derivative is taken by; never merged until then")
/* A derivative of values: replaced by src/diff.  attr: count of y's.
 * grad: y.., seed.., x.   jvp: y, x.., v.. (attr: count of x).   jacobian, hessian: y, x.   hvp: y, x.., v.. (attr: count, which). */
LEAF(grad, -1, "derivative of y by x, weighted by seeds")
LEAF(jvp, -1, "directional derivative of y")
LEAF(jacobian, 2, "all derivatives of y by x")
LEAF(hessian, 2, "all second derivatives of a scalar y by x")
LEAF(hvp, -1, "Hessian of a scalar y times a vector")
/* -- regions (region.c): what a node yields is taken with result -- */
LEAF(result, 1, "one value of a region")                           /* attr: which */
LEAF(loop, -1, "a counted loop")                                  /* trips, inits.., captures..; attr: max trips, carries, checkpoint; body: index, carries.., captures.. -> next carries.., stacked.. */
LEAF(while_loop, -1, "a conditional loop")                        /* inits.., captures..; attr: as loop; body: as loop -> condition, next carries.., stacked.. */
LEAF(branch, -1, "one of two sides")                              /* condition, captures..; two bodies: captures.. -> values.. */
/* -- linear movement and contraction -- */
LINEAR(expand, 1, "NumPy's broadcast_to")                         /* the type says the shape */
LINEAR(reshape, 1, "same elements, other shape")                  /* the type says the shape */
LINEAR(permute, 1, "axes in another order")                       /* attr: perm, from the end: result axis k-rank is operand axis attr[k] < 0 */
LINEAR(slice, 1, "a strided part; negative steps run backwards")  /* attr: start per axis, then step per axis */
LINEAR(pad, 1, "zeros around and between")                        /* attr: low per axis, high per axis, interior per axis */
LINEAR(concat, -1, "one after the other along an axis")           /* attr: axis < 0 */
LINEAR(stack, -1, "along a new leading axis")                     /* no attr; under batch axes diff uses reshape and concat */
LINEAR(sum, 1, "sum over axes")                                   /* attr: axes < 0, ascending; reduced axes vanish */
LINEAR(einsum, -1, "sum of products over labelled axes")          /* attr: labels of operand 1, operand 2, result (ranks from the types) */
LINEAR(index, -1, "elements or parts at run-time indices")        /* x, then int tensors of one shape for its leading axes */
LINEAR(index_add, -1, "base plus a source scattered to run-time indices")  /* base, source, indices.. */
LINEAR(index_set, -1, "base with a source put at run-time indices")        /* base, source, indices.. */
/* -- the rest -- */
OTHER(recurrence, 2, "flip(recurrence(shift_left(flip..))): in src/diff", "y_k = b_k + a_k y_{k-1} along an axis")  /* attr: axis < 0, forget */
OTHER(prod, 1, "keep(g) * product of all others: in src/diff", "product over axes")          /* attr: axes < 0, ascending */
OTHER(max_reduce, 1,
      "where(x == keep(y) or isnan(keep(y)), keep(g) * real(x == keep(y)) / keep(sum(real(x == keep(y)), axis: axis)), 0)",
      "largest over axes; ties share")
OTHER(max_first, 1, "where(_first(x == keep(y) or isnan(x), axis: axis), keep(g), 0)",
      "largest over axes; of equal ones the first has the derivative")
OTHER(min_reduce, 1,
      "where(x == keep(y) or isnan(keep(y)), keep(g) * real(x == keep(y)) / keep(sum(real(x == keep(y)), axis: axis)), 0)",
      "smallest over axes; ties share")
/* -- matrices: the last two axes; the axes in front are a batch, the same in all operands -- */
OTHER2(solve, 2, "-solve(x', g) @ y'", "solve(x', g)", "-g @ y", "y of x @ y = w")
OTHER2(inverse, 1, "-y' @ g @ y'", NONE, "-y @ g @ y", "inverse of a matrix")
OTHER2(det, 1, "keep(g) * det_cofactors(x)", NONE, "sum(det_cofactors(x) * g, axis: axis)",
       "determinant")                                             /* attr: axes -2, -1 */
OTHER2(logdet, 1, "keep(g) * inverse(x)'", NONE, "sum(inverse(x)' * g, axis: axis)",
       "logarithm of a positive determinant")                     /* attr: axes -2, -1 */
OTHER2(cholesky, 1, "_cholesky_adjoint(y, g)", NONE, "_cholesky_tangent(y, g)", "lower y of y @ y' = (x + x') / 2")
OTHER2(triangular_solve, 2, "_triangular_adjoint(x, y, g, lower: lower, transpose: transpose, unit: unit)",
       "triangular_solve(x, g, lower: lower, transpose: not transpose, unit: unit)",
       "-_triangular_part(g, lower: lower, transpose: transpose, unit: unit) @ y",
       "y of t @ y = w for the stated triangle t of x")           /* attr: lower, transpose, unit */
OTHER(det_cofactors, -1, "det_cofactors(x, w.., g), and with g for one of w..: in src/diff",
      "derivative of det(x) in the directions w.., all but one")  /* x, then any number of matrices */
/* -- declared by the user (call.c); attr: which -- */
OTHER(call, -1, NONE, "a C function of the user, of every element")   /* arguments */
OTHER(override, -1, NONE, "a value whose derivative is declared")     /* value, arguments; vanishes with the binds */
/* -- reductions over `axis` -- */
RULED(product_like, 2, NONE, NONE, NONE, NONE, "product of x, which keeps its axes: in src/diff")
RULED(product_slope, -1, NONE, NONE, NONE, NONE, "derivative of prod(x) in the directions v.., and an open one: in src/diff")
RULED(cumprod_slope, -1, NONE, NONE, NONE, NONE, "derivative of cumprod(x) in the directions v..: in src/diff")
RULED(cumprod_back, -1, NONE, NONE, NONE, NONE, "derivative of sum(w * cumprod(x)) in v.., and an open one: in src/diff")
RULED(with_slope, 3, "g * w", NONE, "sum(w * g, axis: axis, keepdim: true)", NONE,
      "a reduction of x that keeps its axes, whose slope is w")
RULED(centred_like, 2, "_uncentred(g, axis: axis)", NONE, "_uncentred(g, axis: axis)", NONE, "x less its mean")
/* -- softmax and what is made of it: w is the softmax of x over `axis`.  These rules are closed, so no order of derivative
 *    subtracts w from 1 -- */
RULED(softmax_like, 3, "_softmax_slope(x, w, g, axis: axis)", NONE, "_softmax_slope(x, w, g, axis: axis)", NONE,
      "w, or w less a constant")
RULED(softmax_slope, 4, "_softmax_curvature(x, w, v, g, axis: axis)", "_softmax_slope(x, w, g, axis: axis)",
      "_softmax_curvature(x, w, v, g, axis: axis)", "_softmax_slope(x, w, g, axis: axis)", "w * (v - sum(w * v))")
RULED(softmax_centred, 4, "-_softmax_slope(x, w, v, axis: axis) * sum(g, axis: axis, keepdim: true)",
      "_softmax_uncentred(x, w, g, axis: axis)", "-_softmax_covariance(x, w, v, g, axis: axis)",
      "_softmax_centred(x, w, g, axis: axis)", "v - sum(w * v)")
RULED(softmax_uncentred, 4, "-_softmax_slope(x, w, g, axis: axis) * sum(v, axis: axis, keepdim: true)",
      "_softmax_centred(x, w, g, axis: axis)", "-_softmax_slope(x, w, g, axis: axis) * sum(v, axis: axis, keepdim: true)",
      "_softmax_uncentred(x, w, g, axis: axis)", "v - w * sum(v)")
RULED(log_softmax_like, 3, "_softmax_uncentred(x, w, g, axis: axis)", NONE, "_softmax_centred(x, w, g, axis: axis)", NONE,
      "logarithm of w")
/* -- norms over `axis`; of norm_curvature, w is x / norm and u the norm -- */
RULED(direction_like, 3, "_norm_curvature(x, y, with_slope(w, x, y, axis: axis), g, axis: axis)", NONE,
      "_norm_curvature(x, y, with_slope(w, x, y, axis: axis), g, axis: axis)", NONE, "x / w, where w is the norm of x")
RULED(norm_curvature, 5, "_norm_third(x, w, u, v, g, axis: axis)", "_norm_curvature(x, w, u, g, axis: axis)",
      "_norm_third(x, w, u, v, g, axis: axis)", "_norm_curvature(x, w, u, g, axis: axis)", "(v - w * sum(w * v)) / u")
RULED(power_direction_like, 4, "_power_curvature(x, y, with_slope(w, x, y, axis: axis), v, g, axis: axis)", NONE,
      "_power_curvature(x, y, with_slope(w, x, y, axis: axis), v, g, axis: axis)", NONE,
      "slope of w, the norm of x of order v, which is constant")
/* made by the pass `factor`, when derivatives have been formed */
OTHER(lu_factor, 1, NONE,
      "L and U in one matrix, then what each row was exchanged with")   /* attr: complete: columns were exchanged, too */
OTHER(lu_solve, 2, NONE, "a solve with one of the factors, and its exchanges")  /* attr: upper, transpose */

#undef E1
#undef E2
#undef E3
#undef LEAF
#undef LINEAR
#undef OTHER
#undef OTHER2
#undef RULED
