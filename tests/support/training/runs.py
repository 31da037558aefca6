"""A run of the trainer without its services: no checkpoints, no metrics."""

from workloads.trainer.main import Run
from workloads.trainer.options import Options
from workloads.trainer.parallel import World
from workloads.trainer.setup import model_of, optimizer_of, reader_of, steps_of, text_of


def made(options: Options, world: World) -> Run:
    """Model, text and optimizer, as the trainer makes them."""
    text = text_of(options, world)
    model, steps = steps_of(options, world, model_of(options, world, text))
    return Run(
        options=options,
        world=world,
        text=text,
        reader=reader_of(text.train(), options),
        model=model,
        steps=steps,
        optimizer=optimizer_of(options.learning, model, world),
    )
