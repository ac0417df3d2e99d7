import csv
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from arrayenh.errors import AudioError, ConfigError, NumericalError  # noqa: E402
from arrayenh.training import checkpoint, models  # noqa: E402
from arrayenh.training.beam import beamform  # noqa: E402
from arrayenh.training.ema import Ema  # noqa: E402
from arrayenh.training.export import ExportOptions, as_onnx  # noqa: E402
from arrayenh.training.learner import Learner  # noqa: E402
from arrayenh.training.losses import Loss  # noqa: E402
from arrayenh.training.prefetch import Prefetch  # noqa: E402
from arrayenh.training.recipe import (  # noqa: E402
    LossRecipe,
    ScheduleRecipe,
    as_recipe,
    as_toml,
    find_recipe,
    load_recipe,
    names,
)
from arrayenh.training.schedule import Course, rate  # noqa: E402
from arrayenh.training.training import Reporter, Team, stop_signals, train  # noqa: E402
from tests.learning import DEV, Arrays, Sines, TinyMask, build, recipe_of  # noqa: E402

ROOT = Path(__file__).parents[2]
EPS = float(np.finfo(np.float32).eps)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def trained(folder, recipe=None, examples=None, dev=DEV, **options):
    return train(recipe or recipe_of(), folder, examples or Sines(), dev, build=build, **options)


def tensors(folder, name=checkpoint.LAST):
    return checkpoint.decode((folder / name).read_bytes(), name).tensors


def assert_same(one, other):
    """The same training, bit for bit: all tensors, and the log but for its times."""
    for name in (checkpoint.LAST, checkpoint.BEST):
        found, wanted = tensors(one, name), tensors(other, name)
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert_array_equal(found[key].numpy(), value.numpy(), err_msg=key)
    assert log(one) == log(other)
    assert facts(one) == facts(other)


def log(folder):
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k not in ("examples_per_s", "elapsed_s")} for row in rows]  # fmt: skip  # noqa: E501


def facts(folder):
    """Counters of the last checkpoint."""
    found = checkpoint.read(folder / checkpoint.LAST).facts
    return {key: value for key, value in found.items() if key != "elapsed_s"}


class Always(Sines):
    """The same batch at every step."""

    def batch(self, index):
        return super().batch(0)


def test_one_batch_is_learnt_by_heart(tmp_path):
    recipe = recipe_of(
        {"model": {"name": "tiny"}, "optimiser": {"lr": 0.02}}, steps=150, dev_every=150, ema=0.0
    )
    trained(tmp_path, recipe, Always(2), Always(2))
    losses = [float(row["loss"]) for row in log(tmp_path)]
    assert losses[-1] < 0.1 * losses[0]
    assert float(log(tmp_path)[-1]["dev_loss"]) < 0.1 * losses[0]


KNOWN = {
    "mask-gru": (
        {"n_fft": 64, "hop": 16, "hidden": 16, "bands": 16, "channels": (4, 6)},
        "spectral",
    ),
    "mask-blstm": ({"n_fft": 64, "hop": 16, "hidden": 24, "dropout": 0.0}, "spectral"),
    "conv-tasnet": ({"N": 48, "L": 32, "B": 16, "H": 32, "Sc": 16, "X": 3, "R": 2}, "si_sdr"),
    "mask-cnn": (
        {"n_fft": 64, "hop": 16, "channels": (8, 8), "dilations": ((1, 1), (2, 2))},
        "magnitude",
    ),
    "unet": ({"n_fft": 64, "hop": 16, "channels": (8, 16, 16), "dropout": 0.0}, "noise_db"),
    "conv-autoencoder": ({"n_fft": 64, "hop": 16, "channels": (16, 24)}, "picture"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", models.FILES)
def test_every_network_learns_one_batch_and_is_the_same_as_a_graph(name, tmp_path):
    """Sines 10 dB above noise come out cleaner than they went in; torch and ONNX agree."""
    settings, term = KNOWN[name]
    task = {"task": "postfilter", "inputs": ("beamformed",)} if name == "mask-gru" else {}
    recipe = recipe_of(
        {
            "model": {"name": name, "settings": {**settings, **task}},
            "optimiser": {"lr": 0.01, "clip": 5.0},
            "loss": {term: 1.0},
        },
        steps=150, dev_every=150, ema=0.0,
    )  # fmt: skip
    batch = Always(2, n_samples=1600)
    train(recipe, tmp_path, batch, batch, build=models.build)
    losses = [float(row["loss"]) for row in log(tmp_path)]
    assert losses[-1] < losses[0]
    network = checkpoint.load_network(checkpoint.read(tmp_path / checkpoint.BEST), models.build)
    given = batch.batch(0)
    loss = Loss(LossRecipe(si_sdr=1.0), network.signature)
    spec = loss.stft.analyse(torch.from_numpy(given["inputs"]))
    target = torch.from_numpy(given["target"])
    with torch.inference_mode():
        before, after = (float(loss(x, spec, target)[0]) for x in (spec[:, 0], network(spec)[0]))
    assert after < before - 3
    for streaming in {False, network.signature.causal}:
        assert as_onnx(network, ExportOptions(streaming=streaming)).error < 1e-4


@pytest.mark.slow
def test_the_same_recipe_trains_the_same_network(tmp_path):
    trained(tmp_path / "a")
    torch.manual_seed(123)  # of the caller: it does not matter, and stays as it was
    before = torch.get_rng_state()
    trained(tmp_path / "b")
    assert_array_equal(torch.get_rng_state(), before)
    assert_same(tmp_path / "a", tmp_path / "b")
    trained(tmp_path / "c", recipe_of(seed=1))
    assert float(log(tmp_path / "c")[0]["loss"]) != float(log(tmp_path / "a")[0]["loss"])


def interrupt_after(monkeypatch, step):
    """Ctrl-C while that step is learnt, once."""
    learn = Learner.learn

    def interrupted(self, batch):
        if self.step == step - 1:
            signal.raise_signal(signal.SIGINT)
            monkeypatch.setattr(Learner, "learn", learn)
        learn(self, batch)

    monkeypatch.setattr(Learner, "learn", interrupted)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
@pytest.mark.parametrize("amp", ["none", "bfloat16", "float16"])
def test_a_training_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch, schedule, amp):
    tables = {"schedule": {"kind": schedule, "warmup": 3, "patience": 0}}
    recipe = recipe_of(tables | {"optimiser": {"lr": 0.3}}, amp=amp, dev_every=3)
    trained(tmp_path / "whole", recipe)
    assert facts(tmp_path / "whole")["course"]["falls"] > 0  # so fast that it went astray
    interrupt_after(monkeypatch, 13)  # between two rows of the log, and two measurements
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", recipe)
    assert checkpoint.read(tmp_path / "parts" / checkpoint.LAST).facts["step"] == 13
    trained(tmp_path / "parts", recipe, resume=True)
    assert_same(tmp_path / "parts", tmp_path / "whole")


def learning(folder, steps, *words, **environment):
    """A training in a process of its own, its files in FOLDER/<rank>."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.learning", str(folder), str(steps), *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_that_was_killed_goes_on_as_if_it_had_not(tmp_path, workers):
    assert learning(tmp_path / "whole", 40).wait(120) == 0
    killed = learning(tmp_path / "parts", 40, "sleep=0.02", f"workers={workers}")
    last = tmp_path / "parts" / "0" / checkpoint.LAST
    wait_for(lambda: last.exists() and checkpoint.read(last).facts["step"] >= 10)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(60) == -signal.SIGKILL
    step = checkpoint.read(last).facts["step"]
    assert 10 <= step < 40
    with open(last.parent / "log.csv", "a") as file:  # what was not to be
        file.write(f"{step + 1},nan\n{step + 5}")
    assert learning(tmp_path / "parts", 40, "resume=true").wait(120) == 0
    assert_same(tmp_path / "parts" / "0", tmp_path / "whole" / "0")


def wait_for(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(tmp_path):
    """Gradients are averaged; the first process alone writes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    team = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    plain = 'settings={"norm": false}', "ema=0.0"
    pair = [
        learning(tmp_path / "two", 12, *plain, "batch_size=2", RANK=str(rank), **team)
        for rank in range(2)
    ]
    assert [process.wait(180) for process in pair] == [0, 0]
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["0"]
    assert learning(tmp_path / "one", 12, *plain, "batch_size=4").wait(120) == 0
    one, two = (log(tmp_path / name / "0") for name in ("one", "two"))
    for key in ("loss", "dev_loss", "gradient_norm"):
        found, wanted = ([float(row[key]) for row in rows if row[key]] for rows in (two, one))
        # the sums are rounded in another order: 12 steps, each a few hundred roundings
        assert_allclose(found, wanted, rtol=1e-3)


@pytest.mark.slow
def test_a_training_that_learns_nothing_more_stops(tmp_path):
    recipe = recipe_of(
        {"optimiser": {"lr": 1e-9, "weight_decay": 0.0}, "model": {"name": "deaf"}},
        steps=1000,
        patience=8,
    )
    result = train(recipe, tmp_path, Sines(), DEV, build=Deaf)
    assert (result.best_step, result.steps) == (5, 5 + 8 * 5)


class Deaf(torch.nn.Module):
    """Half of everything, whatever it learns."""

    def __init__(self, name, settings):
        super().__init__()
        self.signature = build("tiny", {}).signature
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, spec, state=None):
        return torch.full(spec[:, 0, ..., 0].shape, 0.5) + 0 * self.weight, ()


def test_the_best_network_is_the_average_of_its_measurement(tmp_path):
    """best.safetensors alone gives the loss that the log tells of it."""
    result = trained(tmp_path)
    saved = checkpoint.read(tmp_path)
    network = checkpoint.load_network(saved, build)
    learner = Learner(recipe_of(), 1, Team(), lambda name, settings: network)
    found = learner.measure(DEV.batch(k) for k in range(len(DEV)))["loss"]
    rows = [row for row in log(tmp_path) if row["dev_loss"]]
    assert found == result.best_loss == min(float(row["dev_loss"]) for row in rows)
    assert saved.facts == {"step": result.best_step, "dev_loss": result.best_loss}


def test_the_average_follows_its_formula():
    torch.manual_seed(0)
    network = build("tiny", {})
    ema, wanted = Ema(network, 0.5), deepcopy(network.expand.weight.detach())
    mean = deepcopy(network.norm.running_mean)
    for n in range(12):
        with torch.no_grad():
            network.expand.weight += torch.randn_like(network.expand.weight)
            network.norm.running_mean += 1.0
            network.norm.num_batches_tracked += 1
        ema.update(network)
        decay = min(0.5, (1 + n) / (10 + n))
        wanted = decay * wanted + (1 - decay) * network.expand.weight
        mean = decay * mean + (1 - decay) * network.norm.running_mean
    assert_allclose(ema.network.expand.weight, wanted.detach(), atol=1e-5)
    assert_allclose(ema.network.norm.running_mean, mean, atol=1e-5)
    assert ema.network.norm.num_batches_tracked == 12


LOSSES = [5.0, 4.0, 4.5, 4.0, 4.2, 4.1, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5, 3.6, 3.7, 3.8, 3.9]


@pytest.mark.parametrize("patience", [0, 2])
def test_the_rate_falls_on_a_plateau_as_that_of_torch(patience):
    recipe = ScheduleRecipe(kind="plateau", factor=0.3, patience=patience, least=0.05)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.3, patience=patience, threshold=0.0, min_lr=0.05
    )
    course = Course()
    for step, loss in enumerate(LOSSES):
        course = course.measured(loss, step, patience)
        oracle.step(loss)
        assert rate(recipe, 0, 1, course.falls) == pytest.approx(optimiser.param_groups[0]["lr"])
    assert (course.best, course.best_step, course.stale) == (3.0, 6, 9)


@pytest.mark.parametrize("kind", ["step", "cosine"])
def test_the_rate_falls_over_the_steps_as_that_of_torch(kind):
    recipe = ScheduleRecipe(kind=kind, factor=0.3, every=7, least=0.05)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedulers = torch.optim.lr_scheduler
    if kind == "step":
        oracle = schedulers.StepLR(optimiser, 7, 0.3)
    else:
        oracle = schedulers.CosineAnnealingLR(optimiser, 30, eta_min=0.05)
    for step in range(31):
        assert rate(recipe, step, 30, 0) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        oracle.step()


def test_the_rate_rises_first():
    recipe = ScheduleRecipe(kind="constant", warmup=4)
    assert [rate(recipe, step, 30, 0) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_the_rate_of_the_schedule_is_the_one_that_is_used():
    """After one step of warm-up in 1000 the weights have gone a thousandth of the way."""
    moved = []
    for warmup in (0, 1000):
        tables = {"schedule": {"kind": "constant", "warmup": warmup}}
        learner = Learner(recipe_of(tables), 20, Team(), build)
        before = learner.network.expand.weight.detach().clone()
        learner.learn(Sines().batch(0))
        moved.append(float((learner.network.expand.weight.detach() - before).abs().max()))
    assert moved[1] == pytest.approx(moved[0] / 1000, rel=0.02)  # weights near 0.3: a few eps


def test_a_long_gradient_is_clipped(monkeypatch):
    tables = {"optimiser": {"lr": 0.01, "clip": 1e-3}}
    learner = Learner(recipe_of(tables), 20, Team(), build)
    learner.learn(Sines().batch(0))
    weights = learner.network.parameters()
    norm = torch.linalg.vector_norm(torch.cat([weight.grad.ravel() for weight in weights]))
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)
    assert learner.recent()["gradient_norm"] > 2e-3  # as it was before


class Broken(Sines):
    """Not finite from some batch on."""

    def batch(self, index):
        found = super().batch(index)
        return found if index < 7 else found | {"inputs": found["inputs"] * np.float32(np.nan)}


def test_a_training_that_is_lost_ends_and_keeps_what_was_good(tmp_path):
    with pytest.raises(NumericalError, match="not finite before step 10; try a lower lr or clip"):
        trained(tmp_path, examples=Broken())
    assert checkpoint.read(tmp_path / checkpoint.LAST).facts["step"] == 5


def test_what_cannot_go_on_is_refused(tmp_path):
    trained(tmp_path, recipe_of(steps=5))
    for tables, run, part in [
        ({"loss": {"mask": 2.0}}, {}, "loss"),
        ({}, {"seed": 3}, "run"),
        ({"model": {"name": "tiny", "settings": {"width": 9}}}, {}, "model"),
    ]:
        with pytest.raises(ConfigError, match=rf"was trained with another \[{part}\]"):
            trained(tmp_path, recipe_of(tables, **run), resume=True)
    trained(tmp_path, recipe_of(steps=10), resume=True)  # longer is the same training
    assert [row["step"] for row in log(tmp_path)] == ["5", "10"]
    (tmp_path / checkpoint.LAST).write_bytes(b"rubbish" * 10)
    with pytest.raises(ConfigError, match=r"last.safetensors is not a checkpoint of arrayenh"):
        trained(tmp_path, resume=True)


# ---- through the beamformer --------------------------------------------------------------

STEERS = ("reference", "beamformed", "noise")
MICS, DEV_MICS = Arrays(), Arrays(seed=1)


def steering(loss=None, settings=None, **run):
    """A recipe for a network of masks that hears a beamformer, judged by it."""
    settings = {"inputs": STEERS, "dropout": 0.2} | (settings or {})
    tables = {"model": {"name": "tiny", "settings": settings}}
    return recipe_of(tables | {"loss": loss or {"beam": 0.1, "mask": 1.0}}, **run)


def test_one_batch_is_beamformed_better_and_better(tmp_path):
    """A mask of a half separates nothing; the sines of this batch are soon known by heart."""

    class One(Arrays):
        def batch(self, index):
            return super().batch(0)

    recipe = steering({"beam": 1.0}, {"dropout": 0.0}, steps=60, dev_every=60, rounds=1, ema=0.0)
    trained(tmp_path, recipe, One(), One())
    losses = [float(row["beam"]) for row in log(tmp_path)]
    assert losses[-1] < losses[0] - 3  # dB
    assert float(log(tmp_path)[-1]["dev_beam"]) < losses[0] - 3


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, 3])
def test_such_a_training_goes_on_as_if_it_had_not_stopped(tmp_path, monkeypatch, rounds):
    recipe = steering(rounds=rounds)
    trained(tmp_path / "whole", recipe, MICS, DEV_MICS)
    interrupt_after(monkeypatch, 13)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", recipe, MICS, DEV_MICS)
    trained(tmp_path / "parts", recipe, MICS, DEV_MICS, resume=True)
    assert_same(tmp_path / "parts", tmp_path / "whole")


class Watched(TinyMask):
    """Remembers whether it was learning, what it heard and what it said."""

    def __init__(self, name, settings):
        super().__init__(inputs=STEERS)
        self.calls = []

    def forward(self, spec, state=None):
        out, state = super().forward(spec, state)
        self.calls.append((self.training, spec.detach(), out.detach()))
        return out, state


def watched(step=0, **run):
    learner = Learner(steering(ema=0.0, **run), 1000, Team(), Watched)
    learner.step = step
    return learner


def rounds_of(steps, **run):
    """How often the network hears at each step; it learns the last time only."""
    learner, found = watched(steps.start, **run), []
    for _ in steps:
        learner.network.calls.clear()
        learner.learn(MICS.batch(0))
        learning = [learns for learns, _, _ in learner.network.calls]
        assert learning == [False] * (len(learning) - 1) + [True]
        found.append(len(learning))
    return found


def test_how_often_it_hears_is_drawn_for_every_step():
    found = rounds_of(range(24), rounds=3)
    assert set(found) == {1, 2, 3}
    assert rounds_of(range(11, 24), rounds=3) == found[11:]
    assert rounds_of(range(24), rounds=3, seed=1) != found
    assert set(rounds_of(range(6), rounds=1)) == {1}


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_it_is_measured_as_the_chain_hears(rounds):
    """First the beamformer that the given mask steers, then the one of its own mask before."""
    learner, batch = watched(rounds=rounds), DEV_MICS.batch(0)
    measured = learner.measure([batch])
    calls = learner.network.calls
    assert [learns for learns, _, _ in calls] == [False] * rounds
    mics = learner.loss.stft.analyse(torch.from_numpy(batch["microphones"]))
    mask = torch.from_numpy(batch["mask"])
    for _, heard, out in calls:
        assert_array_equal(heard, beamform(mask, mics).spec(STEERS))
        mask = out
    target = torch.from_numpy(batch["target"])
    assert measured["loss"] == pytest.approx(float(learner.loss(mask, heard, target, mics)[0]))


def test_microphones_are_needed_for_what_is_heard_through_them():
    with pytest.raises(ConfigError, match=r"loss.beam needs several microphones"):
        Learner(recipe_of({"loss": {"beam": 1.0}}), 20, Team(), build).learn(Sines().batch(0))


# ---- beginning with another training's weights -------------------------------------------

STILL = {"optimiser": {"lr": 1e-9, "weight_decay": 0.0}}
PLAIN = {"norm": False}


def beginning(init, **settings):
    """A training of a network that begins with weights, and hardly moves."""
    model = {"name": "tiny", "settings": PLAIN | settings, "init": str(init)}
    return recipe_of(STILL | {"model": model}, steps=5)


@pytest.mark.parametrize(
    "file, part",
    [("", checkpoint.NETWORK), (checkpoint.LAST, checkpoint.EMA)],
    ids=["best", "last"],
)
def test_it_begins_with_the_weights_that_another_training_kept(tmp_path, file, part):
    """Of a folder the best ones, of a checkpoint their average."""
    before = recipe_of({"model": {"name": "tiny", "settings": PLAIN}})
    trained(tmp_path / "before", before)
    trained(tmp_path / "after", beginning(tmp_path / "before" / file))
    wanted = tensors(tmp_path / "before", file or checkpoint.BEST)
    found = tensors(tmp_path / "after")
    for key in build("tiny", PLAIN).state_dict():
        for its in (checkpoint.NETWORK, checkpoint.EMA):
            assert_allclose(found[its + key], wanted[part + key], atol=1e-7)
    assert facts(tmp_path / "after")["step"] == 5  # its own, not those of both


def test_going_on_begins_nowhere_else(tmp_path):
    """What it once began with may be gone."""
    trained(tmp_path / "before", recipe_of({"model": {"name": "tiny", "settings": PLAIN}}, steps=5))
    trained(tmp_path / "after", beginning(tmp_path / "before"))
    wanted = tensors(tmp_path / "after")
    (tmp_path / "before" / checkpoint.BEST).unlink()
    trained(tmp_path / "after", beginning(tmp_path / "before"), resume=True)
    for key, value in tensors(tmp_path / "after").items():
        assert_array_equal(value, wanted[key])


def test_weights_that_are_not_there_or_do_not_fit_are_refused(tmp_path):
    trained(tmp_path / "before", recipe_of({"model": {"name": "tiny", "settings": PLAIN}}, steps=5))
    (tmp_path / "rubbish").write_bytes(b"rubbish" * 10)
    for recipe, words in [
        (beginning(tmp_path / "gone"), "gone cannot be read: No such file"),
        (beginning(tmp_path / "rubbish"), "rubbish is not a checkpoint of arrayenh, or is damaged"),
        (beginning(tmp_path / "before", width=9), "the checkpoint does not fit the network"),
    ]:
        with pytest.raises(ConfigError, match=words) as caught:
            trained(tmp_path / "after", recipe)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "after").exists()


# ---- recipes that ship -------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_a_recipe_that_ships_makes_a_network_that_can_ship(name):
    from arrayenh.training.data.build import check_inputs, checked

    path = find_recipe(Path(name))
    recipe = load_recipe(path)
    model = models.build(recipe.model.name, recipe.model.settings)
    textbooks = {"mask-blstm": 1_700_000, "unet": 2_200_000}  # their sizes
    most = textbooks.get(recipe.model.name, 1_500_000)
    assert sum(weight.numel() for weight in model.parameters()) <= most
    Loss(recipe.loss, model.signature)
    check_inputs(model.signature, checked(recipe.data).kind)
    assert f"arrayenh train {name} " in path.read_text()
    again = as_toml(recipe)
    assert as_toml(as_recipe(tomllib.loads(again), name)) == again


def test_a_recipe_is_found_by_its_path_or_else_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = names()[0]
    shipped = find_recipe(Path(name))
    assert shipped.name == f"{name}.toml" and shipped.is_file()
    Path(name).mkdir()  # a training's folder, named after its recipe
    assert find_recipe(Path(name)) == shipped
    Path(name).rmdir()
    Path(name).write_text(RECIPE)
    assert find_recipe(Path(name)) == Path(name)
    with pytest.raises(ConfigError, match=f"nosuch does not exist and is not one of {name}, "):
        find_recipe(Path("nosuch"))


def test_the_log_and_the_pictures(tmp_path):
    pytest.importorskip("matplotlib")
    said, steps = [], []
    trained(tmp_path, reporter=Reporter(steps.append, said.append))
    assert steps == [5, 10, 15, 20] and len(said) == 4
    assert [row["step"] for row in log(tmp_path)] == ["5", "10", "15", "20"]
    assert as_toml(load_recipe(tmp_path / "recipe.toml")) == as_toml(recipe_of())
    import matplotlib.image

    for name in ("loss.png", "example.png"):
        picture = matplotlib.image.imread(tmp_path / name)
        assert min(picture.shape[:2]) > 300 and np.ptp(picture[..., :3]) > 0.5


def test_tensorboard_is_told_the_same(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained(tmp_path, recipe_of(steps=5))
    trained(tmp_path, recipe_of(steps=10), resume=True)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("dev_loss")
    wanted = [(int(row["step"]), float(row["dev_loss"])) for row in log(tmp_path)]
    assert [event.step for event in events] == [step for step, _ in wanted]
    assert_allclose([event.value for event in events], [loss for _, loss in wanted], rtol=EPS)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_in_their_order_whoever_makes_them(workers):
    examples = Sines()
    with Prefetch({"train": examples, "dev": DEV}, workers) as batches:
        found = list(batches.stream("train", range(3, 12)))
        dev = next(batches.stream("dev", [1]))
    assert len(found) == 9
    for index, batch in enumerate(found, start=3):
        assert_array_equal(batch["inputs"], examples.batch(index)["inputs"])
    assert_array_equal(dev["target"], DEV.batch(1)["target"])


class Deadly(Sines):
    """Kills the process that makes batch 1."""

    def batch(self, index):
        if index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(index)


def test_a_process_that_was_killed_is_told_of():
    with Prefetch({"train": Deadly()}, 1) as batches, pytest.raises(AudioError, match="killed"):
        list(batches.stream("train", range(4)))


def test_whoever_asks_twice_stops_at_once():
    with stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


RECIPE = """
[model]
name = "mask-gru"
settings = { n_fft = 256, hop = 64, bands = 8, hidden = 8, layers = 1, inputs = ["microphone"] }
[data]
kind = "pairs"
[loss]
mask = 1.0
[run]
epochs = 3
batch_size = 2
seconds = 0.5
dev_every = 3
"""


@pytest.fixture
def pairs(tmp_path):
    """Noisy and clean sines of thirty speakers."""
    import soundfile

    for k in range(30):
        noisy, clean = Sines(n_samples=12_000).example(k)
        for name, samples in (("noisy", noisy[0]), ("clean", clean)):
            path = tmp_path / "sounds" / name / f"s{k}" / "a.wav"
            path.parent.mkdir(parents=True)
            soundfile.write(path, samples, 16_000, "FLOAT")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def command(*words):
    from arrayenh.cli.main import run

    return run([str(word) for word in words])


@pytest.mark.slow
def test_the_command_trains_goes_on_and_exports(pairs, capsys):
    out, given = pairs / "out", ["--data", pairs / "sounds", "--threads", 1, "--json"]
    line = ["train", pairs / "recipe.toml", "-o", out, *given]
    assert command(*line) == 0
    assert (out / "best.safetensors").exists() and '"best_loss": 0.' in capsys.readouterr().out
    n_steps = checkpoint.read(out / checkpoint.LAST).facts["step"]
    n_train = load_recipe(out / "recipe.toml").run.epochs * ((30 - n_dev(pairs)) // 2)
    assert n_steps == n_train
    assert command(*line) == 2
    assert "holds a training run; use --resume" in capsys.readouterr().err
    assert command(*line, "--resume", "--steps", n_steps + 4) == 0
    assert f'"steps": {n_steps + 4}' in capsys.readouterr().out
    assert command("export", out, "-o", pairs / "net.onnx") == 0
    assert "within" in capsys.readouterr().err
    assert command("export", out, "-o", pairs / "net.onnx") == 2
    assert "exists; use --overwrite" in capsys.readouterr().err


def n_dev(pairs):
    """Pairs that are held out of the training, to choose by or to judge."""
    from arrayenh.training.data.folders import find_pairs

    return 30 - len(find_pairs(pairs / "sounds", "train"))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            ("[loss]", "[rum]\nx = 1\n[loss]"),
            "rum: unknown key; did you mean run? known are model, ",
        ),
        (("mask = 1.0", "masks = 1.0"), "loss.masks: unknown key; did you mean mask?"),
        (("mask = 1.0", ""), "loss needs a weight above 0; set si_sdr, spectral, stft, magnitude"),
        (("epochs = 3", "epochs = 3\nsteps = 3"), "run needs either steps or epochs"),
        (("epochs = 3", "epochs = 0"), "run.epochs must be 1 to"),
        (("epochs = 3", 'epochs = "3"'), "run.epochs: input should be a valid integer"),
        (
            ("[loss]", '[schedule]\nkind = "fast"\n[loss]'),
            "unknown schedule.kind 'fast'; use plateau",
        ),
        (("mask-gru", "mask-gruh"), "no network 'mask-gruh'; use one of mask-gru"),
        (("hidden = 8", "hiden = 8"), "network mask-gru: hiden: unknown key; did you mean hidden?"),
        (("[model]", "[model"), "is not TOML"),
        (("[data]", 'init = "gone"\n[data]'), "the checkpoint gone cannot be read"),
        (("epochs = 3", "epochs = 3\nrounds = 0"), "run.rounds must be 1 to 16; got 0"),
        (("mask = 1.0", "beam = -1.0"), "loss.beam must be 0 to 1e+12; got -1"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(pairs, capsys, change, message):
    (pairs / "recipe.toml").write_text(RECIPE.replace(*change))
    line = ["train", pairs / "recipe.toml", "-o", pairs / "out", "--data", pairs / "sounds"]
    assert command(*line) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (pairs / "out").exists()


def test_a_recipe_that_ships_is_trained_by_its_name(pairs, capsys, monkeypatch):
    """As far as it goes without a corpus of several speakers."""
    monkeypatch.chdir(pairs)
    assert command("train", "mask-gru", "-o", "out", "--data", pairs / "nothing") == 2
    said = capsys.readouterr().err
    assert "neither a manifest.csv nor a folder speech" in said and said.count("\n") == 1
    assert command("train", "mask-grew", "-o", "out") == 2
    assert "mask-grew does not exist and is not one of" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["train {0}/recipe.toml -o {0}/out", "export {0} -o {0}/net.onnx"])
def test_without_torch_it_is_one_line(pairs, capsys, monkeypatch, line):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("arrayenh.cli.train.find_spec", lambda name: None)
    assert command(*line.format(pairs).split()) == 2
    said = capsys.readouterr().err
    assert "needs torch: pip install 'arrayenh[train]'" in said and said.count("\n") == 1


def test_interrupted_the_command_saves_and_says_so(pairs, capsys, monkeypatch):
    interrupt_after(monkeypatch, 4)
    line = ["train", pairs / "recipe.toml", "-o", pairs / "out", "--data", pairs / "sounds"]
    assert command(*line) == 130
    assert "interrupted" in capsys.readouterr().err
    assert checkpoint.read(pairs / "out" / checkpoint.LAST).facts["step"] == 4
