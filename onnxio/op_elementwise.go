package onnxio

import "github.com/gansr/gansr/graph"

// unaryOperators are those without attributes that are one operator of package graph.
var unaryOperators = map[string]graph.Operator{
	"Relu": graph.Relu{},
}

func opUnary(c *call) []*graph.Value { return one(c.apply(unaryOperators[c.Name], c.value(0))) }

// binaryOperators are those without attributes that are one operator of package graph.
var binaryOperators = map[string]graph.Operator{
	"Add": graph.Add{},
	"Mul": graph.Mul{},
}

func opNumpyBinary(c *call) []*graph.Value {
	return one(c.apply(binaryOperators[c.Name], c.value(0), c.value(1)))
}

func opIdentity(c *call) []*graph.Value { return one(c.value(0)) }
