package torch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The values of a pickle are nil, bool, int64, float64, string, []byte, *list, *dict, *class, *object, *storage and *view. Integers beyond 64 bits
// are bigInt.
type (
	// list is a list, tuple or set.
	list struct{ items []any }
	// dict keeps the order of its keys. Keys that are no strings or numbers are in no index.
	dict struct {
		keys, values []any
		index        map[any]int
	}
	// object is an instance of a class that is not looked into, or a module.
	object struct {
		class *class
		args  any
		state any
	}
	// class is a name that a pickle refers to.
	class struct {
		module, name string
		known        bool
		isModule     bool // an instance has what instances of torch.nn.Module have
	}
	bigInt string
)

func (c *class) String() string { return fmt.Sprintf("%.100q", c.module+"."+c.name) }

func (d *dict) set(key, value any) {
	switch key.(type) {
	case string, int64, bool:
		if d.index == nil {
			d.index = map[any]int{}
		}
		if i, ok := d.index[key]; ok {
			d.values[i] = value
			return
		}
		d.index[key] = len(d.keys)
	}
	d.keys, d.values = append(d.keys, key), append(d.values, value)
}

func (d *dict) get(key string) any {
	if i, ok := d.index[key]; ok {
		return d.values[i]
	}
	return nil
}

// machine puts the values of a pickle together.
type machine struct {
	data    []byte
	pos     int
	stack   []any
	marks   []int
	memo    map[uint32]any
	classes map[string]*class
	// persistent returns the value of a persistent identifier: a storage.
	persistent func(id any) (any, error)
	// script allows the classes of TorchScript.
	script bool
	steps  int
}

// maxSteps bounds the instructions of a file's pickles, and with them the memory of their values. Large checkpoints have some 100 000.
const maxSteps = 1 << 22

var errTruncated = errors.New("the pickle ends too early")

// load reads one pickle and leaves pos behind it.
func (m *machine) load() (any, error) {
	m.stack, m.marks, m.memo = nil, nil, map[uint32]any{}
	for {
		if m.pos >= len(m.data) {
			return nil, errTruncated
		}
		op := m.data[m.pos]
		m.pos++
		if op == '.' {
			if len(m.stack) != 1 || len(m.marks) != 0 {
				return nil, errors.New("the pickle does not end with one value")
			}
			return m.stack[0], nil
		}
		if m.steps++; m.steps > maxSteps {
			return nil, fmt.Errorf("the pickle has more than %d instructions", maxSteps)
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
	}
}

// unknown returns a class that the pickle refers to and that is neither known nor that of a module.
func (m *machine) unknown() *class {
	var first *class
	for _, c := range m.classes {
		if !c.known && !c.isModule && (first == nil || c.String() < first.String()) {
			first = c
		}
	}
	return first
}

func refused(c *class) error {
	return fmt.Errorf("the pickle refers to %v, which is not among the classes that checkpoints need; it is not read, for pickles can run any code", c)
}

func (m *machine) bytes(n uint64) ([]byte, error) {
	if n > uint64(len(m.data)-m.pos) {
		return nil, errTruncated
	}
	b := m.data[m.pos:][:n]
	m.pos += int(n)
	return b, nil
}

// uint reads a little-endian number of some bytes.
func (m *machine) uint(size int) (uint64, error) {
	b, err := m.bytes(uint64(size))
	if err != nil {
		return 0, err
	}
	var full [8]byte
	copy(full[:], b)
	return binary.LittleEndian.Uint64(full[:]), nil
}

// sized reads bytes behind their number.
func (m *machine) sized(size int) ([]byte, error) {
	n, err := m.uint(size)
	if err != nil {
		return nil, err
	}
	return m.bytes(n)
}

func (m *machine) line() (string, error) {
	i := bytes.IndexByte(m.data[m.pos:min(len(m.data), m.pos+1<<12)], '\n')
	if i < 0 {
		return "", errTruncated
	}
	s := string(m.data[m.pos:][:i])
	m.pos += i + 1
	return s, nil
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// base is how far down the stack an operation may reach.
func (m *machine) base() int {
	if len(m.marks) > 0 {
		return m.marks[len(m.marks)-1]
	}
	return 0
}

func (m *machine) pop() (any, error) {
	if len(m.stack) <= m.base() {
		return nil, errors.New("the pickle takes a value that is not there")
	}
	v := m.stack[len(m.stack)-1]
	m.stack = m.stack[:len(m.stack)-1]
	return v, nil
}

func (m *machine) popN(n int) ([]any, error) {
	if len(m.stack)-m.base() < n {
		return nil, errors.New("the pickle takes a value that is not there")
	}
	items := append([]any(nil), m.stack[len(m.stack)-n:]...)
	m.stack = m.stack[:len(m.stack)-n]
	return items, nil
}

func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("the pickle goes back to a mark that is not there")
	}
	items := append([]any(nil), m.stack[m.base():]...)
	m.stack = m.stack[:m.base()]
	m.marks = m.marks[:len(m.marks)-1]
	return items, nil
}

// The opcodes of protocols 2 to 5 that checkpoints have.
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := m.uint(1)
		if err == nil && (v < 2 || v > 5) {
			err = fmt.Errorf("the pickle has protocol %d, and 2 to 5 are known", v)
		}
		return err
	case 0x95: // FRAME
		_, err := m.uint(8)
		return err
	case '(': // MARK
		m.marks = append(m.marks, len(m.stack))
	case 'N':
		m.push(nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		m.push(op == 0x88)
	case 'K', 'M', 'J': // BININT1, BININT2, BININT
		size := map[byte]int{'K': 1, 'M': 2, 'J': 4}[op]
		v, err := m.uint(size)
		if op == 'J' {
			v = uint64(int64(int32(v)))
		}
		m.push(int64(v))
		return err
	case 0x8a, 0x8b: // LONG1, LONG4
		b, err := m.sized(map[byte]int{0x8a: 1, 0x8b: 4}[op])
		m.push(long(b))
		return err
	case 'G': // BINFLOAT
		b, err := m.bytes(8)
		if err == nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
		return err
	case 0x8c, 'X', 0x8d, 'U', 'T': // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8, SHORT_BINSTRING, BINSTRING
		b, err := m.sized(map[byte]int{0x8c: 1, 'X': 4, 0x8d: 8, 'U': 1, 'T': 4}[op])
		m.push(string(b))
		return err
	case 'C', 'B', 0x8e, 0x96: // SHORT_BINBYTES, BINBYTES, BINBYTES8, BYTEARRAY8
		b, err := m.sized(map[byte]int{'C': 1, 'B': 4, 0x8e: 8, 0x96: 8}[op])
		m.push(b)
		return err
	case ']', 0x8f, ')': // EMPTY_LIST, EMPTY_SET, EMPTY_TUPLE
		m.push(&list{})
	case '}':
		m.push(&dict{})
	case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
		items, err := m.popN(int(op-0x85) + 1)
		m.push(&list{items})
		return err
	case 't', 'l', 0x91: // TUPLE, LIST, FROZENSET
		items, err := m.popMark()
		m.push(&list{items})
		return err
	case 'd': // DICT
		items, err := m.popMark()
		d := &dict{}
		m.push(d)
		return errors.Join(err, d.update(items))
	case 'a': // APPEND
		items, err := m.popN(1)
		if err != nil {
			return err
		}
		return m.extend(items)
	case 'e', 0x90: // APPENDS, ADDITEMS
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.extend(items)
	case 's': // SETITEM
		items, err := m.popN(2)
		if err != nil {
			return err
		}
		return m.update(items)
	case 'u': // SETITEMS
		items, err := m.popMark()
		if err != nil {
			return err
		}
		return m.update(items)
	case '0': // POP
		if len(m.marks) > 0 && m.base() == len(m.stack) {
			_, err := m.popMark()
			return err
		}
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		v, err := m.pop()
		m.stack = append(m.stack, v, v)
		return err
	case 'q', 'r': // BINPUT, LONG_BINPUT
		i, err := m.uint(map[byte]int{'q': 1, 'r': 4}[op])
		if err != nil {
			return err
		}
		return m.remember(uint32(i))
	case 0x94: // MEMOIZE
		return m.remember(uint32(len(m.memo)))
	case 'h', 'j': // BINGET, LONG_BINGET
		i, err := m.uint(map[byte]int{'h': 1, 'j': 4}[op])
		if err != nil {
			return err
		}
		v, ok := m.memo[uint32(i)]
		if !ok {
			return errors.New("the pickle recalls a value that is not there")
		}
		m.push(v)
	case 'c': // GLOBAL
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		m.push(m.class(module, name))
		return err
	case 0x93: // STACK_GLOBAL
		items, err := m.popN(2)
		if err != nil {
			return err
		}
		module, ok := items[0].(string)
		name, ok2 := items[1].(string)
		if !ok || !ok2 {
			return errors.New("the pickle names a class by something else than text")
		}
		m.push(m.class(module, name))
	case 'R', 0x81, 0x92: // REDUCE, NEWOBJ, NEWOBJ_EX
		if op == 0x92 {
			if _, err := m.pop(); err != nil { // keyword arguments
				return err
			}
		}
		items, err := m.popN(2)
		if err != nil {
			return err
		}
		v, err := m.make(items[0], items[1], op != 'R')
		m.push(v)
		return err
	case 'b': // BUILD
		state, err := m.pop()
		if err != nil {
			return err
		}
		if len(m.stack) <= m.base() {
			return errors.New("the pickle takes a value that is not there")
		}
		if o, ok := m.stack[len(m.stack)-1].(*object); ok {
			o.state = state
			o.class.isModule = o.class.isModule || isModule(o)
		}
	case 'Q': // BINPERSID
		id, err := m.pop()
		if err != nil {
			return err
		}
		if m.persistent == nil {
			return errors.New("the pickle refers to storages where there are none")
		}
		v, err := m.persistent(id)
		m.push(v)
		return err
	default:
		return fmt.Errorf("the pickle has the opcode %#02x, which is not known", op)
	}
	return nil
}

// long is a little-endian number in two's complement.
func long(b []byte) any {
	if len(b) > 8 {
		return bigInt(b)
	}
	var full [8]byte
	copy(full[:], b)
	v := int64(binary.LittleEndian.Uint64(full[:]))
	if n := 8 * len(b); n > 0 && n < 64 { // extend the sign
		v = v << (64 - n) >> (64 - n)
	}
	return v
}

func (m *machine) remember(i uint32) error {
	if len(m.stack) == 0 {
		return errors.New("the pickle remembers a value that is not there")
	}
	m.memo[i] = m.stack[len(m.stack)-1]
	return nil
}

func (m *machine) extend(items []any) error {
	if len(m.stack) <= m.base() {
		return errors.New("the pickle takes a value that is not there")
	}
	switch l := m.stack[len(m.stack)-1].(type) {
	case *list:
		l.items = append(l.items, items...)
	case *object: // a subclass of list
	default:
		return errors.New("the pickle appends to something else than a list")
	}
	return nil
}

func (m *machine) update(items []any) error {
	if len(m.stack) <= m.base() {
		return errors.New("the pickle takes a value that is not there")
	}
	switch d := m.stack[len(m.stack)-1].(type) {
	case *dict:
		return d.update(items)
	case *object: // a subclass of dict
		return nil
	}
	return errors.New("the pickle sets items of something else than a dictionary")
}

func (d *dict) update(items []any) error {
	if len(items)%2 != 0 {
		return errors.New("the pickle has a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.set(items[i], items[i+1])
	}
	return nil
}

// class returns what stands for a name; the same name is the same.
func (m *machine) class(module, name string) any {
	key := module + " " + name
	if m.classes == nil {
		m.classes = map[string]*class{}
	}
	c := m.classes[key]
	if c == nil {
		c = &class{module: module, name: name, known: known(module, name, m.script)}
		m.classes[key] = c
	}
	return c
}
