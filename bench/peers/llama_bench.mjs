// Measure llama.cpp on the processor as llama-bench does and print one JSON line.
//
//   node bench/peers/llama_bench.mjs --peers FOLDER --model FILE [--prompt 512,2048] [--gen 64] [--threads 1]
//        [--repeat 3] [--batch 512] [--flash auto|on|off]
//
// FOLDER is what bench/peers/install.sh filled. ppN evaluates N given tokens from an empty cache in batches, without
// asking for logits; tgN then feeds back its own greedy choice N times, from an empty cache. tokens_per_s is by
// llama.cpp's own clock, which leaves out sampling and JavaScript; wall_tokens_per_s has them in. The cache is float16.
import {parseArgs} from "node:util";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const {values: args} = parseArgs({options: {
    peers: {type: "string", default: process.env.MICA_PEERS ?? "."},
    model: {type: "string"},
    prompt: {type: "string", default: "512,2048"},
    gen: {type: "string", default: "64"},
    threads: {type: "string", default: "1"},
    repeat: {type: "string", default: "3"},
    batch: {type: "string", default: "512"},
    flash: {type: "string", default: "auto"}
}});
if (!args.model) {
    console.error("llama_bench: --model is missing");
    process.exit(2);
}
const lengths = (s) => s.split(",").map(Number).filter((n) => n > 0);
const prompts = lengths(args.prompt), gens = lengths(args.gen);
const [threads, repeat, batch] = [args.threads, args.repeat, args.batch].map(Number);

const {getLlama, LlamaLogLevel} = await import(pathToFileURL(join(args.peers, "node_modules/node-llama-cpp/dist/index.js")).href);

let backend = "", flash = args.flash, clock = {};
const llama = await getLlama({
    gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.log,
    logger(level, message) { // llama.cpp tells these things only in its log
        backend = /loaded CPU backend from .*libggml-cpu-(\w+)/.exec(message)?.[1] ?? backend;
        flash = /Flash Attention (enabled|disabled)/i.exec(message)?.[1] ?? flash;
        for (const [, kind, ms, tokens] of message.matchAll(/(prompt eval|eval) time = +([\d.]+) ms \/ +(\d+)/g))
            clock[kind] = {ms: Number(ms), tokens: Number(tokens)};
    }
});
const loadStart = performance.now();
const model = await llama.loadModel({modelPath: args.model});
const loadMs = performance.now() - loadStart;
const context = await model.createContext({
    contextSize: Math.max(...prompts, ...gens) + 8, batchSize: batch, threads: {ideal: threads, min: threads},
    flashAttention: {on: true, off: false}[args.flash] ?? "auto", performanceTracking: true
});
const sequence = context.getSequence();
const token = (i) => (i * 7919) % 32000 + 100; // no text: what the tokens are does not matter to the speed

async function pp(n) {
    await sequence.evaluateWithoutGeneratingNewTokens(Array.from({length: n}, (_, i) => token(i)));
    return "prompt eval";
}

async function tg(n) {
    let made = 0;
    for await (const _ of sequence.evaluate([token(1)], {temperature: 0, yieldEogToken: true}))
        if (++made === n) break;
    return "eval";
}

async function measure(test, n, run) {
    const own = [], wall = [];
    for (let i = -1; i < repeat; i++) { // the first is the warm-up
        await sequence.clearHistory();
        clock = {};
        await context.printTimings(); // sets llama.cpp's clock to zero
        clock = {};
        const start = performance.now();
        const kind = await run(n);
        const ms = performance.now() - start;
        await context.printTimings();
        if (clock[kind]?.tokens !== n)
            throw new Error(`${test}${n}: llama.cpp counted ${JSON.stringify(clock)}`);
        if (i >= 0) {
            own.push(n / clock[kind].ms * 1e3);
            wall.push(n / ms * 1e3);
        }
    }
    const mean = (a) => a.reduce((s, x) => s + x, 0) / a.length;
    const sd = (a) => Math.sqrt(a.reduce((s, x) => s + (x - mean(a)) ** 2, 0) / Math.max(a.length - 1, 1));
    return {
        test: test + n, tokens_per_s_mean: mean(own), tokens_per_s_sd: sd(own), wall_tokens_per_s_mean: mean(wall),
        repeat, threads
    };
}

const rows = [];
for (const n of prompts) rows.push(await measure("pp", n, pp));
for (const n of gens) rows.push(await measure("tg", n, tg));
console.log(JSON.stringify({
    peer: "llama.cpp", release: llama.llamaCppRelease.release, through: "node-llama-cpp", backend,
    flash_attention: flash, batch, kv_type: "f16", load_ms: loadMs, rows
}));
await llama.dispose();
