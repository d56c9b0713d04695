// What llama.cpp's tokenizer makes of the strings that tokenizer_families.py wrote, for the GGUF file of Gemma 3.
//
//   node tools/oracle/tokenizer_llama_cpp.mjs --peers FOLDER
//
// FOLDER is what bench/peers/install.sh filled (node-llama-cpp 3.22.1). Reads and writes ~/.cache/mica-oracle/tokenizer;
// the fixture of the cut-down file goes to tokenizer/testdata/gemma3-gguf.jsonl.gz. Strings with U+0000 are left out:
// llama.cpp's text ends there.
import {parseArgs} from "node:util";
import {readFileSync, writeFileSync} from "node:fs";
import {homedir} from "node:os";
import {join} from "node:path";
import {pathToFileURL} from "node:url";
import {gunzipSync, gzipSync} from "node:zlib";

const {values: args} = parseArgs({options: {peers: {type: "string", default: process.env.MICA_PEERS ?? "."}}});
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(join(args.peers, "node_modules/node-llama-cpp/dist/index.js")).href);
const cache = join(homedir(), ".cache/mica-oracle/tokenizer");
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error});

const lines = (path) => gunzipSync(readFileSync(path)).toString().split("\n").filter((l) => l !== "");

async function write(file, strings, out, first) {
    const model = await llama.loadModel({modelPath: file, vocabOnly: true});
    const rows = first;
    for (const s of strings) {
        if (s.includes("\0")) continue;
        const i = Array.from(model.tokenize(s, false)), p = Array.from(model.tokenize(s, true));
        rows.push(JSON.stringify(i.join() === p.join() ? {s, i} : {s, i, p}));
    }
    writeFileSync(out, gzipSync(rows.join("\n") + "\n", {level: 9}));
    console.error(`${out}: ${rows.length} rows`);
    await model.dispose();
}

const texts = (path, skip) => lines(path).slice(skip).map((l) => JSON.parse(l).s);
await write(join(cache, "gemma3.gguf"), texts(join(cache, "gemma3/reference.jsonl.gz"), 0), join(cache, "gemma3/llama_cpp.jsonl.gz"), []);
await write(join(cache, "cut/gemma3.gguf"), texts("tokenizer/testdata/gemma3.jsonl.gz", 1),
    "tokenizer/testdata/gemma3-gguf.jsonl.gz", [readFileSync(join(cache, "cut/gemma3.json")).toString()]);
