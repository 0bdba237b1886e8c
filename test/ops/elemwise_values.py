#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes elemwise_values.h: expected values of elementwise ops, from mpmath and NumPy.

    python3 elemwise_values.py > elemwise_values.h      (needs mpmath, numpy >= 2)
"""
import numpy as np
from mpmath import mp, mpf
import mpmath as m

mp.prec = 400
np.seterr(all='ignore')
inf, nan = float('inf'), float('nan')


def c_double(x):
    x = float(x)
    if x != x: return 'NAN'
    if x in (inf, -inf): return 'INFINITY' if x > 0 else '-INFINITY'
    return x.hex()


REAL = [1e-300, -3e-17, 1e-9, -0.1, 0.3, -0.5, 0.99, 1.0, -1.0, 1.5, 2.0, -3.7, 5.25, 30.0, -30.0, 700.0, -700.0]
POSITIVE = [1e-300, 5e-324, 1e-9, 0.1, 0.5, 0.999999, 1.0, 1.0000001, 1.4616321449683623, 1.5, 2.0, 2.5, 3.7, 5.25,
            19.9, 20.5, 30.0, 171.5, 1e10, 1e300]
UNIT = [1e-300, -3e-17, 1e-9, -0.1, 0.3, -0.5, 0.5, 0.99, 1.0, -1.0, 0.9999999999]
GAMMA = POSITIVE + [-0.5, -1.5, -2.25, -30.75, -0.001]
FUNCTIONS = {
    'exp': (m.exp, REAL), 'exp2': (lambda x: mpf(2) ** x, REAL), 'expm1': (m.expm1, REAL),
    'log': (m.log, POSITIVE), 'log2': (lambda x: m.log(x) / m.log(2), POSITIVE), 'log10': (m.log10, POSITIVE),
    'log1p': (m.log1p, POSITIVE + [-1e-9, -0.5, -0.9999]),
    'sin': (m.sin, REAL + [1e22, 355.0]), 'cos': (m.cos, REAL + [1e22, 11.0]), 'tan': (m.tan, REAL + [11.0]),
    'arcsin': (m.asin, UNIT), 'arccos': (m.acos, UNIT), 'arctan': (m.atan, REAL + [1e300]),
    'deg2rad': (lambda x: x * m.pi / 180, REAL), 'rad2deg': (lambda x: x * 180 / m.pi, REAL),
    'sinh': (m.sinh, REAL), 'cosh': (m.cosh, REAL), 'tanh': (m.tanh, REAL), 'arcsinh': (m.asinh, REAL + [1e300]),
    'arccosh': (m.acosh, [x for x in POSITIVE if x >= 1]), 'arctanh': (m.atanh, [x for x in UNIT if abs(x) < 1]),
    'erf': (m.erf, REAL), 'erfc': (m.erfc, [x for x in REAL if abs(x) < 27] + [26.5]),
    'gammaln': (lambda x: m.log(abs(m.gamma(x))), [x for x in GAMMA if x < 1e300] + [1e305]),
    'psi': (m.digamma, [x for x in GAMMA if x > 1e-100]),
    'sigmoid': (lambda x: 1 / (1 + m.exp(-x)), REAL), 'softplus': (lambda x: m.log1p(m.exp(x)), REAL),
    'softsign': (lambda x: x / (1 + abs(x)), REAL), 'sqrt': (m.sqrt, POSITIVE), 'inv': (lambda x: 1 / x, REAL[1:]),
    'xlogx': (lambda x: x * m.log(x), POSITIVE),
}
PAIRS = [0.0, -0.0, 1.0, -1.0, 7.5, -2.0, 0.3, 1e16, inf, -inf, nan]
BINARY = {'floordiv': np.floor_divide, 'mod': np.remainder, 'maximum': np.maximum, 'minimum': np.minimum,
          'arctan2': np.arctan2, 'div': np.divide, 'logaddexp': np.logaddexp}

print('/* elemwise_values.h - made by elemwise_values.py (mpmath %s, NumPy %s); not edited by hand.' %
      (m.__version__, np.__version__))
print(' * SPDX-License-Identifier: BSD-3-Clause */')
print('static const struct { const char *op; double x, want; } real_values[] = {')
for name, (f, points) in FUNCTIONS.items():
    for x in points:
        print('    { "%s", %s, %s },' % (name, c_double(x), c_double(f(mpf(x)))))
print('};\n')
print('static const struct { const char *op; double x, y, want; } binary_values[] = {')
for name, f in BINARY.items():
    for x in PAIRS:
        for y in PAIRS:
            print('    { "%s", %s, %s, %s },' % (name, c_double(x), c_double(y), c_double(f(np.float64(x), np.float64(y)))))
print('};\n')
TYPES = dict(zip('bool i8 i16 i32 i64 u8 u16 u32 u64 f16 f32 f64'.split(),
                 'bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64'.split()))
BACK = {np.dtype(v): k for k, v in TYPES.items()}
print('static const char *const promoted_names[] = { %s };' % ', '.join('"%s"' % k for k in TYPES))
print('static const char *const promoted[12][12] = {')
for a in TYPES.values():
    print('    { %s },' % ', '.join('"%s"' % BACK[np.result_type(a, b)] for b in TYPES.values()))
print('};')
