"""Command lines that cannot be: options, values and names that are mistyped."""

import re
from collections.abc import Iterator
from pathlib import Path

from bad_input import Case, typed
from bad_places import odd_places

INVISIBLE = {
    "a bell": "{}\x07",
    "a colour": "\x1b[31m{}",
    "a newline": "{}\nerror: no",
    "a carriage return": "{}\rfine",
    "a line separator": "{}\u2028x",
    "a blank of no width": "{}\u200b",
    "text from right to left": "\u202e{}",
    "a byte that is no UTF-8": "{}\udcff",
}
NUMBERS = {
    "nothing": "",
    "a blank": " ",
    "a word": "three",
    "a fraction": "2.5",
    "an exponent": "1e3",
    "hexadecimal": "0x10",
    "nan": "nan",
    "inf": "inf",
    "zero": "0",
    "negative": "-3",
    "negative without end": "-inf",
    "a minus alone": "-",
    "a typographic minus": "\u22123",
    "a superscript": "\u00b2",
    "a thousand with a comma": "1,000",
    "two numbers": "3 4",
    "a product": "2*5",
    "of the shell": "$(nproc)",
    "a truth": "True",
    "None": "None",
    "one more than there are ports": "65536",
    "larger than any machine": "9" * 30,
    "thousands of digits": "9" * 5000,
    "thousands of letters": "3" + "x" * 5000,
    **{f"with {name}": form.format(3) for name, form in INVISIBLE.items() if name != "a carriage return"},
}
NO_NUMBER = "(invalid int value|expected one argument|at least one|at most|must be from 1 to 65535|not be negative)"
FREE = {  # what may be so small or so large
    "zero": ("--seed",),
    "one more than there are ports": ("--seed", "--sample"),
    "larger than any machine": ("--seed", "--sample"),
}
PAIRS = {
    "nothing": "",
    "a blank": " ",
    "a name alone": "{name}",
    "a sign alone": "=",
    "no value": "{name}=",
    "no name": "={value}",
    "two signs": "{name}=={value}",
    "a colon": "{name}:{value}",
    "an unknown name": "nonesuch={value}",
    "an unknown value": "{name}=nonesuch",
    "a comma behind": "{name}={value},",
    "a comma before": "{name}=,{value}",
    "commas alone": "{name}=,,",
    "a semicolon": "{name}={value};{value}",
    "a blank before the sign": "{name} ={value}",
    "a blank in the value": "{name}={value} {value}",
    "quotes": "{name}='{value}'",
    "brackets": "{name}=({value},)",
    "capitals": "{NAME}={value}",
    "a Cyrillic letter": "{name}={value}\u0430",
    "a glob": "{name}=*",
    "a range": "{name}=1-2",
    "of the shell": "{name}=$(reboot); rm -rf ~",
    "a path": "{name}=../../{value}",
    "hexadecimal": "{name}=0x1",
    "nan": "{name}=nan",
    "negative": "{name}=-1",
    "None": "{name}=None",
    "a percent sign": "{name}=%s%n",
    "braces": "{{}}={{0}}",
    "a long name": "{long}=1",
    "a long value": "{name}={long}",
    "thousands of values": "{name}={many}",
    "markup": "<script>alert(1)</script>={value}",
    **{f"with {name}": f"{{name}}={form.format('{value}')}" for name, form in INVISIBLE.items()},
}
PAIR_OPTIONS = {"--only": ("depth", "1"), "--universes": ("init", "he"), "--set": ("epochs", "2")}
TWICE = {
    "--only": ("depth=1", "depth=2"),
    "--universes": ("init=he", "init=default"),
    "--set": ("epochs=2", "epochs=2"),
}
SETTINGS = {  # by field: values that it cannot have
    **dict.fromkeys(("width", "batch_size"), ("0", "1.5", "1e2", "inf", "9" * 20, "9" * 400)),
    "epochs": ("-1", "1.5", "1e2", "inf", "9" * 20, "9" * 400),
    **dict.fromkeys(("num_train", "steps", "evaluate_every"), ("-1", "2.0", "x", "9" * 400)),
    **dict.fromkeys(("lr", "momentum", "weight_decay", "init_std"), ("-1", "nan", "inf", "1e999", "0x1p3", "x")),
    **dict.fromkeys(("output_bias", "input_scale", "target_accuracy"), ("-0.1", "-inf", "NaN", "1,5", "2" * 400)),
    **dict.fromkeys(("dataset", "network", "head", "pixels", "output", "loss", "optimizer"), ("x", "None", "MNIST ")),
    **dict.fromkeys(("probe_epochs", "measures", "seed", "name", "__class__"), ("0", "()")),
    **dict.fromkeys(("activation", "depth"), ("relu", "1")),
    "output": ("x", "raw"),
    "head": ("x", "pooled"),
}
ADDRESSES = {
    "nothing": "",
    "a blank": " ",
    "a word": "cluster",
    "a host alone": "node7",
    "no scheme": "node7:8786",
    "no port": "tcp://node7",
    "no port behind the colon": "tcp://node7:",
    "no host": "tcp://:8786",
    "port 0": "tcp://node7:0",
    "a port that there is not": "tcp://node7:65536",
    "a port with a sign": "tcp://node7:-1",
    "a port of a word": "tcp://node7:dask",
    "a port in superscript": "tcp://node7:8\u00b2",
    "a scheme that is not Dask's": "http://node7:8786",
    "two addresses": "tcp://a:1,tcp://b:1",
    "a path": "tcp://node7:8786/status",
    "a user": "tcp://me@node7:8786",
    "IPv6 without brackets": "tcp://::1:8786",
    "a Cyrillic letter": "tcp://n\u043ede7:8786",
    "of the shell": "tcp://$(hostname):8786",
    "no number here": "local",
    "none here": "local:0",
    "fewer than none": "local:-2",
    "half a worker": "local:1.5",
    "more than any machine has": "local:1000",
    "markup": "<script>alert(1)</script>",
    "long": "tcp://" + "x" * 5000,
    **{f"with {name}": form.format("tcp://node7:8786") for name, form in INVISIBLE.items()},
}
NAMES = {
    "nothing": "",
    "a blank": " ",
    "unknown": "nonesuch",
    "a near miss": "activation_dept",
    "capitals": "Activation_Depth",
    "a Cyrillic letter": "a\u0441tivation_depth",
    "two with a comma": "activation_depth,width_sine",
    "a dot": ".",
    "above": "../../etc/passwd",
    "a device": "/dev/null",
    "a glob": "*",
    "an address": "https://example.org/study.py",
    "markup": "<script>alert(1)</script>",
    "of the shell": "$(reboot)",
    "a percent sign": "%s%n",
    "braces": "{0}",
    "long": "x" * 300,
    "very long": "x" * 5000,
    "a folder": "store",
    "a folder with a slash": "store/",
    "no file": "nowhere.py",
    "a folder called like a file": "folder.py",
    "a link to nothing": "dangling.py",
    "a link to itself": "loop.py",
    "a pipe": "pipe.py",
    "a socket": "socket.py",
    "a file with a slash": "toy.py/",
    "a file in capitals": "TOY.PY",
    "compiled": "toy.pyc",
    "a file with a long name": "x" * 300 + ".py",
    "nothing but the ending": ".py",
    "no text at all": "data.py",
    **{f"with {name}": form.format("width_sine") for name, form in INVISIBLE.items()},
}
OPTIONS = {
    "study": ("--plan", "--tier", "--seeds", "--only", "--universes", "--set", "--redo", "--workers", "--store",
              "--reports", "--publish", "--cluster", "--any-cpu"),
    "report": ("--check", "--freeze", "--reports"),
    "ui": ("--store", "--port"),
    "reproduce": ("--sample", "--seed", "--workers", "--store", "--cluster", "--any-cpu"),
}  # fmt: skip
FLAGS = ("--plan", "--redo", "--check", "--publish", "--freeze", "--any-cpu")
MISTYPED = {
    "study": ("--plann", "--sedes 3", "--seed 3", "--red", "--worker=2x", "-seeds 3", "\u2014seeds 3", "--Seeds 3",
              "--seeds:3", "-n 3", "--no-plan", "---plan", "--tie full", "toy.py", "width_sine", "\u2013\u2013plan",
              "--plan --plan=1"),
    "report": ("--chek", "-check", "\u2014check", "--all", "-o out", "--no-check", "--CHECK"),
    "reproduce": ("--sampel 3", "--smaple=3", "-n 3", "\u2014sample 3", "--sample 1 --seeds", "toy", "--seed 1"),
    "ui": ("--prot 5001", "-p 5001", "--port=5001:5001", "--host 0.0.0.0", "\u2014port=1", "toy toy.py", "--PORT 1"),
}  # fmt: skip
LINES = {  # what is typed after `study` -> what it says
    "activation_dept": "no study 'activation_dept'; did you mean 'activation_depth'",
    "nothing_like_it": "no study 'nothing_like_it'; there are activation_depth, ",
    "nowhere/toy.py": "nowhere/toy.py: no such study file",
    "toy.py --tuer small": "unrecognized arguments: --tuer small; see --help",
    "toy.py --only activation=rleu": "no level 'rleu'; did you mean 'relu'",
    "toy.py --only activaton=relu": "no factor 'activaton'; there are activation, depth",
    "toy.py --universes init=hee": "--universes init=hee: no level 'hee'; did you mean 'he'",
    "toy.py --universes int=he": "--universes int=he: no choice 'int'; did you mean 'init'",
    "toy.py --universes init": "--universes init: must be reference, all or written CHOICE=LEVEL",
    "toy.py --universes init=he --universes init=default": "--universes init=default: init is given twice",
    "toy.py --set epochs": "--set epochs: must be written NAME=VALUE",
    "toy.py --set epoch=2": "--set epoch=2: no such field; there are dataset, depth, .*epochs",
    "toy.py --plan --redo": "--plan and --redo contradict each other",
    "toy.py --plan --publish": "--plan and --publish contradict each other",
    "toy.py --publish": "--publish writes to reports/, not to --reports reports: leave one of them out",
    "toy.py --plan --cluster tcp://a:8786": "--plan and --cluster contradict each other",
    "toy.py --workers 2 --cluster tcp://a:8786": "--workers and --cluster contradict each other",
    "toy.py --any-cpu": "--any-cpu: goes with --cluster",
    "--cluster local:2": "--cluster: needs the NAME of a study",
    "toy.py --universes all --universes reference": "--universes all: cannot go with another",
    "toy.py --universes reference --universes init=he": "--universes reference: cannot go with another",
    "toy.py --universes all --universes all": "--universes all: cannot go with another",
    "toy.py --tier huge": "toy: no tier 'huge'; it has full, small",
    "toy.py --tier Full": "toy: no tier 'Full'",
    "toy.py --tier full,small": "toy: no tier 'full,small'",
    "toy.py --tier=": "toy: no tier ''",
    "toy.py --tier small --only depth=2": "tier 'small' has no cell with depth=2",
    "toy.py --only activation=identity --only depth=2": "has no cell with activation=identity and depth=2",
    "toy.py --only rate=tenth": "no factor 'rate'; choose it with --universes",
    "toy.py --only trial=1": "no factor 'trial'; there are activation, depth",
    "toy.py --universes activation=relu": "no choice 'activation'",
    "toy.py --set rate=tenth": "no such field",
    "toy.py --set steps=10 --set evaluate_every=3": "steps=10 must be a multiple of evaluate_every=3",
    "toy.py --set optimizer=adam --set momentum=0.9": "momentum=0.9 goes with optimizer='sgd'",
    "toy.py --set dataset=sine --set loss=mse": "dataset='sine' with loss='mse' needs output='raw'",
    "toy.py --set steps=5": "steps=5 and evaluate_every=0 go together",
    "toy.py --set input_scale=0": "input_scale=0 leaves nothing",
    "toy.py --set target_accuracy=2": "target_accuracy=2.0 must be at most 1",
    "width_sine --set epochs=2": "has no effect on width_sine",
    "pixel_shuffle --set network=cnn": "--set network: is a factor of pixel_shuffle",
    "--plan": "--plan",
    "--redo": "--redo",
    "--publish": "--publish",
    "--seeds 3": "--seeds",
    "--only depth=1": "--only",
    "--set lr=1": "--set",
    "--universes all": "--universes",
    "--tier small": "--tier",
    "--workers 0": "--workers 0: at least one worker is needed",
}


def cases() -> Iterator[Case]:
    yield from wrong_numbers()
    yield from wrong_pairs()
    yield from wrong_settings()
    yield from wrong_addresses()
    yield from wrong_names()
    yield from wrong_options()


def wrong_numbers() -> Iterator[Case]:
    for command, *subject, option in (
        ("study", "toy.py", "--seeds"),
        ("study", "toy.py", "--workers"),
        ("ui", "--port"),
        ("reproduce", "toy", "--sample"),
        ("reproduce", "toy", "--sample", "1", "--seed"),
        ("reproduce", "toy", "--sample", "1", "--workers"),
    ):
        for name, value in NUMBERS.items():
            if option not in FREE.get(name, ()):
                what = f"{command} {option} {name}"
                yield Case("a number", what, typed(command, *subject, option, value), f"{option}.*{NO_NUMBER}")
            if name in ("a fraction", "negative without end"):
                what = f"{command} {option}={name}"
                yield Case("a number", what, typed(command, *subject, f"{option}={value}"), f"{option}.*{NO_NUMBER}")


def wrong_pairs() -> Iterator[Case]:
    long, many = "x" * 5000, ",".join(map(str, range(3000)))
    for option, (name, value) in PAIR_OPTIONS.items():
        for how, form in PAIRS.items():
            if form != "{{}}={{0}}" or option:
                text = form.format(name=name, NAME=name.upper(), value=value, long=long, many=many)
                yield Case("a pair", f"{option} {how}", typed("study", "toy.py", option, text), f"{option}|{name}=")
        words = [part for text in TWICE[option] for part in (option, text)]
        yield Case("a pair", f"{option} twice", typed("study", "toy.py", *words), f"{option} .*is given twice")


def wrong_settings() -> Iterator[Case]:
    for name, values in SETTINGS.items():
        for value in values:
            text = f"{name}={value}"
            what = text if len(text) < 40 else f"{text[:30]}... of {len(text)}"
            yield Case("a setting", what, typed("study", "toy.py", "--set", text), name)


def wrong_addresses() -> Iterator[Case]:
    for name, value in ADDRESSES.items():
        yield Case("an address", name, typed("study", "toy.py", "--cluster", value), "--cluster.*tcp://HOST:PORT")


def wrong_names() -> Iterator[Case]:
    for command in ("study", "report", "ui", "reproduce"):
        for name, value in NAMES.items():
            says = re.escape(value[:20]) if value.isprintable() else "width_sine"
            says = says if command != "ui" else re.escape(Path(value).stem[:20]) if value.isprintable() else says
            says = says if command != "reproduce" else re.escape(value[:20]) if value.isprintable() else says
            more = ("--plan",) if command == "study" else ()
            yield Case("a name", f"{command} {name}", typed(command, value, *more), says, odd_places)


def wrong_options() -> Iterator[Case]:
    for command, options in OPTIONS.items():
        subject = {"study": ("toy.py",), "reproduce": ("toy",)}.get(command, ())
        for option in options:
            flag = option in FLAGS
            words = (command, *subject, f"{option}=yes") if flag else (command, *subject, option)
            yield Case("an option", f"{command} {words[-1]}", words, option)
        for mistyped in MISTYPED[command]:
            words = typed(command, *subject, *mistyped.split())
            says = "|".join(re.escape(word.split("=")[0]) for word in mistyped.split())
            yield Case("an option", f"{command} {mistyped}", words, says)
        for other in sorted({option for others in OPTIONS.values() for option in others} - set(options)):
            words = typed(command, *subject, other, *(() if other in FLAGS else ("3",)))
            yield Case("an option of another command", f"{command} {other}", words, f"{other}.*see --help")
    for text, says in LINES.items():
        yield Case("a command line", text, typed("study", *text.split()), says)
