package op_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryOp fails for an op that lacks finite differences or a PyTorch
// fixture, and prints the table of worst errors.
func TestEveryOp(t *testing.T) {
	names := opNames(t)
	fixtures := map[string]string{"rms-norm": "rmsnorm", "layer-norm": "layernorm", "batch-norm": "batchnorm", "group-norm": "groupnorm", "rotate": "rope", "cross-entropy": "cross_entropy", "gelu-tanh": "gelu_tanh", "max-pool": "max_pool", "avg-pool": "avg_pool", "log-softmax": "log_softmax",
		"selective-scan": "selective_scan", "linear-attention": "linear_attention", "causal-conv": "causal_conv", "planes": "conv3d"}
	// PyTorch has no word for these: they move numbers, or are checked with
	// the op that they complete.
	without := map[string]string{"rows": "moves numbers", "put": "moves numbers", "reshape": "moves numbers",
		"scale": "one product", "columns": "moves numbers", "param": "moves numbers", "scatter-columns": "moves numbers", "scatter-rows": "moves numbers",
		"concat": "moves numbers", "slice-columns": "moves numbers", "transpose": "moves numbers", "dropout": "mask in TestDropout",
		"matmul-t": "in matmul.json", "bias": "in linear.json", "scan": "float64 recurrence in TestScan", "gradient": "hands on", "low-rank": "in TestPEFT of learn/lora"}
	for _, n := range names {
		if !slices.ContainsFunc(gradCases, func(c gradCase) bool { return c.op == n }) {
			t.Errorf("op %s has no finite differences", n)
		}
		f := n
		if g, ok := fixtures[n]; ok {
			f = g
		}
		if _, ok := forward[f]; !ok && without[n] == "" {
			t.Errorf("op %s has no PyTorch fixture", n)
		}
		py := without[n]
		if py == "" {
			py = fmt.Sprintf("%.1e", fixtureWorst[f])
		}
		t.Logf("%-16s finite differences %.1e   PyTorch %s", n, gradWorst[n], py)
	}
}

// opNames reads the names of all ops from the sources.
func opNames(t *testing.T) []string {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool { // activation{"relu", ...}
			if lit, ok := n.(*ast.CompositeLit); ok {
				if kind, ok := lit.Type.(*ast.Ident); ok && kind.Name == "activation" {
					s, _ := strconv.Unquote(lit.Elts[0].(*ast.BasicLit).Value)
					names = append(names, s)
				}
			}
			return true
		})
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Name.Name != "Name" || len(fn.Body.List) != 1 {
				continue
			}
			ret := fn.Body.List[0].(*ast.ReturnStmt)
			if lit, ok := ret.Results[0].(*ast.BasicLit); ok {
				s, _ := strconv.Unquote(lit.Value)
				names = append(names, s)
			}
		}
	}
	slices.Sort(names)
	if len(names) < 10 {
		t.Fatalf("only %d ops found", len(names))
	}
	return names
}
