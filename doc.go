// Package mica runs language models one layer at a time: a model in, text out,
// and every boundary between two layers a place to step in.
//
//	m, err := mica.Load(ctx, "smollm2", mica.Options{})
//	defer m.Close()
//	for piece, err := range m.Generate(ctx, "Why is the sky blue?", mica.GenerateOptions{}) {
//		fmt.Print(piece)
//	}
//
// It is a thin front: [Load] finds a model, [Model.Generate] answers a prompt,
// [Model.Begin] and [Model.Continue] are the way to step through one, and the
// zero value of every setting is what the command does. What it is made of is
// public too. Package pass has the stream between layers, package model/lm the
// networks, package store the places where models live, and package keep and
// those below it the methods that [GenerateOptions] takes as values.
package mica
