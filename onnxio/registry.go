package onnxio

// operators are the operators of ONNX's own domain that can be translated. A function handles every supported version.
var operators = map[string]operator{
	"Add":      opNumpyBinary,
	"Cast":     opCast,
	"Concat":   opConcat,
	"Constant": opConstant,
	"Conv":     opConv,
	"Identity": opIdentity,
	"If":       opIf,
	"Mul":      opNumpyBinary,
	"Relu":     opUnary,
	"Reshape":  opReshape,
	"Shape":    opShape,
}
