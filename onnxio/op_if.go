package onnxio

import "github.com/gansr/gansr/graph"

// opIf translates the branch that the condition chooses.
func opIf(c *call) []*graph.Value {
	cond := c.tensor(0)
	if cond.DType() != graph.Bool || cond.Len() != 1 {
		c.failf("the condition should be one bool, not %v", cond.Type())
	}
	branch := "else_branch"
	if graph.Data[bool](cond)[0] {
		branch = "then_branch"
	}
	g := must(c.Node.Graph(branch))
	return must(c.t.graph(&env{parent: c.scope, graph: g, values: map[string]*graph.Value{}}))
}
