"""The command line: parses, calls one function, prints. Everything heavy is imported when it is needed."""

import errno
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from math import isfinite
from pathlib import Path
from typing import Any

import click

from flows.run.files import to_json
from hw.spec.errors import HeddleError
from sw.quant.recipe import STEPS, Recipe

__all__ = ["cli", "main"]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
EXISTING = click.Path(path_type=Path)
json_flag = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
design_option = click.option("--design", metavar="D", required=True, help="A preset, or a TOML file.")
data_option = click.option("--data", default="digits", show_default=True,
                           metavar="SOURCE",
                           help="digits, idx:DIR, images:DIR, wav:DIR, npz:FILE, csv:FILE, ts:DIR or FILE.py:FUNCTION, "
                                "with ,option=value.")
board_option = click.option("--board", metavar="B", help="A board; without it the design's own.")
cluster_option = click.option("--cluster", metavar="ADDRESS",
                              help="Work on all workers of this Dask scheduler, see docs/cluster.md.")
correct_option = click.option(
    "--correct", metavar="INPUTS",
    help="Correct biases for a multiplier that errs, by what layers see of inputs: those of a data set SOURCE to train "
         "with, of FILE.npz, or random ones.")


class FiniteRange(click.FloatRange):
    """A range that nan, which compares false with both ends, is not in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is not a number of the range", param, ctx)
        return number


class Clock(FiniteRange):
    """A frequency, or the word for the highest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == "auto" else super().convert(value, param, ctx)


def example(text: str) -> str:
    """Epilog of a command."""
    return f"\b\nExample:\n  {text}"


def out_option(default: str) -> Callable[..., Any]:
    return click.option("--out", type=EXISTING, default=Path(default), show_default=True, help="Where results go.")


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for every field of a recipe, and for every field of each of its steps."""
    named = [(step, item) for step, kind in reversed(STEPS.items()) for item in reversed(fields(kind))]
    named += [("", item) for item in reversed(fields(Recipe)) if item.name not in STEPS]
    for step, item in named:
        kind = {float: float, int: int, bool: bool}.get(type(item.default), str)
        default = ",".join(item.default) or "none" if isinstance(item.default, tuple) else item.default
        name = f"{step}-{item.name}" if step else item.name
        command = click.option(f"--{name.replace('_', '-')}", f"{step}__{item.name}" if step else item.name, type=kind,
                               help=f"{item.metadata['help'][0].upper()}{item.metadata['help'][1:]}.  "
                                    f"[default: {default}]")(command)
    return command


def recipe_changes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What :func:`recipe_options` found, by the names that a recipe has."""
    lists = {item.name for item in fields(Recipe) if isinstance(item.default, tuple)}
    pairs = {f"{step}__{item.name}" for step, kind in STEPS.items() for item in fields(kind) if item.metadata["pairs"]}
    return {name.replace("__", "."): tuple(value.split(",")) if name in lists
            else numbers(name, value) if name in pairs else value
            for name, value in given.items() if value is not None}


def numbers(option: str, text: str) -> dict[str, int]:
    """Whole numbers by name."""
    found = [part.rpartition("=") for part in text.split(",")]
    for name, _, value in found:
        if not name or not value.isdecimal():
            hint = f"'--{option.replace('__', '-').replace('_', '-')}'"
            raise click.BadParameter(f"{text!r} is no NAME=NUMBER,..., such as classifier=8", param_hint=hint)
    return {name: int(value) for name, _, value in found}


@click.group(context_settings={"help_option_names": ["-h", "--help"]},
             epilog=example("heddle explore --board ulx3s-25 --max-latency 0.001"))
@click.version_option(package_name="heddle")
def cli() -> None:
    """Co-design of tiny neural networks and the FPGA accelerators that run them."""


@cli.command(epilog=example("heddle doctor"))
@json_flag
def doctor(as_json: bool) -> int:
    """List tools and versions, and how to get what is missing."""
    from flows.commands.doctor import examine
    from flows.report.tables import show_tools

    found = examine()
    show(found, as_json, show_tools)
    return DONE if found["ok"] else BAD_INPUT


@cli.command(epilog=example("heddle explore --data mnist:data/mnist --board ulx3s-85 --out runs/mnist"))
@click.option("--data", metavar="SOURCE", help="What is learned, see `heddle train --help`; of a model, what says how "
              "accurate it is.  [default: digits, with --model none]")
@click.option("--model", metavar="MODEL",
              help="Search hardware only, for a .tflite or .onnx file or a folder of Heddle.")
@click.option("--design", metavar="D", help="Search networks only, for a preset or a TOML file.")
@click.option("--space", "space_file", type=EXISTING, metavar="FILE",
              help="Design space; see flows/search/space.toml, of --model model_first.toml, of --design "
                   "hardware_first.toml there.")
@click.option("--board", "boards", multiple=True, metavar="B", help="Only this board; may be given again.")
@click.option("--max-latency", type=FiniteRange(min=0, min_open=True), metavar="S",
              help="Seconds that an inference may take.")
@click.option("--min-accuracy", type=FiniteRange(0, 1), metavar="A",
              help="Accuracy that is asked for on the validation split, 0 to 1.")
@click.option("--trials", type=click.IntRange(min=1), help="Networks to train at most; without it the space says.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Processes at a time.  [default: 2; of a cluster all]")
@cluster_option
@out_option("runs/explore")
@json_flag
def explore(as_json: bool, cluster: str | None, jobs: int | None, **options: Any) -> int:
    """Search networks and accelerators together, up to bitstreams and a report."""
    from flows.commands.explore import Request, explore_to
    from flows.report.tables import show_front

    if cluster and jobs:
        raise click.UsageError(f"--jobs {jobs}: of a cluster every worker does one task at a time; leave it out, and "
                               f"start as many workers")
    with progress():
        document = explore_to(Request(jobs=jobs or 2, **options), cluster=cluster)
    show(document, as_json, show_front)
    if not as_json:
        click.echo(f"report: {options['out'] / 'report.html'}", err=True)
    return DONE


@cli.command(epilog=example("heddle watch runs/explore"))
@click.argument("folder", metavar="DIR", type=EXISTING)
@click.option("--port", type=click.IntRange(0, 65535), default=8650, show_default=True,
              help="Of this machine alone; 0: any that is free.")
def watch(folder: Path, port: int) -> int:
    """Serve a page of the exploration that writes to DIR, while it goes on; then its report.

    It is for browsers of this machine, and ends with Ctrl-C.
    """
    from flows.commands.watch import serve

    try:
        serve(folder, port, lambda address: click.echo(f"{address} (Ctrl-C ends)", err=True))
    except KeyboardInterrupt:
        return DONE
    return DONE


@cli.command(epilog=example("heddle data images:photos,size=32x32 --picture samples.svg"))
@click.argument("source")
@click.option("--picture", type=EXISTING, metavar="SVG", help="Draw a page of samples into this file.")
@json_flag
def data(source: str, picture: Path | None, as_json: bool) -> int:
    """List what a data set holds, and what is wrong with it."""
    from flows.commands.data import describe_data
    from flows.report.tables import show_data

    found = describe_data(source, picture=picture)
    show(found, as_json, show_data)
    return FAILED if found["broken"] else DONE


@cli.command(epilog=example("heddle train dscnn --width 0.5 --weight-bits 4 --passes 60 --out runs/small"))
@click.argument("network")
@data_option
@click.option("--recipe", type=EXISTING, metavar="FILE", help="A recipe, see docs/recipes.md; options go before it.")
@click.option("--width", type=float, help="Width multiplier.  [default: 1]")
@click.option("--weight-bits", type=click.Choice(["8", "4", "2", "1"]), default="8", show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--feedback", type=EXISTING, metavar="FILE",
              help="Errors of hardware to train with: a record of `heddle explore`, or as in docs/feedback.md.")
@click.option("--compare", type=click.IntRange(min=2), metavar="SEEDS",
              help="Instead: training with the feedback's errors against what is cheaper, over so many seeds.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes of --compare.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE",
              help="An argument of the network's function; may be given again.")
@click.option("--design", metavar="D", help="A preset, or a TOML file: what it cannot run is not trained.")
@click.option("--verify", "level", type=click.Choice(["array", "engine", "soc"]),
              help="Verify what was trained on the design: a rung of the ladder.")
@click.option("--inputs", type=click.IntRange(min=1), default=32, show_default=True, help="Of the verification.")
@click.option("--rtl", is_flag=True, help="Run the test split through the RTL of the design, too.")
@recipe_options
@out_option("runs/train")
@json_flag
def train(as_json: bool, *, network: str, weight_bits: str, seed: int, width: float | None, recipe: Path | None,
          settings: tuple[str, ...], data: str, feedback: Path | None, compare: int | None, jobs: int,
          design: str | None, level: str | None, inputs: int, rtl: bool, out: Path, **changes: Any) -> int:
    """Train a quantized network, with or without a feedback record.

    NETWORK is a name, or file.py:function, which gives a torch.nn.Module.
    """
    from flows.commands.train import compare_to, config_of, train_to
    from flows.report.tables import show_rivals, show_training

    config = config_of(network, weight_bits=int(weight_bits), seed=seed, width=width, recipe=recipe,
                       settings=list(map(setting, settings)), changes=recipe_changes(changes))
    if compare:
        if feedback is None:
            raise click.UsageError("--compare needs errors to compare with: add --feedback FILE, see docs/feedback.md")
        if given := [name for name, value in (("--design", design), ("--verify", level), ("--rtl", rtl)) if value]:
            raise click.UsageError(f"{given[0]}: --compare leaves no network to run on it; leave one of them out")
        with progress():
            document = compare_to(config, data=data, out=out, feedback=feedback, seeds=compare, jobs=jobs)
        show(document, as_json, show_rivals)
        return DONE
    with progress():
        document = train_to(config, data=data, feedback=feedback, design=design, level=level, inputs=inputs, rtl=rtl,
                            out=out)
    show(document, as_json, show_training)
    found, passed = document.get("verification"), document.get("rtl")
    wrong = found and (found["first_mismatch"] is not None or found["mismatches"]) or passed and passed["mismatches"]
    return FAILED if wrong else DONE


def setting(text: str) -> tuple[str, bool | int | float | str]:
    """A name and a value: a number, true, false, or else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.BadParameter(f"{text!r} is no NAME=VALUE, such as width=0.5", param_hint="'--set'")
    if value in ("true", "false"):
        return name, value == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


@cli.command(epilog=example("heddle models model.tflite --design ecp5-85"))
@click.argument("model", metavar="FILE")
@click.option("--design", metavar="D", help="A preset, or a TOML file; without it all presets are tried.")
@click.option("--picture", type=EXISTING, metavar="SVG", help="Draw the network into this file.")
@json_flag
def models(model: str, design: str | None, picture: Path | None, as_json: bool) -> int:
    """List what a model holds, who would run what, and what is missing."""
    from flows.commands.models import describe_model
    from flows.report.tables import show_model

    with progress():
        document = describe_model(model, design, picture=picture)
    show(document, as_json, show_model)
    return DONE


@cli.command(epilog=example("heddle estimate dscnn --design ecp5-25"))
@click.argument("model")
@design_option
@board_option
@json_flag
def estimate(model: str, design: str, board: str | None, as_json: bool) -> int:
    """Cycles per layer, resources, Fmax, latency and energy, without building anything."""
    from flows.commands.estimate import estimate_model
    from flows.report.tables import show_estimate

    show(estimate_model(model, design, board), as_json, show_estimate)
    return DONE


@cli.command(epilog=example("heddle verify runs/small --design ecp5-25 --level engine --inputs 100"))
@click.argument("model")
@design_option
@board_option
@click.option("--level", type=click.Choice(["array", "engine", "soc", "netlist", "board"]), default="engine",
              show_default=True, help="Rung of the ladder.")
@click.option("--inputs", type=click.IntRange(min=1),
              help="Number of inputs.  [default: 32, at level netlist 1]")
@click.option("--inputs-from", type=EXISTING, metavar="FILE", help="Inputs from an .npz file.")
@click.option("--data", metavar="DATA", help="Inputs from the test split of a data set.")
@click.option("--from", "begin", type=click.Choice(["input", "waveform"]), default="input", show_default=True,
              help="What an inference begins with: the network's input, or the recording of which that is made.")
@correct_option
@click.option("--trace", type=EXISTING, metavar="FILE", help="Waves around the first mismatch.")
@click.option("--port", metavar="DEV", help="The board's serial port, of the level board.")
@click.option("--clock-mhz", type=click.FloatRange(5, 200), metavar="MHZ",
              help="Of the build that level netlist simulates.  [default: 50 on an ECP5, 24 on an iCE40]")
@json_flag
def verify(as_json: bool, **options: Any) -> int:
    """Run a model on the generated hardware and compare every output and the cycles."""
    from flows.commands.verify import verify_model
    from flows.report.tables import show_verification

    with progress():
        found = verify_model(**options)
    show(found, as_json, show_verification)
    return DONE if found["first_mismatch"] is None and not found["mismatches"] else FAILED


@cli.command(epilog=example("heddle emit runs/small --design ecp5-25 --out rtl"))
@click.argument("model")
@design_option
@correct_option
@out_option("runs/emit")
@json_flag
def emit(model: str, design: str, correct: str | None, out: Path, as_json: bool) -> int:
    """Write Verilog, C header, program and weights, for use outside LiteX."""
    from flows.commands.emit import emit_to
    from flows.report.tables import show_files

    with progress():
        files = emit_to(model, design, out, correct=correct)
    show(files, as_json, show_files)
    return DONE


@cli.command(epilog=example("heddle build runs/small --design ecp5-25 --board ulx3s-25 --out runs/bit"))
@click.argument("model")
@design_option
@board_option
@click.option("--clock-mhz", type=Clock(5, 200), metavar="MHZ|auto",
              help="auto: the highest that is met, in up to four trials.  [default: 50 on an ECP5, 24 on an iCE40]")
@click.option("--seeds", type=click.IntRange(1, 64), default=5, show_default=True,
              help="Seeds of the placer to try until timing is met.")
@click.option("--jobs", type=click.IntRange(1, 64),
              help="Seeds at a time.  [default: as many as there are cores, and memory is left for]")
@correct_option
@out_option("runs/build")
@json_flag
def build(model: str, design: str, board: str | None, as_json: bool, **options: Any) -> int:
    """Write a bitstream, the firmware and build.json."""
    from flows.commands.build import build_to
    from flows.report.tables import show_build

    with progress():
        built = build_to(model, design, board, **options)
    show(built, as_json, show_build)
    return DONE if built["timing_met"] else FAILED


@cli.command(epilog=example("heddle flash runs/bit"))
@click.argument("folder", metavar="DIR", type=EXISTING)
@click.option("--weights", is_flag=True, help="Only the network, on boards that boot from their flash.")
@click.option("--persistent", is_flag=True, help="Into the board's flash, where it forgets without power otherwise.")
@click.option("--dry-run", is_flag=True, help="Print the command and run nothing.")
def flash(folder: Path, weights: bool, persistent: bool, dry_run: bool) -> int:
    """Program the board with what `heddle build` wrote to DIR."""
    from flows.commands.flash import flash_from, plan_flash

    plan = plan_flash(folder, weights=weights, persistent=persistent)
    if dry_run:
        click.echo(shlex.join(plan.command))
    else:
        click.echo(flash_from(plan), err=True)
    return DONE


@cli.command(epilog=example("heddle bench --section simulation"))
@click.option("--section", type=click.Choice(["engine", "fabric", "boards", "simulation", "codesign", "samplers"]),
              multiple=True, help="Only this table; may be given again.")
@click.option("--data", type=EXISTING, metavar="DIR", help="Folder of the MLPerf Tiny networks (kws.tflite, ...).")
@click.option("--page", type=EXISTING, metavar="HTML", help="Draw codesign and samplers into this file.")
@json_flag
def bench(section: tuple[str, ...], data: Path | None, page: Path | None, as_json: bool) -> int:
    """The benchmark tables: engines on networks, engines on devices, SoCs on boards, simulation, ways to search."""
    from flows.commands.bench import SECTIONS, run_sections
    from flows.report.tables import show_bench

    if page and section and not {"codesign", "samplers"} & set(section):
        raise click.UsageError("--page shows codesign and samplers; add --section codesign or --section samplers")
    with progress():
        document = run_sections(section or tuple(SECTIONS), data=data, page=page)
    show(document, as_json, show_bench)
    return DONE


@cli.command(epilog=example("heddle report runs/explore"))
@click.argument("folder", metavar="DIR", type=EXISTING)
@json_flag
def report(folder: Path, as_json: bool) -> int:
    """Make the report of an exploration again."""
    from flows.report.page import write_report

    path = write_report(folder)
    show({"report": str(path)}, as_json, lambda document, display: display.line(f"report: {document['report']}"))
    return DONE


def show(document: Any, as_json: bool, table: Callable[[Any, Any], None]) -> None:
    """The document on standard output, or for people on standard error."""
    if as_json:
        click.echo(to_json(document), nl=False)
        return
    from flows.report.terminal import Display

    table(document, Display())


@contextmanager
def progress() -> Iterator[None]:
    """What the body tells is shown, on standard error."""
    from flows.report.terminal import Display
    from flows.run.progress import listening

    with listening(Display()):
        yield


def main(argv: list[str] | None = None) -> None:
    """Entry point of ``heddle``; exits with 0 done, 1 the check failed, 2 bad input or missing tool."""
    arguments = sys.argv[1:] if argv is None else argv
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        status = cli.main(arguments, prog_name="heddle", standalone_mode=False)
    except click.ClickException as error:
        status = fail(error.format_message() + hint(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"heddle: interrupted; `heddle {' '.join(arguments)}` goes on where it stopped", err=True)
        status = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()   # whoever read the output has gone
        status = FAILED
    except OSError as error:
        status = fail(failed_file(error))
    except HeddleError as error:
        status = fail(str(error))
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(status if isinstance(status, int) else DONE)


def interrupt(*_: Any) -> None:
    """A request to end is like Ctrl-C: what is running is ended, what is done stays."""
    raise KeyboardInterrupt


def hint(error: click.ClickException) -> str:
    """Where help is, for a wrong command line."""
    context = getattr(error, "ctx", None)
    return f" (see `{context.command_path} --help`)" if context else ""


def failed_file(error: OSError) -> str:
    """What is wrong with a file or a folder, and what to do where that does not depend on which it is."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (f"{error.filename or 'output'}: the disk is full; free some space, empty the store with `make clean`, "
                f"or put it elsewhere with HEDDLE_CACHE; running again goes on where it stopped")
    if error.errno == errno.EROFS:
        return f"{error.filename or 'output'}: lies on a read-only file system; name another folder with --out"
    return f"{error.filename or 'input or output'}: {error.strerror or error}"


def fail(message: str) -> int:
    click.echo(f"heddle: {' '.join(message.split())}", err=True)
    return BAD_INPUT


if __name__ == "__main__":
    main()
