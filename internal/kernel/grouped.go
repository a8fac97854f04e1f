package kernel

import "fmt"

// grouped computes a convolution in groups as one convolution for each image and group.
type grouped struct {
	s     ConvShape
	parts []plan // by group
}

// groupChannels is how many channels a group must have for its convolution to be worth a transform.
const groupChannels = 8

// chooseGrouped plans the ways to convolve groups so that are faster than the direct algorithm, as chooseFast does.
func chooseGrouped(s ConvShape) []*grouped {
	if s.Groups == 1 || min(s.C, s.OC)/s.Groups < groupChannels || s.N == 0 {
		return nil
	}
	part := s
	part.N, part.C, part.OC, part.Groups = 1, s.C/s.Groups, s.OC/s.Groups, 1
	ways := make([]*grouped, len(choosePlans(part)))
	for i := range ways {
		ways[i] = &grouped{s: s}
	}
	for range s.Groups {
		for i, p := range choosePlans(part) {
			ways[i].parts = append(ways[i].parts, p)
		}
	}
	return ways
}

func (c *grouped) name() string      { return fmt.Sprintf("%d groups, %s", c.s.Groups, c.parts[0].name()) }
func (c *grouped) cost() float64     { return float64(c.s.N*c.s.Groups) * c.parts[0].cost() }
func (c *grouped) products() int     { return c.s.N * c.s.Groups * c.parts[0].products() }
func (c *grouped) blocks() Blocking  { return NotBlocked }
func (c *grouped) setBlocked(Layout) {}

func (c *grouped) prepare(bias []float32, ep Epilogue) {
	channels := c.s.OC / c.s.Groups
	for g, p := range c.parts {
		of := func(v []float32) []float32 {
			if len(v) > 1 {
				v = v[g*channels:][:channels]
			}
			return v
		}
		own := make(Epilogue, len(ep))
		for i, s := range ep {
			s.Scale, s.Shift, s.Slope = of(s.Scale), of(s.Shift), of(s.Slope)
			own[i] = s
		}
		p.prepare(bias[g*channels:][:channels], own)
	}
}

func (c *grouped) transformCost() float64 { return float64(c.s.Groups) * c.parts[0].transformCost() }

func (c *grouped) withBias(bias []float32) plan {
	w := &grouped{s: c.s}
	for g, p := range c.parts {
		channels := c.s.OC / c.s.Groups
		w.parts = append(w.parts, p.withBias(bias[g*channels:][:channels]))
	}
	return w
}

// partSize is how many elements there are from the packed weights of one group to the next.
func (c *grouped) partSize() int { return roundUp(c.parts[0].weightSize(), cacheLine) }

func (c *grouped) weightSize() int { return c.s.Groups * c.partSize() }

func (c *grouped) transformWeights(p *Pool, to []float32, k kernels) {
	weight := k.w
	size := len(weight) / c.s.Groups
	for g, part := range c.parts {
		k.w = weight[g*size:][:size]
		part.transformWeights(p, to[g*c.partSize():][:part.weightSize()], k)
	}
}

func (c *grouped) Workspace(threads int) int { return c.parts[0].Workspace(threads) }

func (c *grouped) run(p *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32) {
	groups := c.s.N * c.s.Groups
	out, in := len(dst)/groups, c.s.C/c.s.Groups*c.s.H*c.s.W
	own := make([][]float32, len(residuals))
	for i := range groups {
		for k, r := range residuals {
			own[k] = r[i*out:][:out]
		}
		part := c.parts[i%c.s.Groups]
		part.run(p, weights[i%c.s.Groups*c.partSize():][:part.weightSize()], dst[i*out:][:out], src[i*in:][:in], own, ws)
	}
}
