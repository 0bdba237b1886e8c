#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Coefficients of the polynomials in src/ops/vecmath.inc.

Every polynomial there comes from this file: a row of TABLE names it, says which function it approximates, on which
interval, with which weight, and to how many bits each coefficient is rounded.  Running the script prints, for each
row, the coefficients (lowest degree first, as C99 hexadecimal constants) and log2 of the largest weighted error.

Method: the Remez exchange (Remez 1934; Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., ch. 10) on a
fixed grid of Chebyshev points, in multiple precision.  Coefficients are rounded one at a time from the lowest degree
upwards, and the remaining ones are fitted again to what is left, so that the rounding of the ones that matter most is
made good by the others.  QUOTIENTS holds rational functions of one shape.  Nothing is random: the same mpmath gives the same digits.

    vecmath_coefficients.py            all rows (some minutes)
    vecmath_coefficients.py expf logf  some rows
    vecmath_coefficients.py constants  the split constants (pi/2, ln 2, ...)
"""
import sys
from mpmath import (mp, mpf, sqrt, exp, expm1, log, log1p, sin, cos, tanh, sinh, asin, atan, atanh, erf, erfc,
                    loggamma, digamma, pi, findroot)

mp.prec = 320


def solve(rows, rhs):
    """Gaussian elimination with partial pivoting; small dense systems of multiple-precision numbers."""
    n = len(rhs)
    a = [row[:] + [b] for row, b in zip(rows, rhs)]
    for col in range(n):
        pivot = max(range(col, n), key=lambda r: abs(a[r][col]))
        a[col], a[pivot] = a[pivot], a[col]
        for r in range(col + 1, n):
            factor = a[r][col] / a[col][col]
            if factor:
                for c in range(col, n + 1):
                    a[r][c] -= factor * a[col][c]
    x = [mpf(0)] * n
    for r in range(n - 1, -1, -1):
        x[r] = (a[r][n] - sum(a[r][c] * x[c] for c in range(r + 1, n))) / a[r][r]
    return x


def extrema(err, count):
    """Indices of `count` alternating local extrema of the error on the grid, the largest ones kept."""
    peaks = []
    for i, e in enumerate(err):
        if peaks and (e >= 0) == (err[peaks[-1]] >= 0):
            if abs(e) > abs(err[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    while len(peaks) > count:
        if len(peaks) == count + 1:             # drop the smaller end, alternation stays
            peaks.pop(0 if abs(err[peaks[0]]) < abs(err[peaks[-1]]) else -1)
        else:                                   # drop the smallest neighbouring pair
            i = min(range(len(peaks) - 1), key=lambda k: max(abs(err[peaks[k]]), abs(err[peaks[k + 1]])))
            del peaks[i:i + 2]
    return peaks


def remez(grid, target, weight, low, high):
    """Minimax coefficients of z^low .. z^high on the grid."""
    count = high - low + 1
    powers = [[z ** k for k in range(low, high + 1)] for z in grid]
    last = len(grid) - 1
    ref = [round(last * i / count) for i in range(count + 1)]      # equal steps: the grid is Chebyshev distributed
    best = None
    for _ in range(30):
        rows = [powers[i] + [mpf((-1) ** k) / weight[i]] for k, i in enumerate(ref)]
        sol = solve(rows, [target[i] for i in ref])
        coef, level = sol[:-1], abs(sol[-1])
        err = [(t - sum(c * p for c, p in zip(coef, pw))) * w for t, pw, w in zip(target, powers, weight)]
        worst = max(abs(e) for e in err)
        if best is None or worst < best[0]:
            best = (worst, coef)
        if worst <= level * mpf('1.002'):
            break
        peaks = extrema(err, count + 1)
        if len(peaks) < count + 1:
            break
        ref = peaks
    return best


def round_bits(x, bits):
    with mp.workprec(bits):
        return +x


def max_error(coef, low, grid, target, weight):
    return max(abs(t - sum(c * z ** (low + k) for k, c in enumerate(coef))) * w
               for z, t, w in zip(grid, target, weight))


def fit(name):
    terms, bits, lo, hi, g, w = TABLE[name]
    n = max(24 * terms, 160)
    grid = [(mpf(lo) + hi) / 2 + (mpf(hi) - lo) / 2 * cos(pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    target, weight = [mpf(g(z)) for z in grid], [abs(mpf(w(z))) for z in grid]
    coef, rest = [], None
    for k in range(terms):
        worst, fitted = remez(grid, target, weight, k, terms - 1)
        if rest and max_error(rest, k, grid, target, weight) < worst:
            fitted = rest                       # the exchange got stuck: what was fitted before still serves
        coef.append(round_bits(fitted[0], bits))
        rest = fitted[1:]
        target = [t - coef[-1] * z ** k for t, z in zip(target, grid)]
    return coef, max(abs(t * w) for t, w in zip(target, weight))


def hexfloat(x, bits):
    """x (already rounded to `bits`) as a C99 constant; f suffix for 24 bits."""
    if bits > 53:
        raise ValueError('no C type')
    text = float(x).hex()
    if 'p' in text:
        mant, e = text.split('p')
        mant = mant.rstrip('0').rstrip('.') if '.' in mant else mant
        text = mant + 'p' + str(int(e))
    return text + ('f' if bits == 24 else '')


LN2, LN10 = log(mpf(2)), log(mpf(10))
H = LN2 / 2 * mpf('1.001')             # |r| after exp's reduction, and a little for the rounding of n
SQ = sqrt(mpf(2))
QP = (pi / 4 * mpf('1.004')) ** 2      # r^2 after the reduction by pi/2
S2 = ((SQ - 1) / (SQ + 1)) ** 2 * mpf('1.0001')
PSI0 = findroot(digamma, mpf('1.4616321449683623413'))


GELU_K = mpf(4)


def gelu_g(q):
    """(1 - Phi(x)) e^(x^2/2) (x + K), Phi the normal distribution, as a function of q = (x - K)/(x + K)."""
    x = GELU_K * (1 + q) / (1 - q)
    return exp(x * x / 2) * erfc(x / sqrt(mpf(2))) / 2 * (x + GELU_K)


def lgam2(u):
    return loggamma(2 + u).real / u


def stirling(z):
    x = 1 / sqrt(z)
    return (loggamma(x) - ((x - mpf(1) / 2) * log(x) - x + log(2 * pi) / 2)) * x


def psi_tail(z):
    x = 1 / sqrt(z)
    return (digamma(x) - log(x) + 1 / (2 * x)) / z


def q_of(x, k):
    return (mpf(x) - k) / (mpf(x) + k)


# name: (terms, bits, lo, hi, function of z, weight of z).  The weight turns the error of the polynomial into the
# relative error of the function that uses it.
TABLE = {
    # e^r - 1 = r + r^2 q(r)
    'expf': (5, 24, -H, H, lambda r: (expm1(r) - r) / r**2, lambda r: r**2 / exp(r)),
    'expm1f': (6, 24, -H, H, lambda r: (expm1(r) - r) / r**2, lambda r: r**2 / expm1(r)),
    'exp': (11, 53, -H, H, lambda r: (expm1(r) - r) / r**2, lambda r: r**2 / expm1(r)),
    # 2^r = 1 + r q(r)
    'exp2f': (6, 24, -0.5, 0.5, lambda r: expm1(r * LN2) / r, lambda r: r / 2**r),
    'exp2': (11, 53, -0.5, 0.5, lambda r: expm1(r * LN2) / r, lambda r: r / 2**r),
    # log(1+f) = f - f^2/2 + f^3 p(f)
    'logf': (8, 24, 1 / SQ - 1, SQ - 1, lambda f: (log1p(f) - f + f * f / 2) / f**3, lambda f: f**3 / log1p(f)),
    # log2(1+f) = c f + f^2 p(f), log10 likewise; c is split in two by hand (constants)
    'log2f': (9, 24, 1 / SQ - 1, SQ - 1, lambda f: (log1p(f) - f) / LN2 / f**2, lambda f: f**2 * LN2 / log1p(f)),
    'log10f': (9, 24, 1 / SQ - 1, SQ - 1, lambda f: (log1p(f) - f) / LN10 / f**2, lambda f: f**2 * LN10 / log1p(f)),
    # 2 atanh(s) = 2s + s z l(z), z = s^2, s = f/(2+f)
    'log': (7, 53, 0, S2, lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z, lambda z: z),
    # 2 atanh(s) = 2s + s^3 (2/3 + z q(z)): the tail of the double-double logarithm of pow
    'logdd': (8, 53, 0, S2, lambda z: ((2 * atanh(sqrt(z)) / sqrt(z) - 2) / z - mpf(2) / 3) / z, lambda z: z * z),
    # short ones for f32 functions that compute in f64: log2 with relative error 2^-40, exp2 likewise
    'log_short': (5, 53, 0, S2, lambda z: (2 * atanh(sqrt(z)) / sqrt(z) - 2) / z, lambda z: z),
    'exp2_short': (7, 53, -0.5, 0.5, lambda r: expm1(r * LN2) / r, lambda r: r / 2**r),
    # sin r = r + r z s(z), cos r = 1 - z/2 + z^2 c(z)
    'sinf': (3, 24, 0, QP, lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / sin(sqrt(z))),
    'cosf': (3, 24, 0, QP, lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2 / cos(sqrt(z))),
    'sin': (6, 53, 0, QP, lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / sin(sqrt(z))),
    'cos': (6, 53, 0, QP, lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2, lambda z: z**2 / cos(sqrt(z))),
    # odd functions: f(x) = x + x z p(z)
    'asinf': (5, 24, 0, 0.25, lambda z: (asin(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / asin(sqrt(z))),
    'asin': (12, 53, 0, 0.25, lambda z: (asin(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / asin(sqrt(z))),
    'atanf': (9, 24, 0, 1, lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / atan(sqrt(z))),
    'atan': (20, 53, 0, 1, lambda z: (atan(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / atan(sqrt(z))),
    'sinhf': (4, 24, 0, 1, lambda z: (sinh(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / sinh(sqrt(z))),
    'sinh': (7, 53, 0, 1, lambda z: (sinh(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / sinh(sqrt(z))),
    'tanhf': (5, 24, 0, 0.36, lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / tanh(sqrt(z))),
    'tanh': (11, 53, 0, 0.36, lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z, lambda z: z**1.5 / tanh(sqrt(z))),
    # erf x = x + x p(z)
    'erff': (6, 24, 0, 0.87, lambda z: erf(sqrt(z)) / sqrt(z) - 1, lambda z: sqrt(z) / erf(sqrt(z))),
    'erf': (12, 53, 0, 0.87, lambda z: erf(sqrt(z)) / sqrt(z) - 1, lambda z: sqrt(z) / erf(sqrt(z))),
    # log2 erfc(a) = p(a)
    'erff_tail': (7, 24, 0.92, 3.95, lambda a: log(erfc(a)) / LN2, lambda a: erfc(a) / erf(a) * LN2),
    'erf_tail': (19, 53, 0.92, 5.95, lambda a: log(erfc(a)) / LN2, lambda a: erfc(a) / erf(a) * LN2),
    # the same, for erfc x = 1 - x - x p(z)
    'erfcf': (6, 24, 0, mpf('0.77') ** 2, lambda z: erf(sqrt(z)) / sqrt(z) - 1, lambda z: sqrt(z) / erfc(sqrt(z))),
    'erfc': (10, 53, 0, mpf('0.66') ** 2, lambda z: erf(sqrt(z)) / sqrt(z) - 1, lambda z: sqrt(z) / erfc(sqrt(z))),
    # 1 - Phi(x) = e^(-x^2/2) g(q)/(x + K)
    'geluf': (10, 24, q_of(0, GELU_K), q_of(14.6, GELU_K), gelu_g, lambda q: 1 / gelu_g(q)),
    'gelu': (23, 53, q_of(0, GELU_K), q_of(38.7, GELU_K), gelu_g, lambda q: 1 / gelu_g(q)),
    # lgamma(2+u) = u s(u); lgamma(x) = Stirling + t(1/x^2)/x for x >= 7
    'gammaln': (23, 53, -0.75, 0.5, lgam2, lambda u: 1 / lgam2(u)),
    'gammaln_tail': (6, 53, mpf(1) / 10**9, mpf(1) / 49, stirling, lambda z: sqrt(z) / loggamma(1 / sqrt(z))),
    # psi(x) = (x - x0) r(x - 3/2); psi(x) = log x - 1/(2x) + t(1/x^2)/x^2 for x >= 6
    'digamma': (23, 53, -0.5, 0.5, lambda v: digamma(v + 1.5) / (v + 1.5 - PSI0),
                lambda v: (v + 1.5 - PSI0) / digamma(v + 1.5)),
    'digamma_tail': (7, 53, mpf(1) / 10**9, mpf(1) / 36, psi_tail, lambda z: z / digamma(1 / sqrt(z))),
}


# name: (n, bits, lo, hi, factor, function): factor f(x) = q(x) / (x q(x) + p(x)), q of degree n with 1 in front, p of
# degree n-1, with the least relative error.  Where f(x) falls like 1/x, x q(x) outweighs p(x), and the rounding errors
# of q cancel.  The factor is the one unknown that is left: those here were found by trying, the error is least there.
QUOTIENTS = {
    # 2 e^-k erfcx(x); k, not the factor, is what the code adds to x^2
    'erfcf_tail': (4, 24, '0.74', '10.1', 2 * exp(-mpf(float.fromhex('0x1.eeb90cp-4'))), lambda x: exp(x * x) * erfc(x)),
    'erfc_tail': (9, 53, '0.64', '27.4', 2 * exp(-mpf(float.fromhex('0x1.eeb95b094c691p-4'))), lambda x: exp(x * x) * erfc(x)),
}


def remez_quotient(grid, target, powers, n, q, p, guess):
    """The q and p that fit best, given their lowest coefficients; the exchange as in remez.  Linear in both but for the
    denominator beside the error, which is taken from the step before.  Returns error, q, p and that denominator."""
    free_q, free_p, best = n - len(q), n - len(p), None
    count, last = free_q + free_p, len(grid) - 1
    ref = [round(last * i / count) for i in range(count + 1)]

    def value(coef, i):
        return sum(c * z for c, z in zip(coef, powers[i]))
    for turn in range(40):
        for _ in range(8 if turn < 2 else 3):
            rows, rhs = [], []
            for k, i in enumerate(ref):
                beside = target[i] * grid[i] - 1                   # what q is multiplied by
                rows.append([beside * z for z in powers[i][len(q):n]] + [target[i] * z for z in powers[i][len(p):n]] +
                            [(-1) ** k * guess[i] * target[i]])
                rhs.append(-beside * (value(q, i) + powers[i][n]) - target[i] * value(p, i))
            sol = solve(rows, rhs)
            all_q, all_p = q + sol[:free_q] + [mpf(1)], p + sol[free_q:-1]
            top = [value(all_q, i) for i in range(last + 1)]
            below = [grid[i] * top[i] + value(all_p, i) for i in range(last + 1)]
            if min(below) <= 0:
                break
            guess = below
        err = [1 - a / b / t for t, a, b in zip(target, top, below)]
        worst = max(abs(e) for e in err)
        if best is None or worst < best[0]:
            best = (worst, all_q, all_p, guess)
        peaks = extrema(err, count + 1)
        if worst <= abs(sol[-1]) * mpf('1.01') or len(peaks) < count + 1:
            break
        ref = peaks
    return best


def fit_quotient(name):
    """q and p, rounded in turn from the lowest coefficients upwards, and the largest relative error."""
    n, bits, lo, hi, factor, f = QUOTIENTS[name]
    points, low, high = 48 * n, log1p(mpf(lo)), log1p(mpf(hi))     # Chebyshev points of log(1 + x)
    grid = [expm1((low + high) / 2 + (high - low) / 2 * cos(pi * (2 * i + 1) / (2 * points))) for i in range(points)]
    target, powers = [factor * f(x) for x in grid], [[x ** k for k in range(n + 1)] for x in grid]
    q, p = [], []
    worst, all_q, all_p, guess = remez_quotient(grid, target, powers, n, q, p, [(x + 1.5) ** (n + 1) for x in grid])
    while len(p) < n:
        q.append(round_bits(all_q[len(q)], bits))
        worst, all_q, all_p, guess = remez_quotient(grid, target, powers, n, q, p, guess)
        p.append(round_bits(all_p[len(p)], bits))
        if len(p) < n:
            worst, all_q, all_p, guess = remez_quotient(grid, target, powers, n, q, p, guess)
    q.append(mpf(1))
    worst = max(abs(1 - sum(c * x for c, x in zip(q, z)) / (z[1] * sum(c * x for c, x in zip(q, z)) +
                                                           sum(c * x for c, x in zip(p, z))) / t)
                for z, t in zip(powers, target))
    return q, p, worst


def split(x, *bits):
    """x as a sum of constants with the given numbers of bits."""
    parts = []
    for b in bits:
        parts.append(round_bits(x, b))
        x -= parts[-1]
    return parts


CONSTANTS = {
    'ln2 f32 (16+24)': (LN2, 24, 16, 24), 'ln2 f64 (42+53)': (LN2, 53, 42, 53), 'ln2 f64 (53+53)': (LN2, 53, 53, 53),
    '1/ln2 f32': (1 / LN2, 24, 24, 24), '1/ln2 f64': (1 / LN2, 53, 53, 53),
    '1/ln10 f32': (1 / LN10, 24, 24, 24), '1/ln10 f64': (1 / LN10, 53, 53, 53),
    'log10(2) f32 (16+24)': (LN2 / LN10, 24, 16, 24), 'log10(2) f64 (42+53)': (LN2 / LN10, 53, 42, 53),
    'pi/2 f32': (pi / 2, 24, 24, 24, 24), 'pi/2 f64': (pi / 2, 53, 53, 53, 53),
    'pi f32': (pi, 24, 24, 24), 'pi f64': (pi, 53, 53, 53),
    '2/pi f32': (2 / pi, 24, 24), '2/pi f64': (2 / pi, 53, 53),
    'log(pi) f64': (log(pi), 53, 53, 53), 'log(2pi)/2 f64': (log(2 * pi) / 2, 53, 53, 53), '2/3 f64': (mpf(2) / 3, 53, 53, 53),
    'zero of psi f64': (PSI0, 53, 53, 53), 'log(2pi)/2 - 1/2 f64': (log(2 * pi) / 2 - mpf(1) / 2, 53, 53, 53),
}


def chunks_of_two_over_pi(width, count):
    """2/pi cut into integers of `width` bits, most significant first (Payne & Hanek 1983)."""
    with mp.workprec(width * count + 64):
        x = 2 / +pi
        out = []
        for _ in range(count):
            x *= mpf(2) ** width
            out.append(int(x))
            x -= out[-1]
        return out


def main(names):
    if not names or 'constants' in names:
        for name, (x, bits, *parts) in CONSTANTS.items():
            print('%-22s' % name, ' '.join(hexfloat(p, bits) for p in split(x, *parts)))
        print('2/pi, 32-bit pieces:', *['0x%x' % c for c in chunks_of_two_over_pi(32, 7)])
        print('2/pi, 26-bit pieces:', *['0x%x' % c for c in chunks_of_two_over_pi(26, 48)])
    for name in names or [*TABLE, *QUOTIENTS]:
        if name in TABLE:
            coef, worst = fit(name)
            print('%s: 2^%.1f' % (name, float(log(worst) / LN2)))
            for c in coef:
                print('    ' + hexfloat(c, TABLE[name][1]))
        elif name in QUOTIENTS:
            q, p, worst = fit_quotient(name)
            print('%s: 2^%.1f' % (name, float(log(worst) / LN2)))
            for what, coef in ('q', q), ('p', p):
                for c in coef:
                    print('  %s ' % what + hexfloat(c, QUOTIENTS[name][1]))


if __name__ == '__main__':
    main(sys.argv[1:])
