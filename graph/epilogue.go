package graph

// perChannel returns a float32 constant as one number for each channel of data (N x C x spatial), or a single
// number for all, if it broadcasts that way.
func perChannel(data, constant *Value) ([]float32, bool) {
	t := constant.Known()
	if t == nil || t.dtype != Float32 {
		return nil, false
	}
	f := Data[float32](t)
	if len(f) == 1 && len(t.shape) <= len(data.typ.Shape) {
		return f, true
	}
	channel := len(data.typ.Shape) - len(t.shape) // the axis of t that lies at the channels is 1 - channel
	for k, d := range t.shape {
		if d != 1 && k+channel != 1 {
			return nil, false
		}
	}
	return f, channel <= 1 && len(f) == data.typ.Shape[1]
}
