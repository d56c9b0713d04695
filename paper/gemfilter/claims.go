package gemfilter

import "github.com/micaml/mica/paper"

// The thresholds of the verdicts, fixed before the first run.
const (
	sighted   = 0.5  // of full attention's answers must be right, or methods can't be told apart
	closeTo   = 0.02 // GemFilter may lose this much against full attention
	collapsed = 0.5  // of full attention's right answers are left at most
	found     = 0.9  // of the needle is kept
	slack     = 1.15 // times the time that the cost model says
)

// Reasons why claims can't be shown here.
const (
	noTraining = "needs a retriever trained for it, which this experiment doesn't do yet"
	noLength   = "the paper's models have 8 to 12 billion parameters and contexts of 128,000 tokens; this one has 135 million, and was asked in 1,024 tokens at most"
)

var claims = []paper.Claim{
	{ID: "identity", Text: "with k >= n the filter keeps every token, and the logits are those of full attention bit for bit",
		Paper: "by construction", Unit: "logits that differ", Exact: true},
	{ID: "kv-bytes", Text: "keys and values of the prompt take k/n of full attention's memory",
		Paper: "(n+t) to (k+t) entries a head (table of costs)", Unit: "answers with other bytes", Exact: true},
	{ID: "distance", Text: "D_l, the distance from the needle to the nearest token kept, falls to 0 in a layer below the last and stays 0 above it",
		Paper: "first 0 at layer 13 of 32 (LLaMA 3.1 8B), 19 of 40 (Mistral Nemo 12B), 19 of 32 (Phi 3.5 mini)", Unit: "layers above the first 0 that are not 0"},
	{ID: "recall", Text: "with k <= n/4 some layer below the last keeps more than 0.9 of the needle's tokens",
		Paper: "not given as a number", Unit: "of the needle kept in the best layer"},
	{ID: "full", Text: "with k <= n/4 GemFilter loses at most 2 points against full attention",
		Paper: "0.887 against 0.841 (LLaMA 3.1), 0.838 against 0.486 (Mistral Nemo), k = 1024", Unit: "points"},
	{ID: "collapse", Text: "with k <= n/4 random and last tokens leave at most half of full attention's right answers",
		Paper: "not compared", Unit: "of full attention's right answers, the better of the two"},
	{ID: "snapkv", Text: "with k <= n/4 GemFilter is at least as good as SnapKV as released, which keeps k entries for each query head",
		Paper: "0.838 against 0.494 (Mistral Nemo), 0.887 against 0.749 (LLaMA 3.1), k = 1024", Unit: "points"},
	{ID: "snapkv-kv", Text: "with k <= n/4 GemFilter is at least as good as SnapKV in the same memory, k entries for each KV head, and with a window chosen as carefully as the layer",
		Paper: "not compared", Unit: "points"},
	{ID: "layer", Text: "with k <= n/4 layer 1 is at least 2 points worse than the layer of the curve, and the last layer isn't better than it",
		Paper: "LongBench: layer 1 23.50, 13 34.50, 31 30.04 (LLaMA 3.1, k = 1024)", Unit: "points of layer 1 against the chosen layer"},
	{ID: "time", Text: "the prompt's time is that of r+1 of the m layers and of a second prompt of k tokens: at most 1.15 times (r+1)/m + k/n of full attention's",
		Paper: "r/m of full attention's (table of costs)", Unit: "of full attention's time to the first token"},
	{ID: "speed-up", Text: "a prompt is read 2.4 times as fast as by full attention and SnapKV",
		Paper: "17 s to 7.4 s at 131,072 tokens, one H100", Unit: "times as fast", Why: noLength},
	{ID: "beats-full", Text: "on long texts GemFilter finds more needles than full attention",
		Paper: "0.887 against 0.841 (LLaMA 3.1 to 120,000 tokens), 0.838 against 0.486 (Mistral Nemo to 60,000)", Unit: "points", Why: noLength},
	{ID: "memory", Text: "memory at its peak is 30 % below SnapKV's and 70 % below full attention's",
		Paper: "read off a bar chart at 131,072 tokens, one H100", Unit: "",
		Why: "at 1,024 tokens the weights take more than ten times the memory of keys and values; mica maps them from the file and frees none between the passes"},
	{ID: "longbench", Text: "on LongBench GemFilter with k = 2048 or 4096 is within a point of full attention",
		Paper: "35.87 and 36.09 against 36.72 (LLaMA 3.1)", Unit: "", Why: "many of LongBench's prompts are longer than this model's context of 8,192 tokens, and its tasks are beyond 135 million parameters"},
	{ID: "toy-retriever", Text: "in a retriever trained for it, the chosen layer keeps more than 0.9 of the needle and loses at most 2 points with k <= n/4, where random and last tokens collapse",
		Paper: "ours: a small stand-in for the paper's models", Unit: "", Why: noTraining},
	{ID: "toy-length", Text: "beyond the length that the retriever was trained on GemFilter beats full attention",
		Paper: "ours: a small stand-in for the paper's long texts", Unit: "", Why: noTraining},
}
