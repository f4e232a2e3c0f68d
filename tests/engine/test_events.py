"""The engine of events: as its naive twin says, and what it promises whatever comes."""

import numpy as np
import pytest

from streamrnn import events, messages, spec
from streamrnn.engine.engine import Engine
from streamrnn.errors import ConfigError
from streamrnn.kernels.core.program import Program
from tests.naive import events as naive

SMALL = spec.Model(
    task="events",
    layers=(spec.Embedding(3), spec.Gru(5), spec.Lstm(4)),
    experts=(spec.Context(longest=3, contexts=1024),),
    rule=spec.Tbptt(6, 3),
    vocabulary=spec.Vocabulary(symbols=9, shown=3),
)
POOLED = spec.Model(task="events", preset="light", weights="pooled", vocabulary=spec.Vocabulary(symbols=32))


@pytest.fixture(scope="module")
def light():
    """A model that many tests may use, one after the other, each with streams of its own."""
    return Engine(spec.Model(task="events", preset="light", vocabulary=spec.Vocabulary(symbols=32)), 40)


def sequence(n, seed=0, alphabet="abcdef"):
    """A word that comes again and again among random letters."""
    random = np.random.default_rng(seed)
    out: list[str] = []
    while len(out) < n:
        out += list("fade") if random.random() < 0.5 else [str(random.choice(list(alphabet)))]
    return out[:n]


def feed(engine, name, symbols, **more):
    batch = events([name] * len(symbols), symbols, **more)
    return engine.step(batch, engine.admit(batch.names))


def copy_of(outcomes):
    return outcomes.ints.tobytes(), outcomes.reals.tobytes()


def test_bits_are_those_of_the_naive_twin():
    """Tables, mix, vocabulary, network, learning and sessions together, for 200 events in float64."""
    symbols = sequence(200)
    end = [i % 37 == 36 for i in range(200)]
    engine = Engine(SMALL, 1, "float64")
    engine.admit(["a"])
    plan = engine._plan
    first = int(plan.table.ints[Program.PARAMS])
    w = engine._bank.planes.f32[first : first + int(plan.table.ints[Program.PARAMS_LENGTH])]
    sizes = plan.sizes
    network = naive.Network(sizes.layers, sizes.inputs, sizes.outputs, w, sizes.rule)
    twin = naive.Model(network, 3, sizes.symbols, spec.Adam())
    told = feed(engine, "a", symbols, end=end)
    want = np.array([twin.observe(symbol, last) for symbol, last in zip(symbols, end, strict=True)])
    got = np.stack([told.surprise, told.network, told.table], axis=1)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert (told.bits & messages.UPDATED != 0).sum() > 60


def test_what_was_published_is_what_is_scored(light):
    symbols = sequence(300, 1)
    told = [feed(light, "published", [symbol]) for symbol in symbols]
    row = int(light.admit(["published"])[0])
    scored = 0
    for before, after, symbol in zip(told[20:], told[21:], symbols[21:], strict=False):
        shown = [light.symbol(row, int(number)) for number in before.following[0]]
        np.testing.assert_allclose(before.shares[0], np.sort(before.shares[0])[::-1])
        if symbol in shown:
            place = shown.index(symbol)
            assert after.share[0] == before.shares[0, place]
            assert after.rank[0] == place + 1
            np.testing.assert_allclose(after.surprise[0], -np.log2(before.shares[0, place]), atol=1e-6)
            scored += 1
    assert scored > 200


def test_batching_changes_nothing(light):
    symbols = sequence(150, 2)
    whole = feed(light, "whole", symbols)
    other = Engine(light.model, 3)
    for i in range(0, 150, 7):
        feed(other, "noise", ["x", "y"])
        part = feed(other, "whole", symbols[i : i + 7])
        assert part.reals.tobytes() == whole.reals[i : i + 7].tobytes()
        assert part.ints[:, 1:].tobytes() == whole.ints[i : i + 7, 1:].tobytes()


@pytest.mark.parametrize("model", [POOLED, spec.Model(task="events", preset="light")], ids=["pooled", "own"])
def test_a_restored_engine_goes_on_as_if_nothing_had_happened(model):
    one = Engine(model, 5)
    names = [f"case-{i % 4}" for i in range(120)]
    symbols = sequence(120, 3)
    time = np.cumsum(np.random.default_rng(0).exponential(5.0, 240))
    ends = [i % 30 > 26 for i in range(120)]
    batch = events(names, symbols, time=time[:120], end=ends)
    one.step(batch, one.admit(names))
    two = Engine(model, 5)
    for name in [*(("",) if model.weights == "pooled" else ()), *one.names]:
        assert two.restore(name, one.export(name), one.layout) == []
    batch = events(names, symbols[::-1], time=time[120:], end=ends)
    assert copy_of(one.step(batch, one.admit(names))) == copy_of(two.step(batch, two.admit(names)))
    assert [two.symbol(0, number) for number in range(two.symbols(0))] == [
        one.symbol(0, number) for number in range(one.symbols(0))
    ]


def test_outlook_and_generation_change_nothing(light):
    symbols = sequence(200, 4)
    feed(light, "still", symbols[:100])
    before = light.export("still")
    last = light.outlook("still")
    assert light.generate("still", 20, seed=1) == light.generate("still", 20, seed=1)
    assert light.generate("still", 20, seed=1) != light.generate("still", 20, seed=2)
    assert light.export("still") == before
    assert copy_of(light.outlook("still")) == copy_of(last)
    untouched = Engine(light.model, 1)
    feed(untouched, "still", symbols[:100])
    one, two = feed(light, "still", symbols[100:]), feed(untouched, "still", symbols[100:])
    assert one.reals.tobytes() == two.reals.tobytes()


def test_generation_follows_what_was_learned(light):
    feed(light, "rhyme", list("abcd") * 100)
    assert "".join(light.generate("rhyme", 8, seed=3, temperature=0.1)) == "abcdabcd"
    assert "".join(light.generate("rhyme", 4, seed=3, temperature=0.1, prime=["a", "b"])) == "cdab"
    assert "".join(light.generate("rhyme", 8, seed=5, temperature=5.0, top_p=0.5)) == "abcdabcd"
    with pytest.raises(ConfigError, match="not in the vocabulary"):
        light.generate("rhyme", 1, seed=1, prime=["z"])
    with pytest.raises(KeyError):
        light.generate("nobody", 1, seed=1)


def test_a_new_symbol_costs_finite_bits_and_is_known_afterwards(light):
    told = feed(light, "new", ["a"] * 50 + ["b"] + ["a"] * 5 + ["b"])
    assert told.symbol.tolist() == [0] + [1] * 49 + [0] + [1] * 5 + [2]
    assert told.admitted[50] == 2
    assert 1.0 < told.surprise[50] < 20.0
    row = int(told.row[0])
    assert [light.symbol(row, number) for number in (0, 1, 2)] == [None, "a", "b"]
    assert told.known[-1] == 3


def test_integers_and_text_come_back_as_they_were_sent(light):
    long = "é" * 128
    told = feed(light, "kinds", [7, "eight", long, 7, -3])
    row = int(told.row[0])
    assert [light.symbol(row, number) for number in range(1, 5)] == [7, "eight", long, -3]


def test_a_flood_of_new_symbols_leaves_room_and_the_known_ones_in_proportion():
    model = spec.Model(task="events", preset="light", vocabulary=spec.Vocabulary(symbols=16))
    engine = Engine(model, 1)
    feed(engine, "a", sequence(400))
    size = engine.bytes_total
    before = engine.outlook("a")
    told = feed(engine, "a", [f"noise-{i}" for i in range(5000)])
    assert engine.bytes_total == size
    assert engine.symbols(0) == 9  # half of the places, and the one symbol that took them beyond
    assert (told.symbol[100:] == 0).all()
    assert told.surprise[-1000:].mean() < 0.5  # more of the same
    feed(engine, "a", list("abcdef") * 3, end=[i == 17 for i in range(18)])
    after = feed(engine, "a", list("fadefade"))
    assert after.symbol.all()
    assert np.isfinite(before.shares).all()
    feed(engine, "a", ["twice", "twice", "twice"])
    assert engine.symbol(0, engine.symbols(0) - 1) == "twice"


@pytest.mark.parametrize("flood", [20_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_known_symbols_keep_their_proportion_in_a_flood_of_new_ones(flood):
    model = spec.Model(task="events", preset="light", vocabulary=spec.Vocabulary(symbols=64, shown=32))
    engine, random, letters = Engine(model, 1), np.random.default_rng(0), list("abcde")

    def known():
        told = engine.outlook("a")
        pairs = zip(told.following[0].tolist(), told.shares[0].tolist(), strict=True)
        found = {engine.symbol(0, number): share for number, share in pairs if number > 0}
        return np.array([found[letter] for letter in letters]) / sum(found[letter] for letter in letters)

    end = [*(random.random(9_999) < 0.1).tolist(), True]
    feed(engine, "a", random.choice(letters, 10_000, p=[0.5, 0.25, 0.13, 0.07, 0.05]).tolist(), end=end)
    before, size = known(), len(engine.export("a"))
    for start in range(0, flood, 10_000):
        last = start + 10_000 >= flood
        feed(engine, "a", [f"noise-{start + i}" for i in range(10_000)], end=[False] * 9_999 + [last])
    assert len(engine.export("a")) == size == engine.bytes_per_stream
    assert engine.symbols(0) == 33  # half of the places, and the one that took them beyond
    assert (before * np.log2(before / known())).sum() < 0.02  # bits


def test_the_mix_is_hardly_worse_than_the_best_and_usually_better(light):
    told = feed(light, "mix", sequence(2000, 5))
    best = min(told.network.sum(), told.table.sum())
    assert told.surprise.sum() < best
    noise = [str(x) for x in np.random.default_rng(1).integers(0, 16, 2000)]
    told = feed(light, "noise", noise)
    best = min(told.network.sum(), told.table.sum())
    assert told.surprise.sum() < best + 12.0  # two bits, and what switching costs


def test_the_time_of_the_next_event_is_learned():
    engine = Engine(spec.Model(task="events", preset="light"), 1)
    gap = np.tile([1.0, 1.0, 100.0], 500)
    time = 1e6 + np.cumsum(gap)
    told = feed(engine, "a", list("abc") * 500, time=time)
    seconds = told.expected[:-1] - time[:-1]
    np.testing.assert_allclose(np.log(seconds[-300:]), np.log(gap[-300:]), atol=0.9)
    assert (told.overdue > told.expected).all() or np.isnan(told.expected[0])
    late = feed(engine, "a", ["a"], time=time[-1:] + 3.0e4)
    assert late.lateness[0] > 3
    assert late.by_time[0] > 0.5


def test_a_strange_event_alarms_and_ordinary_ones_alarm_at_the_alert_rate():
    model = spec.Model(
        task="events", preset="light", vocabulary=spec.Vocabulary(alert_rate=0.01), optimiser=spec.Adam(1e-3)
    )
    engine = Engine(model, 1)
    random = np.random.default_rng(3)
    symbols = [str(s) for s in random.choice(6, 6000, p=[0.5, 0.3, 0.1, 0.06, 0.03, 0.01])]
    told = feed(engine, "a", symbols)
    share = (told.bits[1000:] & messages.ANOMALY != 0).mean()
    assert share < 0.03
    strange = feed(engine, "a", ["never seen"])
    assert strange.score[0] > 0.5
    assert strange.bits[0] & messages.OPENED or (told.bits[-6:] & messages.ANOMALY).any()
    assert engine.symbol(0, int(strange.predicted[0])) == "0"


def test_a_session_is_scored_when_it_ends():
    engine = Engine(spec.Model(task="events", preset="light", weights="pooled"), 400)
    good, told = ["open", "read", "read", "close"], None
    for i in range(300):
        told = feed(engine, f"s{i}", good, end=[False, False, False, True])
    assert np.isnan(told.session_score[:3]).all()
    assert told.session_score[3] < 0.5
    np.testing.assert_allclose(told.sum[:3], told.surprise.cumsum()[:3])
    assert told.surprise.sum() < told.sum[3] < told.surprise.sum() + 0.01  # that it ended
    assert told.worst[2] == told.surprise[:3].max()
    assert told.length.tolist() == [1, 2, 3, 4]
    assert not (told.bits & messages.STRANGE).any()
    bad = feed(engine, "bad", ["open", "close", "read", "open"], end=[False, False, False, True])
    assert bad.session_score[3] > 0.5
    assert bad.bits[3] & messages.STRANGE
    assert messages.SEVERITIES[bad.session_severity[3]] == "critical"
    assert engine.symbol(0, int(bad.worst_symbol[3])) in ("close", "open", "")
    assert bad.began[3] == bad.time[0]


def test_a_session_that_breaks_off_is_strange_for_its_end():
    """Every event was as expected: only that nothing more came was not."""
    engine = Engine(spec.Model(task="events", preset="light", weights="pooled"), 400)
    for i in range(300):
        feed(engine, f"s{i}", ["open", "read", "read", "close"], end=[False, False, False, True])
    cut = feed(engine, "cut", ["open", "read"], end=[False, True])
    assert cut.surprise.max() < 0.1
    assert cut.bits[1] & messages.STRANGE
    assert (cut.worst_place[1], engine.symbol(0, int(cut.worst_symbol[1]))) == (3, "")
    assert engine.symbol(0, int(cut.worst_predicted[1])) == "read"
    assert cut.worst_predicted_share[1] > 0.9


def test_ordinary_sessions_alarm_about_at_the_alert_rate():
    model = spec.Model(
        task="events",
        preset="light",
        weights="pooled",
        vocabulary=spec.Vocabulary(symbols=16, alert_rate=0.01),
        optimiser=spec.Adam(1e-3),
    )
    engine, random = Engine(model, 1), np.random.default_rng(4)
    symbols, end = [], []
    for _ in range(3000):
        session = ["open", *random.choice(["read", "write", "seek"], random.geometric(0.2), p=[0.7, 0.2, 0.1]), "close"]
        symbols += session
        end += [False] * (len(session) - 1) + [True]
    told = feed(engine, "a", symbols, end=end)
    ended = np.flatnonzero(end)[1000:]
    assert (told.bits[ended] & messages.STRANGE != 0).mean() < 0.02
    assert not (told.bits[~np.array(end)] & messages.STRANGE).any()


def test_who_never_ends_a_session_gives_its_end_nothing(light):
    told = feed(light, "endless", list("abc") * 10)
    assert not told.end_share.any()
    assert told.known[-1] == 4
    ended = feed(light, "ending", list("abc") * 10, end=[i % 3 == 2 for i in range(30)])
    assert ended.known[-1] == 5
    assert ended.end_share[-3:].max() < 0.5
    assert light.symbol(int(ended.row[0]), 4) == ""


def test_generation_ends_sessions_where_they_end(light):
    feed(light, "verses", list("abcd") * 100, end=[i % 4 == 3 for i in range(400)])
    assert light.generate("verses", 10, seed=3, temperature=0.1) == ["a", "b", "c", "d", "", "a", "b", "c", "d", ""]
    assert light.generate("verses", 3, seed=3, temperature=0.1, prime=["a", "b", "c", "d"]) == ["", "a", "b"]
    assert light.generate("verses", 2, seed=3, temperature=0.1, prime=["a", ""]) == ["a", "b"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_never_reaches_the_weights(bad):
    engine = Engine(spec.Model(task="events", preset="light"), 1)
    feed(engine, "a", sequence(100))
    first = int(engine._plan.table.ints[Program.PARAMS])
    engine._bank.planes.f32[first + 40] = bad  # a cosmic ray
    told = feed(engine, "a", sequence(100, 6))
    assert (told.bits & messages.ROLLED_BACK).any()
    assert np.isfinite(told.surprise).all()
    assert np.isfinite(
        engine._bank.planes.f32[first : first + int(engine._plan.table.ints[Program.PARAMS_LENGTH])]
    ).all()
    assert told.surprise[-50:].mean() < 3.0


def test_late_and_repeated_events_are_not_learned(light):
    feed(light, "order", ["a", "b"], time=[10.0, 20.0])
    before = light.export("order")
    told = feed(light, "order", ["c"], time=[5.0])
    assert told.bits[0] & messages.LATE
    assert told.known[0] == 3
    light.restore("order", before, light.layout)


def test_numeric_context_helps_where_it_decides():
    model = spec.Model(task="events", features=("level",), layers=(spec.Embedding(8), spec.Gru(16)), experts=(
        spec.Context(longest=1, contexts=64),), optimiser=spec.Adam(1e-2), rule=spec.Tbptt(4, 1))  # fmt: skip
    engine = Engine(model, 1)
    random = np.random.default_rng(0)
    level = random.choice([-1.0, 1.0], 3000)
    level[::50] = np.nan
    symbols = ["start", *["high" if v > 0 else "low" for v in level[:-1]]]
    told = feed(engine, "a", symbols, values=level[:, None])
    assert told.surprise[-500:].mean() < 0.35
    assert told.table[-500:].mean() > 0.9
    assert (told.bits & messages.MISSING != 0).sum() == 60


WRONG = [
    ({"targets": ("x",)}, "targets"),
    ({"horizons": (1, 2)}, "horizons"),
    ({"head": spec.Student()}, "head"),
    ({"layers": (spec.Gru(4),)}, "embedding"),
    ({"layers": (spec.Embedding(4),)}, "embedding"),
    ({"layers": (spec.Embedding(4), spec.Embedding(4))}, "embedding"),
    ({"experts": (spec.Last(),)}, "context"),
    ({"rule": spec.Tbptt(recompute=True)}, "tbptt"),
    ({"features": ("x", "x")}, "twice"),
]


@pytest.mark.parametrize(("keys", "named"), WRONG, ids=[f"{named}-{i}" for i, (_, named) in enumerate(WRONG)])
def test_what_cannot_be_is_refused_with_a_hint(keys, named):
    with pytest.raises(ConfigError, match=named) as raised:
        Engine(spec.Model(task="events", **keys), 1)
    assert raised.value.hint


def test_context_tables_stay_within_their_bound():
    """More contexts than there is room for: the memory stays, the figures stay probabilities."""
    model = spec.Model(task="events", preset="light", experts=(spec.Context(longest=4, contexts=16),))
    engine = Engine(model, 1)
    size = engine.bytes_per_stream
    symbols = [str(s) for s in np.random.default_rng(0).integers(0, 40, 4000)]
    told = feed(engine, "a", symbols)
    assert len(engine.export("a")) == size
    assert np.isfinite(told.surprise).all()
    assert told.surprise[-500:].mean() < 6.5
    assert np.nansum(told.shares, axis=1).max() <= 1.0 + 1e-5
