"""Values: where the values of a Model are while it is lowered, and the work that makes them.

A layer asks where its inputs are (`place`), declares what it computes (`define`) and appends
stages.  Per-step work goes into `step`, per-sequence work into `finish`; a value that finish
reads has to live in the state.  The per-step work of a layer that waits for the whole sequence goes
into a loop of `finish`, its state into scratch memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rnn2c.ir import graph
from rnn2c.ir.graph import Float32, Format, Model, Numerics, Rate
from rnn2c.ir.names import Names, comment, prose
from rnn2c.ir.program import (
    Argument,
    Buffer,
    Call,
    Const,
    Elem,
    Inner,
    Loop,
    Op,
    Signal,
    Stage,
    Store,
    Weight,
)
from rnn2c.ir.temporal import ALWAYS, infer_times
from rnn2c.lower.clocks import Clocks
from rnn2c.lower.places import LoopDraft, Place
from rnn2c.lower.schedule import schedule
from rnn2c.lower.stages import copy_stage, held
from rnn2c.lower.storage import float32_numerics, storage_type
from rnn2c.lower.tables import TABLES
from rnn2c.target import Target


@dataclass
class Values:
    """See the module's first lines."""

    model: Model
    target: Target
    max_steps: int = 0
    names: Names = field(default_factory=Names)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    weights: list[Weight] = field(default_factory=list)
    consts: dict[str, Const] = field(default_factory=dict)
    init: list[Op] = field(default_factory=list)
    step: list[Op] = field(default_factory=list)
    finish: list[Op] = field(default_factory=list)
    outputs: dict[str, Signal] = field(default_factory=dict)
    counter: str = ""
    finish_after: list[tuple[str, int]] = field(default_factory=list)
    step_until: list[tuple[str, int]] = field(default_factory=list)
    loops: list[LoopDraft] = field(default_factory=list)
    selections: list[Loop] = field(default_factory=list)
    _places: dict[str, Place] = field(default_factory=dict)
    _rows: dict[str, Place] = field(default_factory=dict)
    _layer: graph.Layer | None = None
    _own_states: list[str] = field(default_factory=list)
    _inputs_kept: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in TABLES:
            self.names.take(name)  # before any name of the user
        self.clocks = Clocks(self.names, self.buffers, self.step)
        self.sizes = self.model.sizes()
        self.rates = self.model.rates()
        self.times_of = infer_times(self.model)
        self.schedule = schedule(self.model)
        self.loops = [LoopDraft(reverse) for reverse in self.schedule.reverse]
        if self.max_steps:
            doc = "steps that are stored"
            self.counter = self.clocks.counting("step_count", self.max_steps, doc)
        self.numerics: Numerics = self.model.numerics or float32_numerics(self.model, self.sizes)

    # -- values ---------------------------------------------------------------------------------

    def format(self, value: str) -> Format:
        return self.numerics.formats[value]

    def begin_layer(self, layer: graph.Layer | None) -> None:
        """What is added from now on belongs to this layer, or to none of them."""
        self._layer = layer

    @contextmanager
    def beside(self, value: str) -> Iterator[None]:
        """What is added meanwhile belongs to the work that makes a value."""
        own = self._layer
        self._layer = next((p for p in self.model.layers if value in p.outputs), None)
        try:
            yield
        finally:
            self._layer = own

    @property
    def loop(self) -> LoopDraft | None:
        """The loop that has the per-step work of the layer at hand; None: step has it."""
        k = self.schedule.loop_of.get(self._layer.name) if self._layer else None
        return None if k is None else self.loops[k]

    def place(self, value: str, rate: Rate) -> Place:
        """Where the work of this rate finds a value."""
        if rate == "sequence":
            return replace(self._places[value], new=False)
        k = self.schedule.loop_of.get(value)
        at_hand = self.loop is (None if k is None else self.loops[k])
        return self._places[value] if at_hand else self._rows[value]

    def kept(self, value: str) -> Place:
        """Where a value of every step is kept."""
        return self._rows[value]

    def _keep(self, value: str, doc: str) -> Place | None:
        """Memory for a value of every step, if something reads it so."""
        if value not in self.schedule.kept:
            return None
        role = "state" if self.rates[value] == "step" else "scratch"
        name, form, size = f"{value}_steps", self.format(value), self.sizes[value]
        made = Place(self.buffer(name, form, size, role, doc, rows=self.max_steps))
        self._rows[value] = made
        return made

    def set_place(self, value: str, place: Place) -> None:
        """`value` is found there."""
        self._places[value] = place

    def buffer(
        self, name: str, form: Format, size: int, role: str, doc: str, **more: object
    ) -> str:
        """Declare a buffer that holds values of a format; returns its C name."""
        taken = self.names.take(name)
        type_ = "f32" if isinstance(form, Float32) else storage_type(form.lo, form.hi)
        made = Buffer(taken, type_, size, role, comment(doc), form.lo, form.hi, **more)  # type: ignore[arg-type]
        self.buffers[taken] = made
        return taken

    def input(self, value: str, rate: Rate) -> str:
        """Declare a model input as an argument.

        An argument can hold whatever its type holds; where the format promises less, a first
        stage limits it, which keeps the sums that read it short.
        """
        doc = f"model input '{prose(value)}'"
        form, size = self.format(value), self.sizes[value]
        is_real = isinstance(form, Float32)
        whole = form if is_real else Format(form.scale, form.bits, form.zero_point)
        name = self.buffer(value, whole, size, "input", doc, rate=rate)
        self._places[value] = Place(name)
        kept = self._keep(value, doc)
        if rate == "step" and (form.lo, form.hi) != (whole.lo, whole.hi):
            limited = kept or self.scratch(f"{value}_limited", form, size, f"{doc}, limited", rate)
            body = (Call("q", "clamp", (Elem(name), form.lo, form.hi)),)
            title = f"limit '{prose(value)}' to [{form.lo}, {form.hi}]"
            self.step.append(Stage(title, size, body, (Store(limited.elem(), "q"),)))
            self._places[value] = limited
        elif kept is not None:
            self._copy_kept(value, Place(name), kept)
        return name

    def source(self, value: str, place: Place, doc: str) -> None:
        """Declare a value that is there before the first layer."""
        self._places[value] = place
        kept = self._keep(value, doc)
        if kept is not None:
            self._copy_kept(value, place, kept)

    def _copy_kept(self, value: str, place: Place, kept: Place) -> None:
        title, stores = f"keep '{prose(value)}'", (Store(kept.elem(), "v"),)
        self.step.append(self.copy_stage(title, place.elem(), self.sizes[value], stores))

    def state(self, name: str, form: Format, size: int, doc: str, twice: bool = False) -> Place:
        """Declare a part of the state, zero at first; with `twice` the returned place is the new
        copy.
        """
        role = "state" if self.loop is None else "scratch"
        made = self.buffer(name, form, size, role, doc, twice=twice)
        if self.loop is not None:
            self.loop.states.append(made)
        self._own_states.append(made)
        return Place(made, new=twice)

    def begin(self, stage: Stage) -> None:
        """Add a stage that loads a state before the first step, from an input or a constant.

        A loop starts anew whenever finish is called, so init keeps the input for it.
        """
        if self.loop is None:
            self.init.append(stage)
            return
        body = tuple(
            replace(call, arguments=tuple(map(self._kept_input, call.arguments)))
            if isinstance(call, Call)
            else call
            for call in stage.body
        )
        self.loop.start.append(replace(stage, body=body))

    def _kept_input(self, argument: Argument) -> Argument:
        """An element of a per-sequence input as it is kept in the state."""
        if not isinstance(argument, Elem) or argument.buffer not in self.buffers:
            return argument
        source = self.buffers[argument.buffer]
        kept = self._inputs_kept.get(source.name)
        if kept is None:
            kept = self.names.take(f"{source.name}_kept")
            self._inputs_kept[source.name] = kept
            self.buffers[kept] = replace(source, name=kept, role="state", rate="step")
            stores = (Store(Elem(kept), "v"),)
            title = f"keep '{source.name}'"
            self.init.append(self.copy_stage(title, Elem(source.name), source.size, stores))
        return replace(argument, buffer=kept)

    def scratch(self, name: str, form: Format, size: int, doc: str, rate: Rate) -> Place:
        """Declare memory that holds nothing between calls."""
        role = "scratch" if rate == "step" and self.loop is None else "local"
        return Place(self.buffer(name, form, size, role, doc, rate=rate))

    def define(
        self, value: str, result: str, doc: str, place: Place | None = None
    ) -> tuple[Store, ...]:
        """Stores of `result`, the elements of `value`: into its own place and into outputs.

        Without a given place the value goes straight into the output that shows it, or into new
        memory if something else reads it.
        """
        rate = self.rates[value]
        kept = self._keep(value, doc or value)
        shown = [o.name for o in self.model.outputs if o.value == value]
        outputs = [Place(self.outputs[name].buffer) for name in shown]
        if place is None and outputs and not self._has_readers(value):
            place = outputs.pop(0)
        place = place or kept
        if place is None:
            if self._is_selected(value):
                place = self.state(value, self.format(value), self.sizes[value], doc)
            else:
                place = self.scratch(value, self.format(value), self.sizes[value], doc, rate)
        self._places[value] = place
        also = () if kept in (None, place) else (kept,)
        return tuple(Store(p.elem(), result) for p in (place, *also, *outputs) if p)

    def is_kept(self, value: str) -> bool:
        """Whether a value needs its own memory: an output or a delay or finish reads it."""
        return value in {*self.model.kept, *self.schedule.kept} or self._is_selected(value)

    def _has_readers(self, value: str) -> bool:
        delayed = any(value == delay.value for delay in self.model.delays)
        return delayed or any(value in layer.inputs for layer in self.model.layers)

    def is_delayed(self, value: str) -> bool:
        """Whether the value comes from the step before: its place changes when the step ends."""
        return any(value == delay.name for delay in self.model.delays)

    def _is_selected(self, value: str) -> bool:
        return self.loop is None and any(
            isinstance(p, graph.LastStep) and p.inputs[0] == value for p in self.model.layers
        )

    def append(self, rate: Rate, *operations: Inner) -> None:
        """Add operations to the work of every step at which the layer at hand has a value, or to
        finish.
        """
        if rate == "sequence":
            self.finish.extend(operations)
        elif self.loop is not None:
            self.loop.body.extend(map(self._held, operations))
        else:
            times = ALWAYS if self._layer is None else self.times_of[self._layer.name]
            self.clocks.append(times, *map(self._held, operations))

    def append_at(self, value: str, *operations: Inner) -> None:
        """Add operations to the work of every step at which there is a `value`."""
        if self.loop is not None:
            self.loop.body.extend(operations)
        else:
            self.clocks.append(self.times_of[value], *operations)

    def _held(self, op: Inner) -> Inner:
        """Where the layer at hand has a mask: the state only changes where that is 1."""
        mask = self._layer.mask if isinstance(self._layer, graph.Recurrent) else ""
        if not mask or not isinstance(op, Stage):
            return op
        on = replace(self.place(mask, "step").elem(), stride=0)
        return held(op, on, self._own_states, self.buffers)

    def all_of_finish(self) -> tuple[Op, ...]:
        """The loops, what picks single steps of their values, then the per-sequence work."""
        loops = [draft.finished(self.buffers) for draft in self.loops]
        return (*loops, *self.selections, *self.finish)

    def copy_stage(self, title: str, source: Elem, size: int, stores: tuple[Store, ...]) -> Stage:
        """A stage that only copies; its stores name the value `v`."""
        type_ = (self.buffers | self.consts)[source.buffer].type
        return copy_stage(title, source, size, stores, type_)
