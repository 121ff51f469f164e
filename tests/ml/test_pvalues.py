from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats  # type: ignore[import-untyped]
from scipy.stats import kstwo  # type: ignore[import-untyped]

from ares_otel.ml import kolmogorov, pvalues
from ares_otel.ml.kolmogorov import FloatArray

CLOSE = 1e-9


def pairs(seed: int, count: int, largest: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield pairs of samples of random sizes, near and far, every third with ties."""
    chance = np.random.default_rng(seed)
    for number in range(count):
        n, m = (int(size) for size in chance.integers(2, largest, 2))
        x, y = chance.normal(size=n), chance.normal(chance.choice([0.0, 0.2, 1.0, 4.0]), 1.5, size=m)
        yield (np.round(x, 1), np.round(y, 1)) if number % 3 == 0 else (x, y)


@pytest.mark.parametrize(("largest", "count"), [(25, 60), (400, 25)])
def test_ks_is_that_of_scipy(largest: int, count: int) -> None:
    """Statistic and p-value, exact and asymptotic, with ties and without, are those of scipy."""
    for x, y in pairs(1, count, largest):
        for exact, name in ((True, "exact"), (False, "asymp"), (None, "auto")):
            ours, theirs = pvalues.ks(x, y, exact=exact), stats.ks_2samp(x, y, method=name)
            assert ours.statistic == pytest.approx(theirs.statistic, abs=CLOSE)
            assert ours.p_value == pytest.approx(theirs.pvalue, abs=CLOSE)
            assert (ours.n, ours.m) == (x.size, y.size)


@pytest.mark.parametrize("n", [1, 2, 3, 20, 140, 141, 500, 20_000, 100_001, 2_000_000])
def test_kolmogorov_of_any_size(n: int) -> None:
    """Each way to the distribution of one sample meets its neighbors where it hands over."""
    x = np.array([0.0, 0.3, 0.6, 0.9, 1.1, 1.4, 1.5, 1.9, 2.1, 3.0]) / math.sqrt(n)
    x = np.concatenate([x[x < 1], [0.5 / n, 1.0]])

    assert kolmogorov.one_sample(x, n) == pytest.approx(kstwo.sf(x, n), abs=CLOSE)


def test_expansion_agrees_with_matrix() -> None:
    """The expansion is that of the exact distribution, not only that of scipy."""
    x = np.linspace(0.4, 1.4, 6) / math.sqrt(3_000)

    assert kolmogorov._pelz_good(x, 3_000) == pytest.approx(kolmogorov._durbin(x, 3_000), abs=1e-8)


def test_small_lattice_by_hand() -> None:
    """Two values below two others: 2 of 6 arrangements are as far apart. No step at all is always reached."""
    assert pvalues.ks([1, 2], [3, 4]).p_value == pytest.approx(1 / 3)
    assert pvalues.ks([1, 2], [1, 2]) == pvalues.TwoSamples(0.0, 1.0, 2, 2)
    assert kolmogorov.two_sample(1, 3, 2) == 1.0  # the least step there is


def test_tail_stays_positive() -> None:
    """The chance of what hardly happens is small, not zero or negative."""
    far = pvalues.ks(np.arange(300), np.arange(300) + 280)

    assert 0 < far.p_value < 1e-100


@pytest.mark.parametrize(("largest", "count"), [(9, 30), (300, 40)])
def test_cramer_von_mises_is_that_of_scipy(largest: int, count: int) -> None:
    """Exactly for few values, in the limit for many."""
    for x, y in pairs(2, count, largest):
        ours, theirs = pvalues.cramer_von_mises(x, y), stats.cramervonmises_2samp(x, y)
        assert ours.statistic == pytest.approx(theirs.statistic, abs=CLOSE)
        assert ours.p_value == pytest.approx(theirs.pvalue, abs=CLOSE)


def test_cramer_von_mises_of_one_value() -> None:
    """One value is refused, as by scipy, instead of having a chance of 0."""
    with pytest.raises(ValueError, match="less than two"):
        pvalues.cramer_von_mises([1.0, np.nan], np.zeros(5))


def test_cramer_von_mises_of_equal_samples() -> None:
    """No difference is certain to be reached."""
    same = np.arange(200)

    assert pvalues.cramer_von_mises(same, same).p_value == 1.0


@pytest.mark.parametrize("correct", [True, False])
def test_chi_square_is_that_of_scipy(*, correct: bool) -> None:
    """For 2 to 12 categories, with the correction for two."""
    chance = np.random.default_rng(3)
    for categories in (2, 2, 2, 3, 4, 5, 6, 9, 12):
        table = chance.integers(1, 60, (2, categories))
        theirs = stats.chi2_contingency(table, correction=correct)
        ours = pvalues.chi_square(table, correct=correct)
        assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue), abs=CLOSE)
        assert (ours.n, ours.m) == tuple(table.sum(axis=1))


def test_category_that_nobody_has() -> None:
    """It changes nothing, and one category alone shows no difference."""
    assert pvalues.chi_square([[5, 0, 9], [7, 0, 3]]) == pvalues.chi_square([[5, 9], [7, 3]])
    assert pvalues.chi_square([[5], [7]]).p_value == 1.0


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_fisher_is_that_of_scipy(alternative: pvalues.Alternative) -> None:
    """For small and large counts, empty margins among them."""
    chance = np.random.default_rng(4)
    tables: list[ArrayLike] = [
        chance.integers(0, most, (2, 2)) for most in (3, 10, 10, 99, 99, 2_000) for _ in "12345678"
    ]
    for table in [*tables, [[0, 0], [3, 4]], [[5, 5], [5, 5]]]:
        theirs = stats.fisher_exact(table, alternative).pvalue
        assert pvalues.fisher_exact(table, alternative) == pytest.approx(theirs, abs=CLOSE)


def test_reference_of_many_columns() -> None:
    """A window against a sorted reference gives what each column gives alone."""
    chance = np.random.default_rng(5)
    reference, window = chance.normal(size=(500, 6)), chance.normal(0.2, 1, size=(60, 6))
    reference[:9, 1], window[7:, 2] = np.nan, np.round(window[7:, 2], 1)
    reference[:, 3] = np.round(reference[:, 3], 1)
    alone = [pvalues.ks(a, b, exact=False) for a, b in zip(reference.T, window.T, strict=True)]

    distances, p_values = pvalues.KsReference(reference).test(window)

    assert distances == pytest.approx([each.statistic for each in alone], abs=1e-15)
    assert p_values == pytest.approx([each.p_value for each in alone], abs=1e-15)


def test_missing_values_mute_nothing() -> None:
    """NaN and infinity are left out; a column without any value has no verdict, the others keep theirs."""
    chance = np.random.default_rng(6)
    reference, window = chance.normal(size=(500, 3)), chance.normal(5, 1, size=(60, 3))
    window[3, 0], window[:, 1], window[5, 2] = np.nan, np.nan, np.inf

    distances, p_values = pvalues.KsReference(reference).test(window)

    assert math.isnan(distances[1])
    assert math.isnan(p_values[1])
    assert p_values[[0, 2]].max() < 1e-30
    assert pvalues.ks(reference[:, 0], window[:, 0]).m == 59


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pvalues.ks([math.nan], [1.0]), "no finite value"),
        (lambda: pvalues.KsReference([1.0]), "rows and columns, got 1 dimensions"),
        (lambda: pvalues.KsReference([[1.0]]).test([[1.0, 2.0]]), "has 1 columns, the window 2"),
        (lambda: pvalues.chi_square([[1, 2]]), "two rows of counts"),
        (lambda: pvalues.chi_square([[0, 0], [1, 2]]), "none of them empty"),
        (lambda: pvalues.fisher_exact([[1, 2, 3], [4, 5, 6]]), "2 x 2"),
        (lambda: pvalues.fisher_exact([[-1, 2], [4, 5]]), "2 x 2"),
    ],
)
def test_refused(call: object, message: str) -> None:
    """What is no sample or no table is refused with what was expected."""
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call()


def test_window_without_rows() -> None:
    """An empty window has no verdict."""
    empty: ArrayLike = np.empty((0, 2))

    assert np.isnan(pvalues.KsReference(np.ones((5, 2))).test(empty)[1]).all()
