#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""The front end of the configuration: checks, repairs and writes the .config, makes the generated headers.

Run from the top of the source tree:  kc.py COMMAND CONFIG [ARGUMENT]
The Makefile is its only caller; `make help` lists the targets.
"""
import contextlib
import glob
import hashlib
import os
import random
import re
import signal
import sys

try:
    import kconfiglib
    from kconfiglib import BOOL, HEX, INT, STRING, expr_str
except ImportError:
    sys.exit(f"{sys.executable} has no kconfiglib: install python3-kconfiglib, or set PYTHON=")

HEADER = "# Satchel configuration; made by make, repaired by `make olddefconfig`\n"
ASSIGN = re.compile(r"CONFIG_([A-Za-z0-9_]+)=(.*)")
UNSET = re.compile(r"# CONFIG_([A-Za-z0-9_]+) is not set")


def fail(text):
    sys.exit(text)


def is_absent_feature(warning):
    """A feature depends on another whose folder was deleted: it cannot be chosen, and nothing is wrong."""
    places = re.findall(r"(?m)^- Referenced at (\S+):\d+:$", warning)
    return bool(re.match(r"warning: undefined symbol \w+:", warning) and places
                and all(place.startswith("features/") for place in places))


def load_kconfig():
    """Parse the Kconfig files. A warning there is an error: it is a mistake in the tree."""
    os.environ["CONFIG_"] = "CONFIG_"
    os.environ["KCONFIG_WARN_UNDEF"] = "y"
    kconf = kconfiglib.Kconfig("Kconfig", warn_to_stderr=False, suppress_traceback=True)
    mistakes = [warning for warning in kconf.warnings if not is_absent_feature(warning)]
    if mistakes:
        fail("\n".join(mistakes))
    kconf.config_header = HEADER
    return kconf


def unquote(text):
    match = re.fullmatch(r'"((?:[^\\"]|\\.)*)"', text)
    return None if not match else re.sub(r"\\(.)", r"\1", match.group(1))


def assignments(path):
    """Yield (line number, name, value) for each line that sets something; name is None for a line
    that is neither an assignment nor a comment."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\r\n")
            match = ASSIGN.fullmatch(line)
            unset = UNSET.fullmatch(line)
            if match:
                yield number, match.group(1), match.group(2)
            elif unset:
                yield number, unset.group(1), "n"
            elif line.strip() and not line.startswith("#"):
                yield number, None, line


def active_range(sym):
    for low, high, cond in sym.ranges:
        if kconfiglib.expr_value(cond):
            return low.str_value, high.str_value
    return None


def wrong_type(sym, value):
    """What is wrong with the form of this value, or None."""
    if sym.type == BOOL and value not in ("y", "n"):
        return f"is a bool and takes y or n, not {value}"
    if sym.type == INT and not re.fullmatch(r"-?(0|[1-9][0-9]*)", value):
        return f"is a number, not {value}"
    if sym.type == HEX and not re.fullmatch(r"0[xX][0-9a-fA-F]+", value):
        return f"is a hexadecimal number, not {value}"
    if sym.type == STRING and unquote(value) is None:
        return f"is a string and needs double quotes, not {value}"
    return None


def wrong_value(sym, value):
    """Why the symbol did not take a well-formed value, or None when it took it."""
    wanted = unquote(value) if sym.type == STRING else value
    result = sym.str_value
    if result == wanted or (sym.type in (INT, HEX) and sym.visibility and
                            result and int(result, 0) == int(wanted, 0)):
        return None
    if sym.type == BOOL and wanted == "n" and result == "y":
        if kconfiglib.expr_value(sym.rev_dep):
            return f"cannot be n: selected by {expr_str(sym.rev_dep)}"
        if sym.choice:
            return "cannot be n: it is the chosen one of its group"
        return "cannot be n"
    if wanted == "n" and not result:
        return None
    if not kconfiglib.expr_value(sym.direct_dep):
        return f"={value} needs {expr_str(sym.direct_dep)}"
    if not sym.visibility:
        prompts = [node.prompt[1] for node in sym.nodes if node.prompt]
        return f"={value} needs {expr_str(prompts[0])}" if prompts else "cannot be set: it is derived"
    limits = active_range(sym) if sym.type in (INT, HEX) else None
    if limits:
        return f"={value} is out of range: {limits[0]} to {limits[1]}"
    if sym.choice:
        return f"={value}: another of its group is chosen"
    return f"={value} was not accepted; the result is {result or 'none'}"


def load_values(kconf, path):
    """Set the values of a .config, quietly; returns the list of complaints (line, text)."""
    complaints, given = [], {}
    for number, name, value in assignments(path):
        sym = kconf.syms.get(name) if name else None
        if name is None:
            complaints.append((number, f"this is no assignment: {value}"))
        elif sym is None or not sym.nodes:
            complaints.append((number, f"unknown symbol CONFIG_{name}"))
        elif wrong_type(sym, value):
            complaints.append((number, f"CONFIG_{name} {wrong_type(sym, value)}"))
        else:
            if name in given:
                complaints.append((number, f"CONFIG_{name} was already set in line {given[name][0]}"))
            given[name] = (number, value)
    kconf.warn = False
    for name, (number, value) in given.items():
        sym = kconf.syms[name]
        sym.set_value(unquote(value) if sym.type == STRING else value)
    for name, (number, value) in given.items():
        reason = wrong_value(kconf.syms[name], value)
        if reason:
            joint = "" if reason.startswith("=") else " "
            complaints.append((number, f"CONFIG_{name}{joint}{reason}"))
    return sorted(complaints)


def load_strictly(kconf, path):
    complaints = load_values(kconf, path)
    if complaints:
        fail("\n".join(f"{path}:{number}: {text}" for number, text in complaints) +
             f"\n{path}: not accepted; `make olddefconfig` repairs it and lists what it changed")


def write_if_changed(path, text):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as file:
        if file.read() == text:
            return
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def full_text(kconf):
    return kconf._config_contents(HEADER)


def write_config(kconf, path, note=True):
    if os.path.exists(path):
        with open(path, "rb") as file:
            old = file.read()
        if old != full_text(kconf).encode():
            with open(path + ".old", "wb") as file:
                file.write(old)
    write_if_changed(path, full_text(kconf))
    os.utime(path)
    if note:
        print(f"  CONFIG  {path}")


# Presets: a few lines over a base. `#base allnoconfig` or `#base allyesconfig` may stand in the
# first line, so that a preset need not name the features it does or does not take. `#budget N` says how
# many kilobytes the program may have, as long as nobody changes the configuration.

def set_all_bools(kconf, value):
    """Give every bool one value; `option allnoconfig_y` marks what allnoconfig keeps."""
    kconf.warn = False
    for sym in kconf.unique_defined_syms:
        if sym.type == BOOL and not sym.choice:
            sym.set_value("y" if sym.is_allnoconfig_y else value)


def base_of(path):
    with open(path, encoding="utf-8") as file:
        match = re.match(r"#base (\w+)", file.readline())
    return match.group(1) if match else "alldefconfig"


def apply_base(kconf, base):
    if base == "allnoconfig":
        set_all_bools(kconf, "n")
    elif base == "allyesconfig":
        set_all_bools(kconf, "y")
    elif base != "alldefconfig":
        fail(f"unknown base {base}")


def preset_files():
    found = {}
    for path in sorted(glob.glob("kconfig/presets/*_defconfig")):
        found[os.path.basename(path)[:-len("_defconfig")]] = path
    for path in sorted(glob.glob("board/*/defconfig")):
        found[os.path.basename(os.path.dirname(path))] = path
    return found


def cmd_list_defconfigs(_config, _arg):
    for name, path in preset_files().items():
        with open(path, encoding="utf-8") as file:
            notes = [line[2:].strip() for line in file if line.startswith("# ")
                     and not UNSET.match(line.strip())]
        print(f"  {name + '_defconfig':<28} {notes[0] if notes else ''}")


def load_preset(kconf, name):
    path = preset_files().get(name)
    if not path:
        fail(f"no preset named {name}_defconfig; make list-defconfigs lists them")
    apply_base(kconf, base_of(path))
    load_strictly(kconf, path)


def preset_budget(name):
    with open(preset_files()[name], encoding="utf-8") as file:
        match = re.search(r"(?m)^#budget ([1-9]\d*)$", file.read())
    return match.group(1) if match else ""


def note_budget(config, name):
    """Beside the .config: its hash and what it may weigh."""
    write_if_changed(config + ".budget", f"{file_hash(config)} {preset_budget(name)}\n")


def budget_of(config):
    """Kilobytes that the preset allows; empty: none, or it is no longer the preset."""
    try:
        with open(config + ".budget", encoding="utf-8") as file:
            digest, budget = file.read().rstrip("\n").split(" ")
    except (OSError, ValueError):
        return ""
    return budget if digest == file_hash(config) else ""


def cmd_defconfig(config, name):
    kconf, name = load_kconfig(), name or "default"
    load_preset(kconf, name)
    write_config(kconf, config)
    note_budget(config, name)


def cmd_allconfig(config, base):
    """allnoconfig and allyesconfig; KCONFIG_ALLCONFIG names a file whose lines go on top."""
    kconf = load_kconfig()
    apply_base(kconf, base)
    if os.environ.get("KCONFIG_ALLCONFIG"):
        load_strictly(kconf, os.environ["KCONFIG_ALLCONFIG"])
    write_config(kconf, config)


def cmd_randconfig(config, seed):
    seed = seed or str(random.SystemRandom().randrange(1 << 32))
    dice = random.Random(seed)
    kconf = load_kconfig()
    kconf.warn = False
    print(f"  randconfig seed {seed}: make randconfig SEED={seed} makes the same one again")
    for sym in sorted(kconf.unique_defined_syms, key=lambda s: s.name):
        if sym.type == BOOL and not sym.choice:
            sym.set_value(dice.choice("ny"))
        elif sym.type == INT and sym.ranges and dice.random() < 0.3:
            low, high = (int(end) for end in active_range(sym) or (0, 0))
            if high:
                sym.set_value(str(dice.choice([low, high, dice.randint(low, high)])))
    for choice in sorted(kconf.unique_choices, key=lambda c: c.syms[0].name):
        dice.choice(choice.syms).set_value("y")
    if os.environ.get("KCONFIG_ALLCONFIG"):
        load_strictly(kconf, os.environ["KCONFIG_ALLCONFIG"])
    write_config(kconf, config)


def snapshot(path):
    values = {}
    if os.path.exists(path):
        for _number, name, value in assignments(path):
            if name:
                values[name] = value
    return values


def tell_changes(before, path):
    after = snapshot(path)
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old != new:
            print(f"  CONFIG_{name}: {old if old is not None else '(new)'} -> "
                  f"{new if new is not None else '(gone)'}")


def start_from(kconf, config):
    if os.path.exists(config):
        load_values(kconf, config)
    else:
        load_preset(kconf, "default")


def cmd_olddefconfig(config, _arg):
    kconf, before = load_kconfig(), snapshot(config)
    start_from(kconf, config)
    write_config(kconf, config)
    tell_changes(before, config)


def cmd_oldconfig(config, _arg):
    import oldconfig
    kconf, before = load_kconfig(), snapshot(config)
    start_from(kconf, config)
    old = sys.modules["oldconfig"]
    old.conf_changed = True
    while old.conf_changed:
        old.conf_changed = False
        for node in kconf.node_iter():
            old.oldconfig(node)
    write_config(kconf, config)
    tell_changes(before, config)


def cmd_menuconfig(config, _arg):
    import menuconfig
    import prices
    # Whoever started make may have ignored it, and the menu would ask a terminal that is gone for ever.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    kconf, before = load_kconfig(), snapshot(config)
    start_from(kconf, config)
    write_config(kconf, config, note=False)
    os.environ["KCONFIG_CONFIG"] = config
    os.environ.setdefault("MENUCONFIG_STYLE", "aquatic")
    kconf = load_kconfig()
    prices.put_in_menu(kconf)
    menuconfig.menuconfig(kconf)
    tell_changes(before, config)


def cmd_savedefconfig(config, out):
    kconf = load_kconfig()
    load_strictly(kconf, config)
    kconf.write_min_config(out or "defconfig", header="# Saved by make savedefconfig\n")
    print(f"  CONFIG  {out or 'defconfig'}")


def cmd_listnewconfig(config, _arg):
    kconf = load_kconfig()
    known = snapshot(config)
    kconf.warn = False
    start_from(kconf, config)
    for sym in kconf.unique_defined_syms:
        if sym.name not in known and sym.visibility:
            value = sym.str_value
            print(f"CONFIG_{sym.name}=" + (f'"{value}"' if sym.type == STRING else value))


def feature_folders(kconf):
    """(name, folder) of every folder features/<area>/<name>/ that has a Kconfig, sorted by name."""
    found = []
    for path in glob.glob("features/*/*/Kconfig"):
        folder = os.path.dirname(path)
        name = os.path.basename(folder)
        sym = kconf.syms.get(name.upper())
        if sym is None or not sym.nodes or sym.type != BOOL:
            fail(f"{path}: must define a bool named {name.upper()}, after its folder")
        found.append((name, folder))
    names = [name for name, _folder in found]
    for name in names:
        if names.count(name) > 1:
            fail(f"two features are named {name}")
    return sorted(found)


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def config_h(kconf):
    lines = []
    for sym in sorted(kconf.unique_defined_syms, key=lambda s: s.name):
        value = sym.str_value
        if sym.type == BOOL:
            lines.append(f"#define ENABLE_{sym.name} {int(value == 'y')}")
            if value == "y":
                lines.append(f"#define CONFIG_{sym.name} 1")
        elif sym.type == STRING:
            lines.append(f"#define CONFIG_{sym.name} {c_string(value)}")
        elif value:
            lines.append(f"#define CONFIG_{sym.name} {value}")
    return ("/* Made from .config; CONFIG_X is a value, ENABLE_X is 0 or 1 for every bool. */\n"
            "#ifndef SATCHEL_CONFIG_H\n#define SATCHEL_CONFIG_H\n" + "\n".join(lines) + "\n#endif\n")


def write_symbols(kconf, folder):
    """One small file for each symbol, its value in it: objects depend on those they mention."""
    os.makedirs(folder, exist_ok=True)
    values = {sym.name: f"{sym.str_value}\n" for sym in kconf.unique_defined_syms}
    for name in set(os.listdir(folder)) - values.keys():
        os.unlink(os.path.join(folder, name))
    for name, value in values.items():
        write_if_changed(os.path.join(folder, name), value)


def config_mk(kconf, chosen, budget):
    lines = [f"CONFIG_{sym.name} := {sym.str_value}"
             for sym in sorted(kconf.unique_defined_syms, key=lambda s: s.name)
             if sym.type != STRING and sym.str_value not in ("", "n")]
    folders = " ".join(folder for _name, folder in chosen)
    return "\n".join(lines) + f"\nFEATURE_DIRS := {folders}\nBUDGET_KB := {budget}\n"


def cmd_generate(config, out):
    """Every generated file, each written only when it changed; config.mk last, make waits for it."""
    follow_default(config, out)
    kconf = load_kconfig()
    load_strictly(kconf, config)
    folders = feature_folders(kconf)
    chosen = [(name, folder) for name, folder in folders if kconf.syms[name.upper()].str_value == "y"]
    absent = [name for name, folder in folders if (name, folder) not in chosen]
    text = full_text(kconf)
    with open("VERSION", encoding="utf-8") as file:
        version = file.read().strip()
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    write_symbols(kconf, f"{out}/symbols")
    write_if_changed(f"{out}/config.h", config_h(kconf))
    write_if_changed(f"{out}/features.h", "/* Made from .config: one line for each feature in. */\n" +
                     "".join(f"FEATURE({name})\n" for name, _folder in chosen))
    write_if_changed(f"{out}/absent.h", "/* Made from .config: one line for each feature left out: its settings, its\n"
                     " * symbol. */\n" +
                     "".join(f'ABSENT("{name}_*", "CONFIG_{name.upper()}")\n' for name in absent))
    write_if_changed(f"{out}/config_text.h", "static const char config_text[] =\n" +
                     "\n".join("\t" + c_string(line) + '"\\n"' for line in text.splitlines()) + ";\n")
    write_if_changed(f"{out}/version.h", f"#define SATCHEL_VERSION {c_string(version)}\n"
                     f"#define SATCHEL_CONFIG_HASH {c_string(digest)}\n")
    write_if_changed(f"{out}/config.mk", config_mk(kconf, chosen, budget_of(config)))
    with open(f"{out}/stamp", "w", encoding="utf-8"):
        pass


def file_hash(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def cmd_untouched(config, out):
    """make found no .config: write the default one, and remember that nobody chose it."""
    cmd_defconfig(config, "default")
    write_if_changed(f"{out}/untouched", file_hash(config))


def follow_default(config, out):
    """A .config that make wrote by itself and nobody touched follows the tree's default."""
    with contextlib.suppress(FileNotFoundError):
        with open(f"{out}/untouched", encoding="utf-8") as file:
            if file.read() == file_hash(config):
                kconf = load_kconfig()
                load_preset(kconf, "default")
                write_if_changed(config, full_text(kconf))
                write_if_changed(f"{out}/untouched", file_hash(config))
                note_budget(config, "default")


def source_words():
    """Every identifier in the C sources and make files, for the lint."""
    words = set()
    files = [path for top in ("core", "features") for path in
             glob.glob(f"{top}/**/*.[ch]", recursive=True)]
    files += glob.glob("*.mk") + ["Makefile"] + glob.glob("kconfig/*.mk") + glob.glob("tests/*.mk")
    files += glob.glob("deps/*.mk") + glob.glob("deps/*/build.sh") + glob.glob("features/*/*/feature.mk")
    files += glob.glob("board/**/*", recursive=True) + glob.glob("image/**/*", recursive=True)
    for path in files:
        if os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                words.update(re.findall(r"\b(?:CONFIG|ENABLE)_(\w+)", file.read()))
    return words


def cmd_lint(_config, _arg):
    """Symbols nobody uses, symbols nobody defines, symbols without help, badly named features."""
    kconf = load_kconfig()
    words, faults = source_words(), list(kconf.warnings)
    features = feature_folders(kconf)
    prefixes = {name.upper(): folder for name, folder in features}
    defined = {sym.name for sym in kconf.unique_defined_syms}
    for sym in kconf.unique_defined_syms:
        node = sym.nodes[0]
        where = f"{node.filename}:{node.linenr}: {sym.name}"
        family = {s.name for s in sym.choice.syms} if sym.choice else {sym.name}
        if not family & words and sym.name not in prefixes:
            faults.append(f"{where} is used nowhere")
        if node.prompt and not node.help:
            faults.append(f"{where} has no help")
        if sym.type in (INT, HEX) and not sym.ranges:
            faults.append(f"{where} has no range")
        if node.filename.startswith("features/"):
            name = os.path.basename(os.path.dirname(node.filename)).upper()
            if sym.name != name and not sym.name.startswith(name + "_"):
                faults.append(f"{where} must begin with the name of its folder")
    for word in sorted(words - defined - {"X"}):  # comments speak of CONFIG_X
        faults.append(f"CONFIG_{word} or ENABLE_{word} is used in the sources, and no Kconfig defines it")
    if faults:
        fail("\n".join(faults))
    print(f"  LINT    {len(defined)} symbols, {len(features)} features")


def main():
    commands = {name[4:].replace("_", "-"): function for name, function in globals().items()
                if name.startswith("cmd_")}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        fail("usage: kc.py COMMAND CONFIG [ARGUMENT]; commands: " + " ".join(sorted(commands)))
    try:
        commands[sys.argv[1]](sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
    except kconfiglib.KconfigError as error:
        fail(str(error).strip())
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
