// Package all is the one table of papers.
package all

import (
	"github.com/micaml/mica/paper"
	"github.com/micaml/mica/paper/elr"
	"github.com/micaml/mica/paper/gemfilter"
	"github.com/micaml/mica/paper/projectionhead"
	"github.com/micaml/mica/paper/richlazy"
)

// Papers are all research systems, by slug. A row gets its Experiment when the
// paper's folder has one, and its Result when a full run of that is stored.
var Papers = []paper.Paper{
	{Slug: "anatcl", Title: "AnatCL — Anatomical Foundation Models for Brain MRIs", Verb: paper.Learn},
	{Slug: "dementia-aot", Title: "Context-Aware Attention Layers coupled with Optimal Transport Domain Adaptation (dementia from spontaneous speech)", Verb: paper.Learn},
	{Slug: "elr", Title: "ELR — Early-Learning Regularization Prevents Memorization of Noisy Labels", Verb: paper.Learn,
		Experiment: &elr.Experiment, Result: elr.Result},
	{Slug: "enel", Title: "Exploring the Potential of Encoder-free Architectures in 3D LMMs (ENEL)", Verb: paper.Build},
	{Slug: "feather", Title: "Feather the Throttle: Revisiting Visual Token Pruning for Vision-Language Model Acceleration (FEATHER)", Verb: paper.Keep},
	{Slug: "gemfilter", Title: "Discovering the Gems in Early Layers (GemFilter)", Verb: paper.Keep, Command: "mica run smollm2 -f FILE -p QUESTION --select gemfilter",
		Experiment: &gemfilter.Experiment, Result: gemfilter.Result},
	{Slug: "hopping-too-late", Title: "Hopping Too Late: Exploring the Limitations of Large Language Models on Multi-Hop Queries", Verb: paper.Edit},
	{Slug: "jei-dnn", Title: "JEI-DNN: Jointly-Learned Exit and Inference for a Dynamic Neural Network", Verb: paper.Stop},
	{Slug: "kangaroo", Title: "Kangaroo: Lossless Self-Speculative Decoding via Double Early Exiting", Verb: paper.Stop},
	{Slug: "layer-diffusion", Title: "Transparent Image Layer Diffusion using Latent Transparency (LayerDiffusion / LayerDiffuse)", Verb: paper.Build},
	{Slug: "layerdecomp", Title: "Generative Image Layer Decomposition with Visual Effects (LayerDecomp)", Verb: paper.Build},
	{Slug: "learngene-sws", Title: "Exploring Learngene via Stage-wise Weight Sharing for Initializing Variable-sized Models (SWS)", Verb: paper.Learn},
	{Slug: "llama-adapter-v2", Title: "LLaMA-Adapter V2: Parameter-Efficient Visual Instruction Model", Verb: paper.Learn},
	{Slug: "llava-mini", Title: "LLaVA-Mini: Efficient Image and Video Large Multimodal Models with One Vision Token", Verb: paper.Keep},
	{Slug: "mambamixer", Title: "MambaMixer: Efficient Selective State Space Models with Dual Token and Channel Selection (ViM2, TSM2)", Verb: paper.Build},
	{Slug: "modular-starencoder", Title: "One Model to Train them All: Hierarchical Self-Distillation (ModularStarEncoder, \"MoSE\")", Verb: paper.Stop},
	{Slug: "mola", Title: "MoLA — Higher Layers Need More LoRA Experts", Verb: paper.Learn},
	{Slug: "mue", Title: "You Need Multiple Exiting (MuE): early exiting for a unified vision-language model", Verb: paper.Stop},
	{Slug: "multimodal-architectures", Title: "The Evolution of Multimodal Model Architectures", Verb: paper.Build},
	{Slug: "othello-sae", Title: "How GPT learns layer by layer (OthelloGPT: sparse autoencoders vs linear probes)", Verb: paper.Look},
	{Slug: "patch-mixing", Title: "Hardwiring ViT Patch Selectivity into CNNs using Patch Mixing", Verb: paper.Learn},
	{Slug: "projection-head", Title: "Investigating the Benefits of Projection Head for Representation Learning", Verb: paper.Look,
		Experiment: &projectionhead.Experiment, Result: projectionhead.Result},
	{Slug: "pyramiddrop", Title: "PyramidDrop: Accelerating Your Large Vision-Language Models via Pyramid Visual Redundancy Reduction", Verb: paper.Keep},
	{Slug: "q-galore", Title: "Q-GaLore — Quantized GaLore with INT4 Projection and Layer-Adaptive Low-Rank Gradients", Verb: paper.Learn},
	{Slug: "region-normalization", Title: "Region Normalization for Image Inpainting (RN)", Verb: paper.Build},
	{Slug: "rich-lazy", Title: "How connectivity structure shapes rich and lazy learning in neural circuits", Verb: paper.Look,
		Experiment: &richlazy.Experiment, Result: richlazy.Result},
	{Slug: "sherl", Title: "SHERL — Synthesizing High Accuracy and Efficient Memory for Resource-Limited Transfer Learning", Verb: paper.Learn},
	{Slug: "shvit", Title: "SHViT: Single-Head Vision Transformer with Memory Efficient Macro Design", Verb: paper.Build},
	{Slug: "sorted-llama", Title: "Sorted LLaMA: Sorted Fine-Tuning (SoFT) for dynamic inference", Verb: paper.Stop},
	{Slug: "split-computing", Title: "Neural Compression and Filtering for Edge-assisted Real-time Object Detection in Challenged Networks", Verb: paper.Stop},
	{Slug: "talking-heads", Title: "Talking Heads: Understanding Inter-layer Communication in Transformer Language Models", Verb: paper.Look},
	{Slug: "tensor-brain", Title: "The Tensor Brain: Semantic Decoding for Perception and Memory", Verb: paper.Look},
	{Slug: "text-as-image", Title: "Classifying Textual Data with Pre-trained Vision Models through Transfer Learning and Data Transformations", Verb: paper.Look},
	{Slug: "transnormer", Title: "The Devil in Linear Transformer (TransNormer)", Verb: paper.Build},
	{Slug: "vista", Title: "The Hidden Life of Tokens: Reducing Hallucination of Large Vision-Language Models via Visual Information Steering (VISTA)", Verb: paper.Edit},
}
