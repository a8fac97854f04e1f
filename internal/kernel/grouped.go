package kernel

// grouped computes a convolution in groups as one convolution for each image and group.
type grouped struct {
	s     ConvShape
	parts []plan // by group
}

// groupChannels is how many channels a group must have for its convolution to be worth a transform.
const groupChannels = 8

// chooseGrouped plans a convolution in groups that way, or returns nil if the direct algorithm is faster for them.
func chooseGrouped(s ConvShape) *grouped {
	if s.Groups == 1 || min(s.C, s.OC)/s.Groups < groupChannels || s.N == 0 {
		return nil
	}
	c, part := &grouped{s: s}, s
	part.N, part.C, part.OC, part.Groups = 1, s.C/s.Groups, s.OC/s.Groups, 1
	for range s.Groups {
		p := choosePlan(part)
		if p == nil {
			return nil
		}
		c.parts = append(c.parts, p)
	}
	return c
}

func (c *grouped) prepare(weight, bias []float32, ep Epilogue) {
	channels, size := c.s.OC/c.s.Groups, len(weight)/c.s.Groups
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
		p.prepare(weight[g*size:][:size], bias[g*channels:][:channels], own)
	}
}

func (c *grouped) Workspace(threads int) int { return c.parts[0].Workspace(threads) }

func (c *grouped) Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	groups := c.s.N * c.s.Groups
	out, in := len(dst)/groups, c.s.C/c.s.Groups*c.s.H*c.s.W
	own := make([][]float32, len(residuals))
	for i := range groups {
		for k, r := range residuals {
			own[k] = r[i*out:][:out]
		}
		c.parts[i%c.s.Groups].Run(p, dst[i*out:][:out], src[i*in:][:in], own, ws)
	}
}
