#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes conv_values.h: convolutions and pooling with their gradients, on small integers, from NumPy and SciPy.

    python3 conv_values.py > conv_values.h      (needs numpy, scipy)

Convolutions are scipy.signal's of padded images; their gradients are taken apart by single pixels and weights, since a
convolution is linear in both: no formula of a gradient is used. Maxima and means are of NumPy's sliding windows.
"""
import numpy as np
import scipy
from scipy.signal import convolve2d, correlate2d


def numbers(shape, a, b, m):
    i = np.arange(int(np.prod(shape)))
    return ((a * i * i + b * i) % m - m // 2).reshape(shape).astype(float)


def x_of(shape): return numbers(shape, 7, 3, 11)
def k_of(shape): return numbers(shape, 5, 1, 7)
def d_of(shape): return numbers(shape, 0, 3, 5)


def conv(x, k, stride=(1, 1), padding=(0, 0), flip=False):
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    one = convolve2d if flip else correlate2d
    y = np.array([[sum(one(x[b, c], k[o, c], 'valid') for c in range(x.shape[1])) for o in range(k.shape[0])] for b in range(x.shape[0])])
    return y[:, :, ::stride[0], ::stride[1]]


def units(shape):
    for i in range(int(np.prod(shape))):
        e = np.zeros(int(np.prod(shape)))
        e[i] = 1
        yield e.reshape(shape)


def conv_dx(x, k, d, **s): return np.array([(conv(e, k, **s) * d).sum() for e in units(x.shape)]).reshape(x.shape)
def conv_dk(x, k, d, **s): return np.array([(conv(x, e, **s) * d).sum() for e in units(k.shape)]).reshape(k.shape)


def windows(x, size, stride, padding, fill):
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, size, (2, 3))[:, :, ::stride[0], ::stride[1]]


def max_pool(x, **s): return windows(x, fill=-np.inf, **s).max((4, 5))
def mean_pool(x, **s): return np.nanmean(windows(x, fill=np.nan, **s), (4, 5))


def max_pool_dx(x, d, **s):
    """Each window's d to all that equal its maximum: which window a pixel is in, told by windows of indices."""
    at = windows(np.arange(x.size).reshape(x.shape).astype(float), fill=-1, **s)
    value = windows(x, fill=-np.inf, **s)
    hit = value == value.max((4, 5), keepdims=True)
    dx = np.zeros(x.size)
    np.add.at(dx, at[hit].astype(int), np.broadcast_to(d[..., None, None], at.shape)[hit])
    return dx.reshape(x.shape)


def mean_pool_dx(x, d, **s): return np.array([(mean_pool(e, **s) * d).sum() for e in units(x.shape)]).reshape(x.shape)


def text_of(s):
    show = lambda v: str(v).lower() if isinstance(v, bool) else '[%d, %d]' % v
    return ''.join(', %s=%s' % (n, show(v)) for n, v in s.items())


CONVS = [
    ((2, 2, 4, 5), (3, 2, 2, 3), {}), ((1, 1, 3, 3), (2, 1, 3, 3), {}), ((2, 3, 3, 4), (2, 3, 1, 1), {}),
    ((1, 2, 4, 5), (2, 2, 2, 3), dict(flip=True)), ((1, 1, 6, 7), (2, 1, 2, 3), dict(stride=(2, 3))),
    ((1, 2, 3, 4), (1, 2, 3, 2), dict(padding=(1, 2))), ((1, 1, 5, 6), (1, 1, 3, 3), dict(stride=(2, 1), padding=(2, 1), flip=True)),
    ((1, 1, 2, 2), (1, 1, 4, 3), dict(padding=(1, 1))), ((1, 1, 4, 4), (1, 1, 1, 1), dict(stride=(3, 3))),
]
POOLS = [
    ((2, 2, 4, 6), dict(size=(2, 2), stride=(2, 2), padding=(0, 0))), ((1, 2, 5, 7), dict(size=(2, 3), stride=(2, 3), padding=(0, 0))),
    ((1, 1, 6, 6), dict(size=(3, 3), stride=(1, 1), padding=(0, 0))), ((1, 1, 5, 6), dict(size=(3, 2), stride=(2, 1), padding=(1, 0))),
    ((1, 1, 7, 7), dict(size=(3, 3), stride=(2, 2), padding=(1, 1))), ((1, 1, 7, 5), dict(size=(2, 2), stride=(3, 3), padding=(0, 0))),
    ((1, 1, 3, 3), dict(size=(3, 3), stride=(1, 1), padding=(2, 2))), ((1, 1, 1, 9), dict(size=(1, 4), stride=(1, 2), padding=(0, 3))),
]

rows = []


def add(text, x, k, d, want):
    want = np.asarray(want, float)
    rows.append((text, x.shape, k.shape, d.shape, want.shape, ', '.join(repr(v).rstrip('0').rstrip('.') if '.' in repr(v) else repr(v)
                                                                       for v in (want.ravel() + 0.0).tolist())))


for xs, ks, s in CONVS:
    x, k = x_of(xs), k_of(ks)
    y = conv(x, k, **s)
    d, call = d_of(y.shape), 'conv2d(x, k%s)' % text_of(s)
    add(call, x, k, d, y)
    add('grad(sum(%s * d), x)' % call, x, k, d, conv_dx(x, k, d, **s))
    add('grad(sum(%s * d), k)' % call, x, k, d, conv_dk(x, k, d, **s))
for xs, s in POOLS:
    x, k = x_of(xs), np.zeros((1, 1, 1, 1))
    for name, f, g in (('max_pool2d', max_pool, max_pool_dx), ('mean_pool2d', mean_pool, mean_pool_dx)):
        y = f(x, **s)
        d, call = d_of(y.shape), '%s(x%s)' % (name, text_of(s))
        add(call, x, k, d, y)
        add('grad(sum(%s * d), x)' % call, x, k, d, g(x, d, **s))

print('/* conv_values.h - made by conv_values.py (NumPy %s, SciPy %s); not edited by hand.' % (np.__version__, scipy.__version__))
print(' * SPDX-License-Identifier: BSD-3-Clause */')
for i, r in enumerate(rows):
    print('static const double conv_want_%d[] = { %s };' % (i, r[5]))
print('static const struct { const char *text; int64_t x[4], k[4], d[4], y[4]; const double *want; } conv_cases[] = {')
for i, r in enumerate(rows):
    print('    { "%s", %s, conv_want_%d },' % (r[0], ', '.join('{ %d, %d, %d, %d }' % s for s in r[1:5]), i))
print('};')
