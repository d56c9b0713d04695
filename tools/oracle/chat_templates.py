#!/usr/bin/env python3
"""Render chat templates with Python's Jinja2, as Hugging Face transformers sets it up, into fixtures for package chat.

    python3 -m venv venv && venv/bin/pip install jinja2==3.1.6
    venv/bin/python tools/oracle/chat_templates.py chat/testdata
    venv/bin/python tools/oracle/chat_templates.py --smollm2 template.txt chat/testdata   # the model's template, from its GGUF
    venv/bin/python tools/oracle/chat_templates.py --folder DIR OUT.json                  # every *.jinja in DIR

Each fixture is {"jinja2": version, "now": ..., "templates": {name: source}, "inputs": {name: input}, "cases":
[{"template": name, "input": name, "want": text} or {..., "error": kind of exception, "raised": its message}]}.
The environment is that of transformers.utils.chat_template_utils._compile_jinja_template.
"""
import argparse, copy, datetime, glob, json, os, sys
import jinja2, jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from chat_cases import DATA, FEATURES, FAMILIES, CONVERSATIONS, SMOLLM2_CONVERSATIONS

NOW = datetime.datetime(2025, 3, 7, 9, 5, 2)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_support"), [], [], body).set_lineno(line)

    def _support(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda f: NOW.strftime(f)
    return env


def render(template, inp):
    args = {"tools": None, "documents": None, "bos_token": inp.get("bos", ""), "eos_token": inp.get("eos", "")}
    inp = copy.deepcopy(inp)  # Python can be made to change it
    args.update(inp.get("vars", {}))
    # transformers drops the keys without a value (PreTrainedTokenizerBase.apply_chat_template).
    messages = [{k: v for k, v in m.items() if v is not None} for m in inp.get("messages", [])]
    return environment().from_string(template).render(
        messages=messages, add_generation_prompt=inp.get("add_generation_prompt", False), **args)


def write(path, templates, inputs, pairs):
    """pairs are (template name, input name, tokens): what is rendered with what."""
    cases = []
    for t, i, tokens in pairs:
        c = {"template": t, "input": i}
        if tokens:
            c["tokens"] = tokens
        try:
            c["want"] = render(templates[t], dict(inputs[i], **tokens))
        except Exception as e:  # whatever Python raises is what is wanted
            c["error"] = type(e).__name__
            if type(e) is jinja2.exceptions.TemplateError:
                c["raised"] = str(e)
        cases.append(c)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"jinja2": jinja2.__version__, "now": NOW.isoformat(), "templates": templates, "inputs": inputs,
                   "cases": cases}, f, ensure_ascii=False, indent=0)
        f.write("\n")
    bad = sum("error" in c for c in cases)
    print(f"{path}: {len(cases)} cases, {bad} of them errors", file=sys.stderr)


def write_all(path, templates, tokens, inputs):
    write(path, templates, inputs, [(t, i, tokens.get(t, {})) for t in templates for i in inputs])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--smollm2")
    p.add_argument("--folder")
    p.add_argument("out")
    a = p.parse_args()
    conversations = dict(CONVERSATIONS)
    if a.folder:
        files = {os.path.basename(f): open(f, encoding="utf-8").read() for f in sorted(glob.glob(a.folder + "/*.jinja"))}
        write_all(a.out, files, {f: {"bos": "<s>", "eos": "</s>"} for f in files}, conversations)
        return
    if a.smollm2:
        t = open(a.smollm2, encoding="utf-8").read()
        write_all(a.out + "/smollm2.json", {"smollm2": t}, {}, dict(SMOLLM2_CONVERSATIONS))
    features = {n: t for n, t, _ in FEATURES}
    write(a.out + "/features.json", features, {"data": DATA}, [(n, "data", {}) for n in features])
    write_all(a.out + "/families.json", {n: t for n, t, _ in FAMILIES}, {n: tok for n, _, tok in FAMILIES}, conversations)


if __name__ == "__main__":
    main()
