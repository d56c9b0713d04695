// Make model/lm/testdata/smollm2_llamacpp.json.gz: what llama.cpp predicts for the prompts of smollm2_logits.json.gz; or the same of
// gemma3, with --logits and --out.
//
//   node tools/oracle/llama_cpp_top.mjs --peers FOLDER --model FILE [--logits IN] [--out OUT] [--float32]
//
// FOLDER is what bench/peers/install.sh filled. For the last positions of each prompt: the best token, the second best and
// how far apart their logits are. At the positions for which the float64 logits are known also llama.cpp's own largest
// and root mean square error, over the ids kept there: the yardstick for `fast` mode, which rounds activations as llama.cpp does.
//
// --float32 writes nothing and checks the float64 reference instead: FILE is gguf_f32.py's copy of the model, the cache is float32.
import {parseArgs} from "node:util";
import {createHash} from "node:crypto";
import {readFileSync, writeFileSync} from "node:fs";
import {basename, join} from "node:path";
import {pathToFileURL} from "node:url";
import {gunzipSync, gzipSync} from "node:zlib";

const LAST = 64; // positions kept a prompt

const {values: args} = parseArgs({options: {
    peers: {type: "string", default: process.env.MICA_PEERS ?? "."},
    model: {type: "string"},
    logits: {type: "string", default: "model/lm/testdata/smollm2_logits.json.gz"},
    out: {type: "string", default: "model/lm/testdata/smollm2_llamacpp.json.gz"},
    float32: {type: "boolean", default: false}
}});
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(join(args.peers, "node_modules/node-llama-cpp/dist/index.js")).href);

// A fixture's array as rows (tools/oracle/encode.py says how it is written).
function rowsOf({shape, ...data}) {
    const bytes = new Uint8Array(Buffer.from(data.f64 ?? data.i32, "base64"));
    const flat = data.f64 ? new Float64Array(bytes.buffer) : new Int32Array(bytes.buffer);
    const width = shape.at(-1);
    return Array.from({length: flat.length / width}, (_, i) => Array.from(flat.subarray(i * width, (i + 1) * width)));
}

const reference = JSON.parse(gunzipSync(readFileSync(args.logits)).toString());
const sha256 = createHash("sha256").update(readFileSync(args.model)).digest("hex");
if (!args.float32 && sha256 !== reference.model.sha256)
    throw new Error(`${args.model} is not the file of ${args.logits}`);
const [fixed] = rowsOf(reference.fixed_ids);

let backend = "";
const llama = await getLlama({
    gpu: false, build: "never", logLevel: LlamaLogLevel.log,
    logger(level, message) { backend = /loaded CPU backend from .*libggml-cpu-(\w+)/.exec(message)?.[1] ?? backend; }
});
const model = await llama.loadModel({modelPath: args.model});
const context = await model.createContext({
    contextSize: 4608, batchSize: 512, threads: {ideal: 1, min: 1},
    ...args.float32 && {flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"}
});
const sequence = context.getSequence();

const begin = model.tokens.shouldPrependBosToken ? [model.tokens.bos] : []; // Gemma wants it, SmolLM2 doesn't

const prompts = [];
let agree = 0, compared = 0, widest = 0;
for (const p of reference.prompts) {
    const [tokens] = rowsOf(p.tokens);
    if (p.text !== null) {
        const own = [...begin, ...model.tokenize(p.text, true)];
        if (own.length !== tokens.length || own.some((t, i) => t !== tokens[i]))
            throw new Error(`${p.name}: llama.cpp's tokens ${own} are not ${tokens}`);
    }
    const topIds = rowsOf(p.top_ids), topLogits = rowsOf(p.top_logits), fixedLogits = rowsOf(p.fixed_logits);
    const known = new Map(p.positions.map((at, i) => [at, new Map([
        ...topIds[i].map((id, j) => [id, topLogits[i][j]]), ...fixed.map((id, j) => [id, fixedLogits[i][j]])])]));
    const first = Math.max(0, tokens.length - LAST);
    const wanted = new Set(known.keys());
    for (let at = first; at < tokens.length; at++) wanted.add(at);

    await sequence.clearHistory();
    const got = await sequence.controlledEvaluate(tokens.map((t, at) => !wanted.has(at) ? t
        : [t, {generateNext: {logits: {filter: {tokens: [...(known.get(at)?.keys() ?? [])], includeTop: 2}}}}]));

    const best = [], errors = [];
    for (const at of [...wanted].sort((a, b) => a - b)) {
        const logits = got[at].next.logits; // best first
        if (at >= first) {
            const [[id1, logit1], [id2, logit2]] = logits;
            best.push([at, id1, id2, logit1, logit1 - logit2]);
        }
        if (!known.has(at)) continue;
        let most = 0, squares = 0;
        for (const [id, exact] of known.get(at)) {
            const error = Math.abs(logits.get(id) - exact);
            most = Math.max(most, error);
            squares += error * error;
        }
        errors.push([at, most, Math.sqrt(squares / known.get(at).size)]);
    }
    best.forEach(([, id], i) => {
        compared++;
        if (p.best[i][1] === id) agree++;
        else widest = Math.max(widest, p.best[i][4]);
    });
    const worst = Math.max(...errors.map((e) => e[1]));
    console.error(`${p.name}: ${best.length} positions, largest logit error ${worst.toExponential(1)}, smallest gap ${Math.min(...best.map((b) => b[4])).toFixed(3)}`);
    prompts.push({name: p.name, best, errors});
}
console.error(`best token as in float64 at ${agree} of ${compared} positions; widest float64 gap where not: ${widest.toFixed(3)}`);

if (!args.float32) {
    const json = JSON.stringify({
        made_by: "tools/oracle/llama_cpp_top.mjs",
        versions: {"llama.cpp": llama.llamaCppRelease.release, "node-llama-cpp": "3.22.1", backend, kv_type: "f16", batch: 512},
        model: {file: basename(args.model), sha256},
        best_fields: ["position", "id_1", "id_2", "logit_1", "logit_gap"],
        error_fields: ["position", "max_error", "rms_error"],
        prompts
    });
    const data = gzipSync(json, {level: 9});
    writeFileSync(args.out, data);
    console.error(`${args.out}: ${data.length} bytes`);
}
await llama.dispose();
