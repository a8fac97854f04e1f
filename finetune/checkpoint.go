package finetune

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/atomicfile"
	"github.com/gansr/gansr/onnxio"
)

// A checkpoint is a safetensors file: the tensors of both networks and their optimisers by name, and the rest as JSON in the metadata.
const (
	checkpointName = "checkpoint-%09d.safetensors" // by batches
	checkpointKey  = "gansr.checkpoint"
)

// checkpoint is what a checkpoint holds beside tensors.
type checkpoint struct {
	State                     state
	GeneratorAdam, CriticAdam int    // steps
	Random, Source            []byte // positions
	Generator, Critic         string // digests of what the training started from
	Config                    Config
	CPU                       string
	Threads                   int
	Part                      int // pairs that go through the networks at once; 0: no batch has come
}

// held is a tensor of a checkpoint. It is a safetensors.View.
type held struct {
	shape []int
	data  []float32
}

func (h held) DType() safetensors.DType { return safetensors.F32 }
func (h held) DataLen() uint64          { return 4 * uint64(len(h.data)) }

func (h held) Shape() []uint64 {
	s := make([]uint64, len(h.shape))
	for i, d := range h.shape {
		s[i] = uint64(d)
	}
	return s
}

func (h held) Data() []byte {
	b := make([]byte, 0, 4*len(h.data))
	for _, v := range h.data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// tensors lists everything with elements that a checkpoint holds, where it is.
func (t *Trainer) tensors() map[string]held {
	m := map[string]held{}
	network := func(n *network, adam *Adam) {
		for i, w := range n.weights() {
			m[n.name+"/"+w.name] = held{w.value.Shape(), w.floats()}
			if i < len(n.learned) {
				m[n.name+"-mean/"+w.name] = held{w.value.Shape(), adam.State.Mean[i]}
				m[n.name+"-square/"+w.name] = held{w.value.Shape(), adam.State.Square[i]}
			}
		}
	}
	network(t.generator, t.generatorAdam)
	if t.critic != nil {
		network(t.critic, t.criticAdam)
	}
	for i, w := range t.averaged() {
		m["average/"+w.name] = held{w.value.Shape(), t.average[i]}
	}
	return m
}

// saveCheckpoint writes a checkpoint to the folder, and removes those that are too many.
func (t *Trainer) saveCheckpoint() error {
	if err := os.MkdirAll(t.config.Folder, 0o777); err != nil {
		return fmt.Errorf("finetune: %w", err)
	}
	path := filepath.Join(t.config.Folder, fmt.Sprintf(checkpointName, t.state.Batches))
	if err := t.Save(path); err != nil {
		return err
	}
	names, err := checkpoints(t.config.Folder)
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-t.config.Keep)] {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("finetune: %w", err)
		}
	}
	return nil
}

// checkpoints returns the paths of those in a folder, the oldest first.
func checkpoints(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("finetune: %w", err)
	}
	var names []string
	for _, e := range entries {
		if ok, _ := filepath.Match("checkpoint-*.safetensors", e.Name()); ok {
			names = append(names, filepath.Join(folder, e.Name()))
		}
	}
	return names, nil
}

// Save writes a checkpoint, under a temporary name first: a file at path is always whole.
func (t *Trainer) Save(path string) error {
	c := checkpoint{State: t.state, GeneratorAdam: t.generatorAdam.State.Steps, Source: t.source.State(), Generator: t.generator.base, Config: t.config,
		CPU: graph.CPUPath(), Threads: t.workers.Threads(), Part: t.part()}
	if t.critic != nil {
		c.Critic, c.CriticAdam = t.critic.base, t.criticAdam.State.Steps
	}
	var err error
	if c.Random, err = t.random.MarshalBinary(); err != nil {
		return fmt.Errorf("finetune: %w", err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("finetune: %w", err)
	}
	err = atomicfile.Write(path, func(f *os.File) error {
		return safetensors.SerializeToWriter(t.tensors(), map[string]string{checkpointKey: string(text)}, f)
	})
	if err != nil {
		return fmt.Errorf("finetune: checkpoint: %w", err)
	}
	return nil
}

// Resume goes on from the newest checkpoint in the folder. It reports whether there is one.
func (t *Trainer) Resume() (bool, error) {
	names, err := checkpoints(t.config.Folder)
	if err != nil || len(names) == 0 {
		return false, err
	}
	return true, t.Load(names[len(names)-1])
}

// Load goes on from a checkpoint of a training with the same models. It is an error, and the trainer stays as it is, if the checkpoint belongs
// to others. Under another CPU path or number of threads, or with other settings, the steps that follow need not be the same to the
// bit; a warning says so.
func (t *Trainer) Load(path string) error {
	if err := t.loadCheckpoint(path); err != nil {
		return fmt.Errorf("finetune: checkpoint %s: %w", path, err)
	}
	return nil
}

func (t *Trainer) loadCheckpoint(path string) error {
	file, err := os.ReadFile(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return err
	}
	_, meta, err := safetensors.ReadMetadata(file)
	if err != nil {
		return fmt.Errorf("it is damaged, and without it the one before would be taken: %w", err)
	}
	st, err := safetensors.Deserialize(file)
	if err != nil {
		return fmt.Errorf("it is damaged, and without it the one before would be taken: %w", err)
	}
	var c checkpoint
	if err := json.Unmarshal([]byte(meta.Metadata()[checkpointKey]), &c); err != nil {
		return fmt.Errorf("its metadata: %w", err)
	}
	if c.Generator != t.generator.base || t.critic != nil && c.Critic != t.critic.base {
		return errors.New("it belongs to a training of other models")
	}
	tensors := t.tensors()
	for name, h := range tensors {
		v, ok := st.Tensor(name)
		if !ok || v.DType() != safetensors.F32 || !slices.Equal(v.Shape(), h.Shape()) {
			return fmt.Errorf("tensor %q is missing or of another shape", name)
		}
	}
	random := *t.random
	if err := random.UnmarshalBinary(c.Random); err != nil {
		return err
	}
	if err := t.source.Restore(c.Source); err != nil {
		return err
	}
	for name, h := range tensors {
		v, _ := st.Tensor(name)
		for i := range h.data {
			h.data[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.Data()[4*i:]))
		}
	}
	*t.random = random
	t.state, t.generatorAdam.State.Steps = c.State, c.GeneratorAdam
	if t.critic != nil {
		t.criticAdam.State.Steps = c.CriticAdam
	}
	t.warn(c)
	return nil
}

// part is how many pairs go through the networks at once; 0 before the steps are compiled.
func (t *Trainer) part() int {
	if len(t.parts) == 0 {
		return 0
	}
	return t.parts[0].lr.Shape()[0]
}

// warn tells how the training that a checkpoint is of was another.
func (t *Trainer) warn(c checkpoint) {
	if c.CPU != graph.CPUPath() || c.Threads != t.workers.Threads() {
		t.log.Warn("the checkpoint was made with other kernels or threads, so the steps that follow may differ in their last digits",
			"then", fmt.Sprint(c.CPU, " ", c.Threads), "now", fmt.Sprint(graph.CPUPath(), " ", t.workers.Threads()))
	}
	if part := t.part(); c.Part != part && c.Part != 0 && part != 0 {
		t.log.Warn(fmt.Sprintf("the checkpoint was made with %d pairs at once, and memory is for %d now: the steps that follow may differ in their last digits", c.Part, part))
	}
	was, now := c.Config, t.config
	was.Folder, now.Folder = "", ""
	if d := differences("", reflect.ValueOf(was), reflect.ValueOf(now)); len(d) > 0 {
		t.log.Warn("the checkpoint was made with other settings: " + strings.Join(d, ", "))
	}
}

// differences lists the fields of two structs that differ.
func differences(prefix string, was, now reflect.Value) (list []string) {
	for i := range was.NumField() {
		name, a, b := prefix+was.Type().Field(i).Name, was.Field(i), now.Field(i)
		switch {
		case a.Kind() == reflect.Struct:
			list = append(list, differences(name+".", a, b)...)
		case fmt.Sprint(a) != fmt.Sprint(b): // an empty list is none
			list = append(list, fmt.Sprintf("%s was %v and is %v", name, a, b))
		}
	}
	return list
}

// digest identifies a model.
func digest(m *onnxio.Model) (string, error) {
	data, err := m.Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
