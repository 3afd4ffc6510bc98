"""Reference vectors for pkg/gate, worked out here from the definitions, by other formulas than the Go code uses:

    python3 pkg/gate/testdata/reference.py > pkg/gate/testdata/reference.json

Plain Python, standard library only. Probabilities are of binomial distributions with their coefficients, products are taken
of fractions where the Go code adds logarithms, and the mixture over starting points looks at every one of them.
"""
import json
import math
import random
from fractions import Fraction

RATIOS = [1.25, 2.5, 10, 64]
BLOCKS = [1, 4, 16, 64]


def binomial(k, n, p):
    """The logarithm of the probability of k of n."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log(1 - p)


def compared(canary, primary):
    """Log-likelihood of each ratio over 1: the canary's part of all bad requests is binomial."""
    (nc, kc), (np_, kp) = canary, primary
    part = lambda r: r * nc / (r * nc + np_)
    return [binomial(kc, kc + kp, part(r)) - binomial(kc, kc + kp, part(1)) for r in RATIOS]


def held(canary, allowed):
    """Log-likelihood of each ratio of the odds over what is allowed."""
    n, k = canary
    odds = allowed / (1 - allowed)
    return [binomial(k, n, r * odds / (1 + r * odds)) - binomial(k, n, allowed) for r in RATIOS]


def scatter(counts):
    """Found, expected and variance for each length of block, of pairs of neighbouring blocks. Exact, in fractions."""
    out = []
    for length in BLOCKS:
        found, expected, variance = Fraction(0), Fraction(0), Fraction(0)
        for start in range(0, len(counts) - 2 * length + 1, 2 * length):
            first, second = counts[start:start + length], counts[start + length:start + 2 * length]
            n1, n2 = sum(n for n, _ in first), sum(n for n, _ in second)
            k1, k2 = sum(k for _, k in first), sum(k for _, k in second)
            if k1 + k2 == 0 or n1 == 0 or n2 == 0:
                continue
            p = Fraction(n1, n1 + n2)
            found += (k1 - p * (k1 + k2)) ** 2 / (p * (1 - p))
            expected += k1 + k2
            variance += 2 * (k1 + k2) * (k1 + k2 - 1)
        out.append([float(found), float(expected), float(variance)])
    return out


def against(course, base, dispersion):
    """Evidence against the ratio `base` (0 stands for 1): the mean over the ratios above it, from the start and from
    wherever each looked worst."""
    ticks, total, rivals = len(course), 0.0, RATIOS[base:]
    for i in range(base, len(RATIOS)):
        steps = [l[i] - (l[base - 1] if base else 0) for l in course]
        worst = min([0.0] + steps)
        total += 0.85 * math.exp(steps[-1] / dispersion)
        total += 0.15 * 600 / (600 + ticks) ** 2 * math.exp((steps[-1] - worst) / dispersion)
    return math.log(total / len(rivals))


def main():
    rng = random.Random(1)
    cases = {"compared": [], "held": [], "scatter": [], "against": []}
    for _ in range(25):
        nc, np_ = rng.randint(1, 400), rng.randint(1, 4000)
        canary, primary = [nc, rng.randint(0, nc)], [np_, rng.randint(0, np_ // 10)]
        cases["compared"].append({"canary": canary, "primary": primary, "want": compared(canary, primary)})
        allowed = rng.choice([0.0001, 0.001, 0.01, 0.05, 0.3])
        cases["held"].append({"canary": canary, "allowed": allowed, "want": held(canary, allowed)})
    for rate in [0.002, 0.02, 0.3]:
        counts = []
        for _ in range(300):
            n = rng.randint(0, 60)
            burst = rng.choice([0, 0, 1, 3])
            counts.append([n, sum(rng.random() < rate * burst for _ in range(n))])
        cases["scatter"].append({"counts": counts, "want": scatter(counts)})
    for bad in [0.001, 0.01, 0.05]:
        ticks, course, total = [], [], [0.0] * len(RATIOS)
        for _ in range(200):
            nc, np_ = 20 + rng.randint(0, 9), 80 + rng.randint(0, 9)
            kc = min(1, sum(rng.random() < bad for _ in range(nc)))  # one a tick, so that no tick counts for less
            kp = sum(rng.random() < 0.01 for _ in range(np_))
            ticks.append([nc, kc, np_, kp])
            total = [a + b for a, b in zip(total, compared([nc, kc], [np_, kp]))]
            course.append(total)
        want = [against(course, base, d) for base in (0, 1) for d in (1, 2.5)]
        cases["against"].append({"ticks": ticks, "want": want})
    print(json.dumps(cases))


main()
