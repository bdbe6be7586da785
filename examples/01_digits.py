"""A real model on real data: a network that reads handwritten digits, compiled as it stands.

scikit-learn fits the network on the digits it ships with. Its forward pass is then written as a
plain NumPy function, and `mlc.jit` above it is all that is needed.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import mlc


def forward(images, mean, scale, layers):
    """Probabilities (batch, 10) from images (batch, 64); ``layers`` is a list of (w, b)."""
    x = (images - mean) / scale
    for w, b in layers[:-1]:
        x = np.maximum(x @ w + b, 0)
    w, b = layers[-1]
    logits = x @ w + b
    e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


@mlc.jit
def classify(images, mean, scale, layers):
    return np.argmax(forward(images, mean, scale, layers), axis=1)


# Fit: this part is scikit-learn's alone.
data = load_digits()
train, test, train_labels, labels = train_test_split(
    data.data, data.target, test_size=0.5, random_state=0
)
scaler = StandardScaler().fit(train)
network = MLPClassifier((64, 32), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0)
network.fit(scaler.transform(train), train_labels)

# The same parameters, in float32.
deviation = np.where(scaler.var_ > 0, scaler.scale_, 1)
mean, scale = scaler.mean_.astype(np.float32), deviation.astype(np.float32)
layers = [
    (w.astype(np.float32), b.astype(np.float32))
    for w, b in zip(network.coefs_, network.intercepts_)
]
images = test.astype(np.float32)
args = (images, mean, scale, layers)

theirs = network.predict(scaler.transform(test))
ours = classify(*args)
print(f"{len(images)} handwritten digits, a network of 64-64-32-10")
print(f"accuracy        scikit-learn {np.mean(theirs == labels):.4f}", end="   ")
print(f"mlc {np.mean(ours == labels):.4f}")
assert np.array_equal(ours, theirs)

predict = mlc.jit(forward)
got, want = predict(*args), forward(*args)
weights = [(np.float64(w), np.float64(b)) for w, b in layers]
exact = forward(*(np.float64(a) for a in args[:3]), weights)
print(f"agreement       mlc and NumPy differ by at most {np.max(np.abs(got - want)):.1e};")
print(f"                from float64, mlc by {np.max(np.abs(got - exact)):.1e},", end=" ")
print(f"NumPy by {np.max(np.abs(want - exact)):.1e}")
assert np.max(np.abs(got - exact)) <= 1e-5

print("\ntime per call, in turn in one process (the interval holds 95 times in 100)")
for batch in (1, 64, len(images)):
    t = mlc.time(predict, images[:batch], *args[1:], rival=forward)
    print(f"  batch {batch:>4}   mlc {t.median * 1e6:6.1f} us   NumPy", end=" ")
    print(f"{t.rival.median * 1e6:6.1f} us   ratio {t.ratio.median:.2f}", end=" ")
    print(f"({t.ratio.low:.2f} to {t.ratio.high:.2f})")

print("\ncompiled, once for each shape; later runs of this program find it on disk")
for row in predict.cache_info():
    where = "found on disk" if row.from_cache else "compiled"
    print(f"  {where} in {row.compile_seconds * 1e3:.0f} ms: {row.reason}")

program = str(predict.lower(*args).program).splitlines()
print(f"\nthe loops for {len(images)} images, 30 of {len(program)} lines")
print("\n".join(program[:30]))
print("    ...\n\nmore in README.md and examples/; `make test` runs the tests")
