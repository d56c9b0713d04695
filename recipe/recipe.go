package recipe

// Recipe is a training. The tags of its fields are read by this package:
//
//	is      what the field is
//	range   the least and the greatest number
//	items   the fewest and the most elements of a list
//	in      the words of which it is one
//	or      what it is if it is left out
//	for     the kinds that have it; all if there is no such tag
//	need    it may not be left out
//	method  the table of its methods
//	path    a file or folder, relative to the recipe's own folder
type Recipe struct {
	Schema    string   `json:"$schema" is:"where the schema is, for editors"`
	About     string   `json:"about" is:"what the training is for, in words"`
	Network   Network  `json:"network" need:"" is:"what is trained"`
	Data      Data     `json:"data" need:"" is:"what it learns from"`
	Loss      string   `json:"loss" or:"cross_entropy" method:"losses" is:"what is made small"`
	Optimizer string   `json:"optimizer" or:"adamw" method:"optimizers" is:"how gradients change weights"`
	Rate      string   `json:"rate" or:"cosine" method:"rates" is:"the learning rate by step"`
	Train     []Group  `json:"train" items:"1 64" is:"which weights are trained, and how; a weight belongs to the first group that fits, and to none if none does. Left out: all weights"`
	Adapter   string   `json:"adapter" method:"adapters" is:"numbers beside the weights of a model, which are trained in their place: the weights stay as they are, and a folder as PEFT saves it is the result"`
	Batch     int      `json:"batch" or:"32" range:"1 65536" is:"examples that a network sees at once"`
	Steps     int      `json:"steps" need:"" range:"1 1000000000" is:"steps to take"`
	Gather    int      `json:"accumulate" or:"1" range:"1 65536" is:"batches that make a step"`
	Clip      float64  `json:"clip" or:"0" range:"0 1e9" is:"the norm that gradients have at most; 0: any"`
	Seed      uint64   `json:"seed" or:"1" is:"of everything random"`
	Average   string   `json:"average" method:"averages" is:"a moving average of the weights, which is what is evaluated and kept"`
	Evaluate  Evaluate `json:"evaluate" is:"how the network is judged on examples that it doesn't learn from"`
	Save      Save     `json:"save" is:"when checkpoints are saved"`
	Recompute bool     `json:"checkpointed" or:"false" is:"compute layers again for the backward pass: less memory, a third more time"`

	dir string // of the file
}

// Network says what is trained.
type Network struct {
	Kind    string  `json:"kind" need:"" in:"mlp cnn vit llama model" is:"mlp, cnn and vit tell classes; llama is a language model from the start; model is one that there is"`
	Hidden  []int   `json:"hidden" for:"mlp" need:"" items:"1 64" range:"1 65536" is:"widths of the hidden layers"`
	Blocks  []Block `json:"blocks" for:"cnn" need:"" items:"1 256" is:"3x3 convolutions, each with batch norm and ReLU"`
	Patch   int     `json:"patch" for:"vit" need:"" range:"1 4096" is:"side of a patch in pixels"`
	Layers  int     `json:"layers" for:"vit llama" need:"" range:"1 1024" is:"blocks of attention and MLP"`
	Width   int     `json:"width" for:"vit llama" need:"" range:"2 65536" is:"of the residual stream"`
	Heads   int     `json:"heads" for:"vit llama" need:"" range:"1 4096" is:"query heads, which share the width"`
	KVHeads int     `json:"kv_heads" for:"llama" or:"0" range:"0 4096" is:"key and value heads; 0: as many as query heads"`
	MLP     int     `json:"mlp" for:"vit llama" or:"0" range:"0 262144" is:"width inside the MLP; 0: 4 times the width, or 8/3 of it with a gate"`
	Context int     `json:"context" for:"llama" or:"0" range:"0 1048576" is:"longest text in tokens that it is made for; 0: the data's length"`
	Dropout float64 `json:"dropout" for:"mlp cnn" or:"0" range:"0 0.99" is:"share of activations that are dropped in training"`
	Path    string  `json:"path" for:"model" need:"" is:"the model: a file or folder, or a name that mica list shows"`
}

// Block is a block of a CNN.
type Block struct {
	Channels int  `json:"channels" need:"" range:"1 65536" is:"of its output"`
	Stride   int  `json:"stride" or:"1" range:"1 64" is:"pixels from one window to the next"`
	Residual bool `json:"residual" or:"false" is:"add the input to the output"`
}

// Data says what is learnt from.
type Data struct {
	Kind        string   `json:"kind" need:"" in:"fashion-mnist idx text generated" is:"fashion-mnist: 60,000 pictures of clothes; idx: pictures in MNIST's format; text: files of text; generated: synthetic examples that a program makes"`
	Folder      string   `json:"folder" path:"" for:"fashion-mnist" is:"where the files are; left out: where Debian's package puts them"`
	Images      string   `json:"images" path:"" for:"idx" need:"" is:"pictures to learn from"`
	Labels      string   `json:"labels" path:"" for:"idx" need:"" is:"their labels"`
	TestImages  string   `json:"test_images" path:"" for:"idx" is:"pictures for the test at the end"`
	TestLabels  string   `json:"test_labels" path:"" for:"idx" is:"their labels"`
	Files       []string `json:"files" path:"" for:"text" need:"" items:"1 4096" is:"texts in UTF-8"`
	What        string   `json:"what" for:"generated" need:"" in:"blobs shapes sums" is:"blobs: rows of numbers around a centre for each class; shapes: gray pictures of a bar, a cross, a square and a disc; sums: text such as 12+7=19"`
	Examples    int      `json:"examples" for:"generated" or:"4096" range:"8 10000000" is:"how many are made"`
	Noise       float64  `json:"noise" for:"generated" or:"0.3" range:"0 100" is:"deviation of the noise in blobs and shapes"`
	Tokenizer   string   `json:"tokenizer" for:"text generated" method:"tokenizers" or:"bytes" is:"how text becomes tokens, for a network that has no tokenizer of its own: bytes, bpe, or the path of a tokenizer.json"`
	Length      int      `json:"length" for:"text generated" or:"128" range:"2 1048576" is:"tokens of an example of text"`
	Limit       int      `json:"limit" for:"fashion-mnist idx" or:"0" range:"0 100000000" is:"learn from so many examples at most; 0: all"`
	Mean        float64  `json:"mean" for:"fashion-mnist idx" or:"0" range:"-1e6 1e6" is:"taken off every number of a picture, which are from 0 to 1"`
	Deviation   float64  `json:"deviation" for:"fashion-mnist idx" or:"1" range:"1e-6 1e6" is:"by which they are divided then"`
	WrongLabels string   `json:"wrong_labels" for:"fashion-mnist idx generated" method:"noises" is:"makes some of the labels to learn from wrong, to show what a loss makes of them: synthetic noise"`
}

// Group is weights that are trained alike.
type Group struct {
	Name      string   `json:"name" is:"for the table of what is trained"`
	Match     []string `json:"match" items:"1 256" is:"patterns of weights' names, with * for any text; one must fit, and each must fit some weight"`
	Layers    string   `json:"layers" is:"layers from 0, such as 0-11, 4,8, -1 (the last) or all, which leaves out weights of no layer"`
	Rate      float64  `json:"rate" or:"1" range:"0 1e6" is:"multiplies the learning rate"`
	Optimizer string   `json:"optimizer" method:"optimizers" is:"of its own"`
	Freeze    bool     `json:"freeze" or:"false" is:"leave these weights as they are"`
}

// Evaluate says how the network is judged.
type Evaluate struct {
	Every    int     `json:"every" or:"0" range:"0 1000000000" is:"steps from one evaluation to the next; 0: only at the end"`
	Share    float64 `json:"share" or:"0.1" range:"0.0001 0.9" is:"share of the examples that is held back for it"`
	Best     string  `json:"best" in:"accuracy loss perplexity" is:"the metric by which the best weights are kept; left out: the last ones are"`
	Patience int     `json:"patience" or:"0" range:"0 1000000" is:"evaluations without a better one after which training ends; 0: never"`
}

// Save says when checkpoints are saved, besides at the end and when training is
// interrupted.
type Save struct {
	Every int `json:"every" or:"0" range:"0 1000000000" is:"steps from one checkpoint to the next; 0: none in between"`
	Keep  int `json:"keep" or:"2" range:"1 1000000" is:"how many of the newest stay, besides the best"`
}
