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

print("\ntime, one interleaved run")
for batch in (1, 64, len(images)):
    some = (images[:batch], *args[1:])
    print(f"  batch {batch:>4}   {mlc.time(predict, *some, rival=forward)}")

print("\nwhat was compiled")
print(predict.cache_info())
print("\nthe program, its first lines")
print("\n".join(str(predict.lower(*args).program).splitlines()[:30]))
