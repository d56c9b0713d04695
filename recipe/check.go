package recipe

import (
	"errors"
	"fmt"
)

// check compares fields with each other, before any data is read.
func (r *Recipe) check() error {
	n, d := &r.Network, &r.Data
	language := n.Kind == "llama" || n.Kind == "model"
	text := d.Kind == "text" || d.Kind == "generated" && d.What == "sums"
	switch {
	case language && !text:
		return fmt.Errorf("network.kind %q learns from text, and data.kind %q has none", n.Kind, r.dataName())
	case !language && text:
		return fmt.Errorf("network.kind %q tells classes of numbers, and data.kind %q is text", n.Kind, r.dataName())
	case n.Kind == "vit" && n.Width%n.Heads != 0:
		return fmt.Errorf("network: %d heads don't share a width of %d", n.Heads, n.Width)
	case (n.Kind == "cnn" || n.Kind == "vit") && d.What == "blobs":
		return fmt.Errorf("network.kind %q takes pictures [height, width, channels], and the blobs of data.what are rows of %d numbers", n.Kind, blobWidth)
	case text && d.WrongLabels != "":
		return errors.New("data.wrong_labels: text has no labels")
	case language && r.Loss != "cross_entropy":
		return fmt.Errorf("loss %q needs classes; a network that learns from text takes cross_entropy", r.Loss)
	case r.Recompute && !language:
		return fmt.Errorf("checkpointed: only networks that learn from text have it, not network.kind %q", n.Kind)
	case r.Adapter != "" && n.Kind != "model":
		return fmt.Errorf("adapter: it goes beside the weights of a model that there is, and network.kind is %q", n.Kind)
	case r.Adapter != "" && len(r.Train) > 0:
		return errors.New("adapter: its weights are what is trained; leave out train, or name roles and layers in the adapter")
	case (d.TestImages == "") != (d.TestLabels == ""):
		return errors.New("data: test_images and test_labels go together")
	case r.Evaluate.Best == "perplexity" && !language:
		return errors.New("evaluate.best: perplexity is of text; accuracy or loss is of classes")
	case r.Evaluate.Patience > 0 && (r.Evaluate.Best == "" || r.Evaluate.Every == 0):
		return errors.New("evaluate.patience needs evaluate.best, the metric, and evaluate.every")
	case r.Evaluate.Best != "" && r.Evaluate.Every == 0:
		return errors.New("evaluate.best needs evaluate.every")
	}
	if n.Kind == "llama" {
		return r.checkLlama()
	}
	return nil
}

func (r *Recipe) checkLlama() error {
	n := &r.Network
	kv := n.KVHeads
	if kv == 0 {
		kv = n.Heads
	}
	switch {
	case n.Width%n.Heads != 0 || n.Width/n.Heads%2 != 0 || n.Width/n.Heads > 256:
		return fmt.Errorf("network: %d heads of a width of %d: each must have an even share of at most 256", n.Heads, n.Width)
	case n.Heads%kv != 0:
		return fmt.Errorf("network: %d query heads can't share %d kv_heads", n.Heads, kv)
	case n.Context > 0 && n.Context < r.Data.Length:
		return fmt.Errorf("network.context is %d tokens, and data.length %d: make the one longer or the other shorter", n.Context, r.Data.Length)
	}
	return nil
}

// dataName names the data for errors.
func (r *Recipe) dataName() string {
	if r.Data.What != "" {
		return r.Data.Kind + ": " + r.Data.What
	}
	return r.Data.Kind
}
