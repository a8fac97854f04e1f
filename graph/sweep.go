package graph

import (
	"slices"
	"sync"

	"github.com/gansr/gansr/internal/kernel"
)

// rowOp is how an operator on single elements computes a row of float32 from rows or, where an operand has one element for all of them, from
// numbers. Those that have one can be joined into one sweep over memory.
type rowOp struct {
	unary  func(dst, a []float32)
	binary func(dst, a, b []float32)
	left   func(dst []float32, a float32, b []float32)
	right  func(dst, a []float32, b float32)
	gate   bool
	slopes func(dst, a, slopes []float32) // of a row of slopes, if there is no binary form
}

func rowOpOf(op Operator) (r rowOp, ok bool) {
	swapped := func(f func(dst, a []float32, b float32)) func(dst []float32, a float32, b []float32) {
		return func(dst []float32, a float32, b []float32) { f(dst, b, a) }
	}
	switch op.(type) {
	case Abs:
		r.unary = kernel.Abs
	case Neg:
		r.unary = kernel.Neg
	case Sign:
		r.unary = signs
	case Sqrt:
		r.unary = kernel.Sqrt
	case Relu:
		r.unary = kernel.Relu
	case Add:
		r = rowOp{binary: kernel.Add, left: swapped(kernel.AddScalar), right: kernel.AddScalar}
	case Sub:
		r = rowOp{binary: kernel.Sub, left: kernel.ScalarSub, right: kernel.SubScalar}
	case Mul:
		r = rowOp{binary: kernel.Mul, left: swapped(kernel.MulScalar), right: kernel.MulScalar}
	case Div:
		r = rowOp{binary: kernel.Div, left: kernel.ScalarDiv, right: kernel.DivScalar}
	case Max:
		r = rowOp{binary: kernel.Max, left: swapped(kernel.MaxScalar), right: kernel.MaxScalar}
	case Min:
		r = rowOp{binary: kernel.Min, left: swapped(kernel.MinScalar), right: kernel.MinScalar}
	case PRelu:
		r.right, r.slopes = kernel.PRelu, kernel.PRelus
	case Gate:
		r.gate = true
	default:
		return r, false
	}
	return r, true
}

// sweepOperand is where a row of a member of a sweep comes from.
type sweepOperand struct {
	from   int // an operand of the sweep, or -1-i for the result of member i
	repeat repeat
	part   channelRange // of a wider operand
}

// channelRange is channels, or blocks of them, of images that have more: those from first on, of so many; the zero value is all.
type channelRange struct{ first, of int }

// row is the row of the wider images that row i of those with so many channels is.
func (r channelRange) row(i, channels int) int {
	if r.of == 0 {
		return i
	}
	return i/channels*r.of + r.first + i%channels
}

// repeat is how an operand of fewer elements is repeated.
type repeat uint8

const (
	repeatNone    repeat = iota
	repeatChannel        // one element for each channel
	repeatAll            // one element
)

// member is an operator of a sweep.
type member struct {
	rowOp
	args []sweepOperand
	out  int       // which result of the sweep it is, or -1
	sum  Reduction // the mean or the sum of its operand, by channel or of all, instead of a row
	all  bool
}

// sweep computes several operators on single elements row by row, so that what one gives to the next stays in a cache, and sums of what they
// give. Rows are images of a channel, or of a block of channels, or all elements.
type sweep struct {
	name        string
	types       []Type
	rows, width int
	channels    int // row r is of channel r%channels, or of that block
	lanes       int // channels of a block, side by side in a row; 1 for images that are not blocked
	members     []member
	memory      sync.Pool // of *sweepMemory
}

// sweepMemory is what a worker needs: rows for what members give, and for operands by channel rows that repeat those of a block.
type sweepMemory struct {
	members, operands []float32
	block             []int // by operand
}

func (p *sweep) Name() string { return p.name }

func (p *sweep) Infer([]Type) ([]Type, error) { return p.types, nil }

// inPlace: only results that are complete before any other member reads the operand again may take its place.
func (p *sweep) inPlace() (list []int) {
	last := map[int]int{}
	result := -1
	for i, m := range p.members {
		for _, a := range m.args {
			if a.repeat == repeatNone && a.part.of == 0 {
				last[a.from] = i
			}
		}
		if m.out == 0 && m.sum == "" {
			result = i
		}
	}
	for from, i := range last {
		if from >= 0 && i <= result {
			list = append(list, from)
		}
	}
	slices.Sort(list)
	return list
}

// sweepRow is how many elements of a row are computed at a time: what the members of a sweep give fits a first-level cache.
const sweepRow = 1024

// sweepPart is how many elements make one sum, and are the least for a worker.
const sweepPart = 16 * sweepRow

func (p *sweep) Eval(x *Exec, out, in []*Tensor) error {
	operands, results := make([][]float32, len(in)), make([][]float32, len(out))
	for i, t := range in {
		operands[i] = Data[float32](t)
	}
	for i, t := range out {
		results[i] = Data[float32](t)
	}
	parts := ceilDiv(p.width, sweepPart)
	sums := make([][]float64, len(p.members)) // by row and part, and by channel of a block
	for i, m := range p.members {
		if m.sum != "" {
			sums[i] = make([]float64, p.rows*parts*m.sums(p.lanes))
		}
	}
	x.parallel(p.rows*parts, max(1, grain/min(p.width, sweepPart)), func(lo, hi int) {
		memory, _ := p.memory.Get().(*sweepMemory)
		if memory == nil {
			memory = &sweepMemory{members: make([]float32, len(p.members)*sweepRow), block: make([]int, len(in))}
			if p.lanes > 1 {
				memory.operands = make([]float32, len(in)*sweepRow)
			}
		}
		defer p.memory.Put(memory)
		fill(memory.block, -1)
		rows := make([][]float32, len(p.members))
		for at := lo; at < hi; at++ {
			row, first, end := at/parts, at%parts*sweepPart, min(at%parts*sweepPart+sweepPart, p.width)
			for ; first < end; first += sweepRow {
				n := min(sweepRow, end-first)
				for i := range p.members {
					m := &p.members[i]
					get := func(k int) (elements []float32, one float32) {
						switch a := m.args[k]; {
						case a.from < 0:
							return rows[-1-a.from], 0
						case a.repeat == repeatNone:
							return operands[a.from][a.part.row(row, p.channels)*p.width+first:][:n], 0
						case a.repeat == repeatChannel && p.lanes > 1:
							return p.repeated(memory, a.from, operands[a.from], row%p.channels)[:n], 0
						case a.repeat == repeatChannel:
							return nil, operands[a.from][row%p.channels]
						default:
							return nil, operands[a.from][0]
						}
					}
					switch {
					case m.sum == "":
						dst := memory.members[i*sweepRow:][:n]
						if m.out >= 0 {
							dst = results[m.out][row*p.width+first:][:n]
						}
						m.row(dst, get)
						rows[i] = dst
					case m.sums(p.lanes) > 1:
						a, _ := get(0)
						kernel.Sums(sums[i][at*sumLanes:][:sumLanes], a)
					default:
						a, _ := get(0)
						sums[i][at] += kernel.Sum(a)
					}
				}
			}
		}
	})
	for i, m := range p.members {
		if m.sum != "" {
			p.total(results[m.out], sums[i], parts*m.sums(p.lanes), m)
		}
	}
	return nil
}

// sumLanes is how many sums kernel.Sums makes, by place: a multiple of the channels of a block.
const sumLanes = 16

// sums is how many sums a member makes of a part of a row.
func (m *member) sums(lanes int) int {
	if lanes > 1 && !m.all {
		return sumLanes
	}
	return 1
}

// repeated returns a row that repeats an operand's elements for the channels of a block, with zeros for those that fill it.
func (p *sweep) repeated(memory *sweepMemory, i int, operand []float32, block int) []float32 {
	row := memory.operands[i*sweepRow:][:sweepRow]
	if memory.block[i] == block {
		return row
	}
	memory.block[i] = block
	pattern := row[:p.lanes]
	clear(pattern)
	copy(pattern, operand[block*p.lanes:])
	for at := p.lanes; at < len(row); at *= 2 {
		copy(row[at:], row[:at])
	}
	return row
}

// row computes a row from operands that get gives as rows or numbers.
func (m *member) row(dst []float32, get func(k int) ([]float32, float32)) {
	a, one := get(0)
	if m.unary != nil {
		m.unary(dst, a)
		return
	}
	b, other := get(1)
	switch {
	case m.gate:
		if slopes, slope := get(2); slopes != nil {
			kernel.Gates(dst, a, b, slopes)
		} else {
			kernel.Gate(dst, a, b, slope)
		}
	case b != nil && m.slopes != nil:
		m.slopes(dst, a, b)
	case a == nil && m.left != nil:
		m.left(dst, one, b)
	case b == nil:
		m.right(dst, a, other)
	default:
		m.binary(dst, a, b)
	}
}

// total adds up the sums of a member, so many to a row, in their order.
func (p *sweep) total(out []float32, sums []float64, perRow int, m member) {
	totals := make([]float64, len(out))
	n := p.rows * p.width
	for i, s := range sums {
		c := 0
		if !m.all {
			c = i/perRow%p.channels*p.lanes + i%p.lanes
		}
		if c < len(totals) { // others fill a block
			totals[c] += s
		}
	}
	if !m.all {
		n /= p.channels * p.lanes
	}
	for i, s := range totals {
		if m.sum == ReduceMean {
			s /= float64(n)
		}
		out[i] = float32(s)
	}
}
