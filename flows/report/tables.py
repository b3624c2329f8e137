"""The commands' results as tables for people."""

from collections.abc import Mapping, Sequence
from math import floor
from typing import Any

from flows.estimate.runners import CPU, NOBODY
from flows.report.terminal import Display
from hw.spec.commands import COUNTERS

__all__ = ["build_instead", "show_bench", "show_build", "show_data", "show_estimate", "show_files", "show_front",
           "show_model", "show_rivals", "show_tools", "show_training", "show_verification"]

Document = Mapping[str, Any]
PLURALS = {"image": "images", "recording": "recordings", "features": "features", "sequence": "sequences",
           "table": "rows of a table"}
DUPLICATES = 10                              # that people are shown
STYLES = {CPU: "yellow", NOBODY: "dim"}      # of who runs a layer

#: What a training reaches, in words.
METRICS = {"accuracy": "integer accuracy", "auc": "integer area under the curve (AUC)"}


def number(value: Any, form: str = ",") -> str:
    return "–" if value is None else format(value, form)


def show_tools(document: Document, display: Display) -> None:
    rows = [(tool["name"], tool["version"] or "missing", tool["purpose"], "" if tool["version"] else tool["remedy"])
            for tool in document["tools"]]
    display.table("Tools", ("tool", "version", "for", "get it with"), rows,
                  styles={index: "bold red" for index, row in enumerate(rows) if row[1] == "missing"})
    for tool in document["tools"]:
        if tool["why"]:
            display.line(f"{tool['name']} is {tool['version'] or 'missing'}: {tool['why']}")


def show_data(document: Document, display: Display) -> None:
    rate = f", {document['rate']:g} samples a second" if document["rate"] else ""
    display.line(f"{document['data']}: {PLURALS[document['kind']]} of {'×'.join(map(str, document['shape']))} "
                 f"(height, width, channels), {document['dtype']}{rate}")
    display.table("", ("split", "inputs", "low", "high", "mean", "deviation"), [
        (name, number(split["inputs"]), *(number(split[each], ".4g") for each in ("low", "high", "mean", "deviation")))
        for name, split in document["splits"].items()])
    display.table("", ("class", *document["splits"]), [
        (each["name"], *(number(each[split]) for split in document["splits"])) for each in document["classes"]],
        styles={index: "yellow" for index, each in enumerate(document["classes"])
                if not all(each[split] for split in document["splits"])})
    display.line(f"split by seed {document['seed']} where none is given; training inputs are changed by "
                 f"{' + '.join(document['augment']) or 'nothing'}")
    _show_duplicates(document["duplicates"], display)
    if document["broken"]:
        display.table("Broken files", ("file", "reason"),
                      [(each["file"], each["reason"]) for each in document["broken"]], left=(1,))
    for warning in document["warnings"]:
        display.line(f"warning: {warning}")
    if document["picture"]:
        display.line(f"picture: {document['picture']}")


def _show_duplicates(found: Mapping[str, Any], display: Display) -> None:
    counts = ", ".join(f"{number(found[name])} {text}" for name, text in (
        ("across_splits", "across splits"), ("within_splits", "within one"), ("contradicting", "with another class")))
    display.line(f"inputs that are there before: {counts}")
    listed = [each for each in found["listed"] if each["split"] != each["of_split"]][:DUPLICATES]
    if listed:
        display.table("", ("input", "class", "is also", "class "), [
            (f"{each['split']} {each['input']}", each["label"], f"{each['of_split']} {each['of_input']}",
             each["of_label"]) for each in listed], left=(1, 2, 3))


def show_model(document: Document, display: Display) -> None:
    display.line(f"{document['model']}: {document['name']}")
    ends = [(kind, end) for kind in ("input", "output", "state") for end in document[f"{kind}s"]]
    display.table("", ("", "shape", "type", "scale", "zero point", "bytes"), [
        (end.get("name", kind), "×".join(map(str, end["shape"])), end["dtype"], *_scale(end), number(end["bytes"]))
        for kind, end in ends])
    counts = ", ".join(f"{count} {name}" for name, count in document["operators"].items())
    more = [f"{number(document[f'{kind}_bytes'])} bytes of {kind}s" for kind in ("constant", "state")
            if document[f"{kind}_bytes"]]
    display.line(f"{len(document['layers'])} layers: {counts}")
    display.line(", ".join([f"{number(document['macs'])} multiply-accumulates",
                            f"{number(document['weight_bytes'])} bytes of weights",
                            f"{number(document['activation_bytes'])} bytes of activations at once", *more]))
    title = f"Who runs what on {document['design']}" if document["runs"] else "Layers"
    _show_duties(document["layers"], title, display)
    display.table("", ("design", "engine cycles", "CPU cycles, est.", "activations", "weights", "streamed",
                       "what is missing"),
                  [(each["design"], *(number(each[name]) for name in (
                      "engine_cycles", "estimated_cpu_cycles", "activation_bytes", "resident_bytes", "streamed_bytes")),
                    "; ".join(each["problems"])) for each in document["designs"]],
                  styles={index: "red" for index, each in enumerate(document["designs"]) if not each["runs"]},
                  left=(6,))
    if not document["runs"]:
        display.line("; ".join(filter(None, (f"does not run: {document['problem']}", document["remedy"]))))
    if document["picture"]:
        display.line(f"picture: {document['picture']}")


def _show_duties(duties: Sequence[Mapping[str, Any]], title: str, display: Display) -> None:
    """Who runs what, and why where that is not plain."""
    display.table(title, ("layer", "op", "shape", "MAC", "runs on", "engine cycles", "CPU cycles, est."),
                  [(duty["name"], duty["function"] or duty["op"], "×".join(map(str, duty["shape"])),
                    number(duty["macs"] or None), _runs_on(duty), number(duty["engine_cycles"]),
                    number(duty["estimated_cpu_cycles"])) for duty in duties],
                  styles={index: STYLES.get(duty["runner"], "") for index, duty in enumerate(duties)}, left=(4,))


def _runs_on(duty: Mapping[str, Any]) -> str:
    plain = duty["why"] == f"the engine has {duty['op']}"
    return ": ".join(filter(None, (duty["runner"] or "–", "" if plain else duty["why"])))


def _scale(end: Mapping[str, Any]) -> tuple[str, str]:
    return ("–", "–") if end["dtype"] == "float32" else (f"{end['scale']:.6g}", str(end["zero_point"]))


def show_estimate(document: Document, display: Display) -> None:
    display.line(f"{document['model']} on {document['design']}")
    _show_duties(document["duties"], "", display)
    display.line(f"{number(document['cycles'])} engine cycles, {document['utilization']:.0%} of the multipliers busy; "
                 f"{1e6 * document['engine_latency_s']:,.1f} µs at {document['clock_mhz']:g} MHz "
                 + (f"(Fmax about {document['fmax_mhz']:.0f} MHz)" if document["fmax_mhz"] else "(Fmax unknown)"))
    if document["estimated_cpu_cycles"]:
        display.line(f"about {number(document['estimated_cpu_cycles'])} cycles of the CPU beside them (estimated); "
                     f"{1e6 * document['latency_s']:,.1f} µs in all")
    elif document["kernels"]:
        names = ", ".join(f"{kernel['name']} ({kernel['op']})" for kernel in document["kernels"])
        display.line(f"the CPU's cycles are unknown and in none of these figures: {names}")
    if document["fits"] is None:
        display.line(f"no resource model for {document['board']}; synthesize, as `heddle bench --section fabric` does")
        return
    for reason in document["reasons"]:
        display.line(f"cannot be built: {reason}")
    if document["fmax_mhz"] is None:
        return
    used = ", ".join(f"{number(value)} {name}" for name, value in document["resources"].items() if value)
    display.line(f"about {used} on {document['board']}: {'fits' if document['fits'] else 'does not fit'}")
    if document["energy_j"] is not None:
        display.line(f"about {1e6 * document['energy_j']:.2f} µJ for an inference")


def show_verification(document: Document, display: Display) -> None:
    display.line(f"{document['model']} on {document['design']}, level {document['level']}")
    counted = any(layer.get("counters") for layer in document["layers"])
    header = ("layer", "op", "MAC", "cycles", "predicted", *(COUNTERS if counted else ()))
    display.table("", header, [
        (layer["name"], layer["op"], number(layer["macs"]), number(layer["cycles"]), number(layer["predicted_cycles"]),
         *(number(layer["counters"][name]) for name in COUNTERS if counted)) for layer in document["layers"]])
    for kernel in document["kernels"]:
        display.line(f"{kernel['name']} ({kernel['op']}) on the CPU: {number(kernel['cycles'])} cycles")
    shown = sorted(set(document["engine_cycles"]))
    display.line(f"{document['inputs']} inputs, {document['mismatches']} mismatches; engine cycles "
                 f"{', '.join(map(number, shown[:4])) or '–'}, predicted {number(document['predicted_cycles'])}")
    if build := document.get("build"):
        display.line(f"routed with seed {build['seed']}: {build['clock_mhz']:g} MHz"
                     f"{'' if build['timing_met'] else ', missed'} (Fmax {build['fmax_mhz']:.1f} MHz); simulated "
                     f"{number(build['simulated_cycles'])} cycles, {number(build['cycles_per_s'])} a second")
    if document["first_mismatch"]:
        display.line("first mismatch: " + ", ".join(f"{name} {value}" for name, value
                                                    in document["first_mismatch"].items() if value is not None))


def show_training(document: Document, display: Display) -> None:
    settings, (low, high) = document["settings"], document["test_interval"]
    display.table("Training", ("step", "did", "steps", "ms a step", "s", "valid"), [
        (stage["name"], stage["did"], number(stage["steps"]), f"{1e3 * stage['step_s']:.1f}" if stage["steps"] else "–",
         f"{stage['seconds']:.1f}", f"{stage['accuracy']:.4f}") for stage in document["stages"]], left=(1,))
    display.line(f"{settings['network']} width {settings['width']:g}, {settings['weight_bits']} bits, "
                 f"{number(document['weights'])} weights, {number(document['macs'])} multiply-accumulates: "
                 f"{METRICS[document['metric']]} {document['test_accuracy']:.4f} ({low:.4f} to {high:.4f}) on "
                 f"{document['test_inputs']} test inputs, {document['valid_accuracy']:.4f} on valid; "
                 f"wrote {document['model']}")
    if found := document.get("under_errors"):
        display.line(f"on hardware that errs ({found['what']}): {found['test_accuracy']:.4f}, the mean of "
                     f"{found['devices']} devices, {found['worst_test_accuracy']:.4f} on the worst of them; "
                     f"{found['valid_accuracy']:.4f} on valid")
    if "verification" in document:
        show_verification(document["verification"], display)
    if found := document.get("rtl"):
        display.line(f"in the RTL: {found['accuracy']:.4f} of {document['test_inputs']} test inputs, "
                     f"{found['mismatches']} outputs other than golden's, {number(found['cycles'])} cycles, "
                     f"{found['inferences_per_s']:.1f} inferences a second")


def show_rivals(document: Document, display: Display) -> None:
    effect, chosen = document["effect"], (document["rival"], document["feedback"])
    display.table(f"On hardware that errs: {document['errors']}", ("way", "valid", "test", "lowest", "highest", "s"), [
        (way["name"], f"{way['valid_accuracy']:.4f}", f"{way['test_accuracy']:.4f}", f"{min(way['by_seed']):.4f}",
         f"{max(way['by_seed']):.4f}", f"{way['seconds']:.0f}") for way in document["ways"]],
        styles={index: "bold" for index, way in enumerate(document["ways"]) if way["name"] in chosen})
    low, high = effect["interval"]
    display.line(f"{document['network']}, {len(document['seeds'])} seeds on {document['devices']} devices; "
                 f"{document['without_errors']:.4f} without errors. {document['feedback']} over {document['rival']}, "
                 f"both chosen on valid: {100 * effect['difference']:+.1f} points, 95% interval {100 * low:.1f} to "
                 f"{100 * high:.1f}. {document['verdict'].capitalize()}. {effect['conclusion']}")


def show_front(document: Document, display: Display) -> None:
    rows = sorted(document["points"], key=lambda point: -(point["metrics"]["valid_accuracy"] or 0))
    known = any(point["metrics"]["test_interval"] for point in rows)     # else there was a model, and no data
    display.table(
        "Pareto front", ("point", "fidelity", *(("valid", "test", "95% interval", "test over seeds") if known else ()),
                         "latency, µs", "LUT", "DSP", "BRAM"),
        [(point["id"], point["fidelity"], *(_accuracies(point) if known else ()),
          f"{1e6 * point['metrics']['latency_s']:,.1f}",
          *(f"{point['metrics'][name]:,}" for name in ("lut", "dsp", "bram"))) for point in rows],
        styles={index: "bold green" for index, point in enumerate(rows) if point["fidelity"] == "measured"})


def _accuracies(point: Mapping[str, Any]) -> tuple[str, ...]:
    metrics = point["metrics"]
    return (*(f"{metrics[name]:.4f}" for name in ("valid_accuracy", "accuracy")),
            " to ".join(f"{bound:.3f}" for bound in metrics["test_interval"]), _over_seeds(point))


def _over_seeds(point: Mapping[str, Any]) -> str:
    found = point["over_seeds"]
    return f"{found['mean']:.3f}, {found['lowest']:.3f} to {found['highest']:.3f}" if found else "–"


def show_build(document: Document, display: Display) -> None:
    display.table(f"{document['device']} on {document['board']}", ("resource", "used", "available"),
                  [(name.upper(), number(entry["used"]), number(entry["available"]))
                   for name, entry in document["resources"].items()])
    display.table("", ("memory", "bytes used", "available"),
                  [(name, number(entry["used"]), number(entry["available"]))
                   for name, entry in document["memories"].items()])
    if "sdram" in document["memories"]:
        display.line("what the SDRAM holds is uploaded after each power-up, as heddle verify --level board does")
    if document["functions"]:
        display.line("of the ROM's bytes " + ", ".join(f"{name} has {number(size)}"
                                                       for name, size in document["functions"].items()))
    if document["floorplan"]["used"]:
        length = document["floorplan"]["wire_length"]
        display.line(f"multipliers and block RAMs were placed first: {number(length['fixed'])} tiles of wire in "
                     f"place of {number(length['free']) if length['free'] else 'no placement at all'}")
    for trial in document["trials"]:
        display.line(f"at {trial['clock_mhz']:.1f} MHz: " + ", ".join(map(seed_result, trial["seeds"])))
    if path := document["critical_path"]:
        display.line(f"longest path: {path['source']} to {path['sink']}, {path['delay_ns']:.1f} ns, "
                     f"{path['routing_ns'] / path['delay_ns']:.0%} of it on wires: "
                     + ", ".join(f"{each['module']} {each['delay_ns']:.1f}" for each in path["stations"]))
    met = document["timing_met"]
    display.line(f"clock {document['clock_mhz']:.1f} MHz, Fmax {document['fmax_mhz']:.1f} MHz: timing "
                 f"{'met' if met else 'NOT met'} with seed {document['seed']}; "
                 + (f"wrote {document['bitstream']} and {document['firmware']}" if met else
                    f"no bitstream was written; build with {build_instead(document['instead'])}"))


def seed_result(seed: Document) -> str:
    """What a seed gave."""
    return f"seed {seed['seed']} {seed['failure'] if 'failure' in seed else '{:.1f}'.format(seed['fmax_mhz'])}"


def build_instead(instead: Document) -> str:
    """What to build where timing is missed."""
    ways = [f"--clock-mhz {floor(instead['clock_mhz'] * 100) / 100:g} or auto" if instead["clock_mhz"] else "",
            f"--design {instead['preset']}, estimated to reach this clock" if instead["preset"] else ""]
    return ", or with ".join(filter(None, ways)) or "a smaller design"


def show_files(document: Document, display: Display) -> None:
    display.table("Written", ("file", "what it is"), [(item["file"], item["what"]) for item in document["files"]])


def show_bench(document: Document, display: Display) -> None:
    for row in document.get("engine", []):
        title = f"{row['network']} on {row['preset']}"
        if row.get("error"):
            display.line(f"{title}: {row['error']}")
            continue
        display.table(
            f"{title}: {row['cycles']:,} cycles (predicted {row['predicted_cycles']:,}), {row['utilization']:.0%} of "
            f"the peak", ("layer", "op", "MAC", "cycles", "predicted", "of the peak", "limit"),
            [(layer["name"], layer["op"], number(layer["macs"]), number(layer["cycles"]),
              number(layer["predicted_cycles"]), f"{share_bar(layer['utilization'])} {layer['utilization']:4.0%}",
              layer["limit"]) for layer in row["layers"]])
    _show_boards(document.get("boards", []), display)
    for name in ("fabric", "simulation", "codesign", "samplers"):
        rows = document.get(name, [])
        if good := [row for row in rows if not row.get("error")]:
            shown = [{key: value for key, value in row.items() if key not in ("curve", "tools")} for row in good]
            display.table(name, tuple(shown[0]), [[_cell(value) for value in row.values()] for row in shown])
        for row in rows:
            if row.get("error"):
                display.line(f"{row.get('task') or row['preset'] + ' on ' + row['device']}: "
                             f"{row['error']}")


def _show_boards(rows: Sequence[Document], display: Display) -> None:
    good = [row for row in rows if not row.get("error")]
    if good:
        display.table("boards", ("board", "device", "preset", "used", "LUT, est.", "Fmax, MHz", "est.", "clock"), [
            (row["board"], row["device"], row["preset"],
             ", ".join(f"{number(of['used'])} of {number(of['available'])} {name}"
                       for name, of in row["resources"].items()),
             number(row["estimated"] and row["estimated"]["lut"]),
             ", ".join(f"{speed:.1f}" for speed in row["fmax_mhz"]),
             number(row["estimated"] and row["estimated"]["fmax_mhz"], ".1f"),
             f"{row['clock_mhz']:g}{'' if row['timing_met'] else ' missed'}") for row in good], left=(3,))
    if networks := [(row, name, found) for row in rows for name, found in row["networks"].items()]:
        display.table("", ("board", "network", "engine cycles", "CPU cycles, est.", "ms, est.", "µJ, est.", ""), [
            (row["board"], name, number(found["cycles"]), number(found["cpu_cycles"]),
             number(found["latency_ms"], ".3f"), number(found["energy_uj"], ".2f"),
             found.get("error") or ("streams: not in this SoC" if found["streams"] else ""))
            for row, name, found in networks], left=(6,))
    for row in rows:
        if row.get("error"):
            display.line(f"{row['preset']} on {row['board']}: {row['error']}")


def share_bar(share: float, width: int = 10) -> str:
    """A bar of at most ``width`` characters, in steps of an eighth.

    >>> share_bar(0.5, 4), share_bar(0.33, 4)
    ('██  ', '█▍  ')
    """
    eighths = round(8 * width * max(0.0, min(1.0, share)))
    part = " ▏▎▍▌▋▊▉"[eighths % 8].strip()
    return ("█" * (eighths // 8) + part).ljust(width)


def _cell(value: Any) -> str:
    return ", ".join(map(_cell, value)) if isinstance(value, list) else (
        number(value) if isinstance(value, int | float) else str(value))
