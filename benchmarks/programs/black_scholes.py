"""European option prices, the normal distribution by Abramowitz and Stegun's polynomial."""

import numpy as np

SIZE, TINY = 200_000, 17


def make(size):
    rng = np.random.default_rng(0)
    return rng.uniform(10, 50, size), rng.uniform(10, 50, size), rng.uniform(1, 2, size), 0.1, 0.2


def normal_below(x):
    k = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    series = 1.781477937 + k * (-1.821255978 + k * 1.330274429)
    series = k * (0.319381530 + k * (-0.356563782 + k * series))
    tail = np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi) * series
    return np.where(x > 0, 1.0 - tail, tail)


def black_scholes(price, strike, years, rate, volatility):
    spread = volatility * np.sqrt(years)
    d1 = (np.log(price / strike) + (rate + 0.5 * volatility**2) * years) / spread
    d2 = d1 - spread
    discounted = strike * np.exp(-rate * years)
    call = price * normal_below(d1) - discounted * normal_below(d2)
    put = discounted * normal_below(-d2) - price * normal_below(-d1)
    return call, put
