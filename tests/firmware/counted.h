/* A real that counts what is done to it.  Included first, it makes generated C compile as C++ and tell how many
 * operations a call performs, to be held against what its header publishes. */
#ifndef COUNTED_H
#define COUNTED_H

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <type_traits>

struct Counts {
    long add, mul, div, compare, libm;
};
extern Counts counts;

struct Counted {
    double value;

    Counted() = default;
    template <class Number, class = typename std::enable_if<std::is_arithmetic<Number>::value>::type>
    Counted(Number number) : value(static_cast<double>(number)) {}
    explicit operator int32_t() const { return static_cast<int32_t>(value); }

    Counted operator-() const { return -value; }
    Counted &operator+=(Counted b) { return *this = *this + b; }
    Counted &operator-=(Counted b) { return *this = *this - b; }
    Counted &operator*=(Counted b) { return *this = *this * b; }
    Counted &operator/=(Counted b) { return *this = *this / b; }
    friend Counted operator+(Counted a, Counted b) { return counts.add++, a.value + b.value; }
    friend Counted operator-(Counted a, Counted b) { return counts.add++, a.value - b.value; }
    friend Counted operator*(Counted a, Counted b) { return counts.mul++, a.value * b.value; }
    friend Counted operator/(Counted a, Counted b) { return counts.div++, a.value / b.value; }
    friend bool operator<(Counted a, Counted b) { return counts.compare++, a.value < b.value; }
    friend bool operator>(Counted a, Counted b) { return counts.compare++, a.value > b.value; }
    friend bool operator<=(Counted a, Counted b) { return counts.compare++, a.value <= b.value; }
    friend bool operator>=(Counted a, Counted b) { return counts.compare++, a.value >= b.value; }
};

#define COUNTED_LIBM(name) \
    static inline Counted name##f(Counted x) { return counts.libm++, name(x.value); }
COUNTED_LIBM(sqrt)
COUNTED_LIBM(exp)
COUNTED_LIBM(log)
COUNTED_LIBM(sin)
COUNTED_LIBM(cos)
COUNTED_LIBM(tanh)
COUNTED_LIBM(log1p)
static inline Counted fabsf(Counted x) { return fabs(x.value); }
static inline bool isnan(Counted x) { return x.value != x.value; }
static inline bool isfinite(Counted x) { return x.value - x.value == 0; }

/* from here on, when all system headers have been read */
#define float Counted
#define REAL Counted

#endif
