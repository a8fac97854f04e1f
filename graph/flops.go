package graph

// FLOPs returns the floating-point operations that convolutions and matrix products need to compute outputs, a
// multiply-add counting two.
func FLOPs(outputs []*Value) int64 {
	total := int64(0)
	seen := map[*call]bool{}
	stack := make([]*Value, len(outputs))
	copy(stack, outputs)
	for len(stack) > 0 {
		c := stack[len(stack)-1].from
		stack = stack[:len(stack)-1]
		if c == nil || seen[c] {
			continue
		}
		seen[c] = true
		if op, ok := c.op.(Coster); ok {
			total += op.FLOPs(typesOf(c.in), typesOf(c.outs))
		}
		stack = append(stack, c.in...)
	}
	return total
}
