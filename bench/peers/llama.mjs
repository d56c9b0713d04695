// llama.cpp on the processor, as a server: one request a line on standard input, one answer a line on standard output.
//
//   node llama.mjs --peers FOLDER --model FILE [--threads 1] [--batch 512] [--context 8192]
//   {"test": "pp", "n": 512}                 evaluate 512 given tokens from an empty cache, without asking for logits
//   {"test": "tg", "n": 64, "depth": 2000}   feed back its own greedy choice 64 times, after 2000 tokens of context
//   {"test": "rows", "n": 8}                 evaluate 8 given tokens in one batch after one token, without asking for logits
//
// FOLDER is what install.sh filled. seconds is by llama.cpp's own clock, which leaves out sampling and JavaScript;
// wall_seconds has them in. The cache is float16, flash attention is on. Between requests nothing runs.
import {parseArgs} from "node:util";
import {join} from "node:path";
import {pathToFileURL} from "node:url";
import {createInterface} from "node:readline";

const {values: args} = parseArgs({options: {
    peers: {type: "string", default: "."},
    model: {type: "string"},
    threads: {type: "string", default: "1"},
    batch: {type: "string", default: "512"},
    context: {type: "string", default: "8192"}
}});
if (!args.model) {
    console.error("llama.mjs: --model is missing");
    process.exit(2);
}
const [threads, batch, contextSize] = [args.threads, args.batch, args.context].map(Number);
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(join(args.peers, "node_modules/node-llama-cpp/dist/index.js")).href);

let backend = "", flash = "", clock = {};
const llama = await getLlama({
    gpu: false, build: "never", maxThreads: threads, logLevel: LlamaLogLevel.log,
    logger(level, message) { // llama.cpp tells these things only in its log
        backend = /loaded CPU backend from .*libggml-cpu-(\w+)/.exec(message)?.[1] ?? backend;
        flash = /flash_attn\s*=\s*(\w+)/i.exec(message)?.[1] ?? flash;
        for (const [, kind, ms, tokens] of message.matchAll(/(prompt eval|eval) time = +([\d.]+) ms \/ +(\d+)/g))
            clock[kind] = {ms: Number(ms), tokens: Number(tokens)};
    }
});
const loadStart = performance.now();
const model = await llama.loadModel({modelPath: args.model});
const loadMs = performance.now() - loadStart;
const context = await model.createContext({
    contextSize, batchSize: batch, threads: {ideal: threads, min: threads}, flashAttention: true, performanceTracking: true
});
const sequence = context.getSequence();
const token = (i) => (i * 7919) % 32000 + 100; // no text: what the tokens are does not matter to the speed
const tokens = (from, to) => Array.from({length: to - from}, (_, i) => token(from + i));
const zero = async () => { await context.printTimings(); clock = {}; };

// prefix leaves exactly depth tokens of context. What is there already stays.
async function prefix(depth) {
    const have = sequence.nextTokenIndex;
    if (have > depth)
        await sequence.eraseContextTokenRanges([{start: depth, end: have}]);
    else if (have < depth)
        await sequence.evaluateWithoutGeneratingNewTokens(tokens(have, depth));
    if (sequence.nextTokenIndex !== depth)
        throw new Error(`the context has ${sequence.nextTokenIndex} tokens instead of ${depth}`);
}

const tests = {
    async pp(n) {
        await prefix(0);
        await zero();
        await sequence.evaluateWithoutGeneratingNewTokens(tokens(0, n));
    },
    async tg(n, depth) {
        await prefix(depth);
        await zero();
        let made = 0;
        for await (const _ of sequence.evaluate([token(depth)], {temperature: 0, yieldEogToken: true}))
            if (++made === n) break;
    },
    async rows(n) {
        await prefix(1);
        await zero();
        await sequence.evaluateWithoutGeneratingNewTokens(tokens(1, 1 + n));
    }
};

async function answer({test, n, depth = 0}) {
    const start = performance.now();
    await tests[test](n, depth);
    const wall = performance.now() - start;
    await context.printTimings();
    const counted = clock[n === 1 || test === "tg" ? "eval" : "prompt eval"]; // what llama.cpp calls a batch of one
    if (counted?.tokens !== n)
        throw new Error(`${test}${n}: llama.cpp counted ${JSON.stringify(clock)}`);
    return {seconds: counted.ms / 1e3, wall_seconds: wall / 1e3, load_ms: loadMs, backend, flash,
        release: llama.llamaCppRelease.release};
}

await tests.pp(64); // the first run maps the weights' pages
await tests.tg(4, 64);
for await (const line of createInterface({input: process.stdin})) {
    if (!line.trim()) continue;
    let reply;
    try {
        reply = await answer(JSON.parse(line));
    } catch (e) {
        reply = {error: String(e.message ?? e)};
    }
    process.stdout.write(JSON.stringify(reply) + "\n");
}
await llama.dispose();
